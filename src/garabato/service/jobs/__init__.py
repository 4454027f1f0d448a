"""Work in the background: startup, encoding, reading files, category pages, the map."""
