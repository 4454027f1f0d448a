"""Work a service does beside requests: startup, category pages, the map."""
