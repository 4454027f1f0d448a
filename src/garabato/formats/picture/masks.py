"""Masks of regions of a picture: their edges, hulls and lines."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from garabato.drawing import BoolArray, ByteArray
from garabato.formats.picture.pixels import Image, edges


def pen_px(mask: BoolArray) -> float:
    """The thickness of the lines of a mask, 0 for an empty one."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return 2 * float(np.quantile(depth[depth > 0], 0.9)) if depth.any() else 0.0


def connected_to_edges(mask: BoolArray | ByteArray, connectivity: int = 8) -> BoolArray:
    """The connected parts of `mask` that reach the edges of the picture."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    at_edges = np.concatenate(edges(labels))
    touching = np.zeros(labels.max() + 1, np.bool_)
    touching[at_edges] = True
    touching[0] = False
    return np.asarray(touching[labels])


def eroded(mask: BoolArray, n_px: int) -> BoolArray:
    """`mask` without its outermost px, also along the picture's edges."""
    kernel = np.ones((2 * n_px + 1, 2 * n_px + 1), np.uint8)
    return np.asarray(cv2.erode(mask.astype(np.uint8), kernel, borderValue=0) > 0)


def dilated(mask: BoolArray, n_px: int) -> BoolArray:
    """`mask` with n_px around it."""
    kernel = np.ones((2 * n_px + 1, 2 * n_px + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def margins_of(page: BoolArray) -> tuple[int, int, int, int]:
    """How many px are above, below, before and behind a page."""
    rows, columns = np.flatnonzero(page.any(axis=1)), np.flatnonzero(page.any(axis=0))
    height, width = page.shape
    return int(rows[0]), int(height - 1 - rows[-1]), int(columns[0]), int(width - 1 - columns[-1])


def hull_of(page: BoolArray) -> tuple[Any, Any, BoolArray]:
    """The longest outline of a region and its convex hull, as OpenCV's, and the hull's pixels."""
    outlines, _ = cv2.findContours(page.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    hull = cv2.convexHull(outline)
    filled = cv2.fillConvexPoly(np.zeros(page.shape, np.uint8), hull, 1)
    return outline, hull, filled > 0


def inked_part(
    ink: Image | BoolArray, shape: tuple[int, ...], margin: float = 0.05
) -> tuple[slice, slice]:
    """Rows and columns, in a picture of `shape`, of the ink found in a reduced one."""
    inked = ink > 0.02
    found = []
    for axis in (1, 0):
        where = np.flatnonzero(inked.any(axis=axis))
        factor = shape[1 - axis] / inked.shape[1 - axis]
        found.append((where[0] * factor, (where[-1] + 1) * factor))
    spare = margin * max(last - first for first, last in found) + (2 if margin else 0)
    rows, columns = (
        slice(max(0, int(first - spare)), min(size, int(np.ceil(last + spare))))
        for (first, last), size in zip(found, shape, strict=True)
    )
    return rows, columns


def cropped(ink: Image) -> ByteArray:
    """The part with ink (H, W) of 0..1, as a bitmap, ink 255."""
    rows, columns = inked_part(ink, ink.shape, margin=0)
    return np.ascontiguousarray(np.rint(ink[rows, columns] * 255).astype(np.uint8))
