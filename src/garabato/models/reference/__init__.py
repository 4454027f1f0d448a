"""The two networks of the reference project, skNet and skResNet."""
