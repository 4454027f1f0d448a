"""Analyses of a gallery: odd drawings, duplicates, summaries of categories, the map."""

from garabato.analysis.duplicates import DuplicatePair, find_duplicates
from garabato.analysis.odd import OddDrawing, find_odd
from garabato.analysis.pictures import (
    MAX_PICTURE_ROWS,
    SearchResult,
    draw_duplicates,
    draw_hits,
    draw_odd,
)

__all__ = [
    "MAX_PICTURE_ROWS",
    "DuplicatePair",
    "OddDrawing",
    "SearchResult",
    "draw_duplicates",
    "draw_hits",
    "draw_odd",
    "find_duplicates",
    "find_odd",
]
