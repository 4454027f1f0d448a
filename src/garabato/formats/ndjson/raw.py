"""Google's raw ndjson: the same lines as the simplified ones, but as the device sent them.

A stroke has three rows, `[[x, ...], [y, ...], [t, ...]]`: x and y in pixels of the device, t in
milliseconds since the first point. Strokes are raw where they have a third row or a coordinate
written as a float; such drawings are simplified on reading by Google's recipe
(`Drawing.simplified`), so that all drawings of a gallery went the same way.
"""

from __future__ import annotations


def is_raw(n_rows: int, kinds: set[type]) -> bool:
    """True where a stroke of `n_rows` rows and coordinates of these types is a raw one."""
    return n_rows > 2 or float in kinds
