"""Filling galleries: bulk load, copy, and embedding on a Ray cluster."""
