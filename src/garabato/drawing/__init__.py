"""Drawings: strokes or bitmaps, and their metadata.

`Drawing` is one drawing. `DrawingBatch` holds many in flat arrays, which parsers fill, Parquet
files store and the renderer reads, so that millions of drawings never become Python lists.
"""

from garabato.drawing.arrays import (
    GRID,
    MAX_COORDINATE,
    MAX_POINTS,
    SIMPLIFY_EPSILON,
    BoolArray,
    ByteArray,
    FloatArray,
    IntArray,
)
from garabato.drawing.batch import DrawingBatch
from garabato.drawing.drawing import (
    MAX_ORIGINAL_BYTES,
    SVG_TYPE,
    Details,
    Drawing,
    iter_drawings,
    list_drawings,
)

__all__ = [
    "GRID",
    "MAX_COORDINATE",
    "MAX_ORIGINAL_BYTES",
    "MAX_POINTS",
    "SIMPLIFY_EPSILON",
    "SVG_TYPE",
    "BoolArray",
    "ByteArray",
    "Details",
    "Drawing",
    "DrawingBatch",
    "FloatArray",
    "IntArray",
    "iter_drawings",
    "list_drawings",
]
