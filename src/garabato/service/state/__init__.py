"""The state of a service: what it stores about a gallery, and the progress of its jobs."""
