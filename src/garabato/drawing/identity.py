"""Content ids: the key_ids of drawings that come without one.

Galleries store these ids, so the hashed bytes, those of `garabato.gallery.stroke_codec`, must never
change. The category is not part of them.
"""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

from garabato.drawing.arrays import ByteArray, FloatArray, IntArray

_PREFIX = "content-"


def content_ids_of_strokes(
    points: FloatArray, stroke_starts: IntArray, drawing_starts: IntArray
) -> list[str]:
    """The ids of drawings on the grid, given as the arrays of a `DrawingBatch`."""
    starts = stroke_starts[drawing_starts]
    xs, ys = (points[starts[0] : starts[-1], axis].astype(np.uint8).tobytes() for axis in (0, 1))
    cuts, first_strokes = (starts - starts[0]).tolist(), drawing_starts.tolist()
    n_points = np.diff(stroke_starts)
    ids = []
    for i in range(len(cuts) - 1):
        lengths = n_points[first_strokes[i] : first_strokes[i + 1]]
        largest = max(len(lengths), int(lengths.max(initial=0)))
        width = 1 if largest < 2**8 else 2 if largest < 2**16 else 4
        digest = _digest(bytes([width]))
        digest.update(np.concatenate([[len(lengths)], lengths]).astype(f"<u{width}").tobytes())
        digest.update(xs[cuts[i] : cuts[i + 1]])
        digest.update(ys[cuts[i] : cuts[i + 1]])
        ids.append(_PREFIX + digest.hexdigest())
    return ids


def content_ids_of_bitmaps(bitmaps: ByteArray) -> list[str]:
    """The ids of bitmaps (N, H, W) uint8."""
    head = b"\0" + np.array(bitmaps.shape[1:], "<u4").tobytes()
    return [
        _PREFIX + _digest(head + zlib.compress(bitmap.tobytes())).hexdigest() for bitmap in bitmaps
    ]


def _digest(content: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(content, digest_size=12)
