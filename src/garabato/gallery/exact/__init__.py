"""Exact search among embeddings held in memory, whichever backend stores them.

`gallery/lance/limits.py` decides which galleries are searched this way.
"""
