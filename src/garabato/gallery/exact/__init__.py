"""Exact search among embeddings held in memory, whichever backend stores them."""
