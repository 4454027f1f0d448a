"""The rules of lined, squared and music paper.

They are straight, reach from one edge of the page to another or end at its margins, and are equally
far apart.
"""

from __future__ import annotations

import cv2
import numpy as np

from garabato.drawing import BoolArray
from garabato.formats.picture.pixels import MIN_CONTRAST, Image, connected_to_edges, dilated, edges

#: Ruled lines reach the edges of the paper at least this often.
N_RULE_ENDS = 6
#: Before an edge or a margin, rules end within this share of the page. Between the margins is at
#: least this share of its width and height.
_RULE_ENDS, _MIN_RULED = 0.02, 0.6
#: Rules are thinner than the longer side divided by this. They are this far apart or more (grain is
#: not), and most distances differ by at most this share. This share of a straight line is dark.
_RULE_SHARE, _MIN_GAP_PX, _UNEVEN, _STRAIGHT = 60, 6, 0.15, 0.95
#: Lines examined, the longest first; each rule gives several that are nearly equal.
_MAX_LINES = 4000


def between_margins(mask: BoolArray) -> BoolArray | None:
    """The part of a page where its rules are, if they end before the edges; else None."""
    if _has_rules(mask):
        return None
    block = np.s_[:, :]
    for axis in (0, 1):
        counts = mask.sum(axis=axis)
        usual = np.median(counts)
        if usual > 0:
            ruled = np.flatnonzero(counts >= usual / 2)
            spare = int(_RULE_ENDS * len(counts))
            within = slice(ruled[0] + spare, max(ruled[0], ruled[-1] - spare) + 1)
            block = (block[0], within) if axis == 0 else (within, block[1])
    shares = np.divide(mask[block].shape, mask.shape)
    if shares.min() < _MIN_RULED or not _has_rules(mask[block]):
        return None
    part = np.zeros(mask.shape, np.bool_)
    part[block] = True
    return part


def beside_rules(darkness: Image) -> Image:
    """0 on the rules of the paper, except where a thicker pen crossed them; 1 elsewhere.

    They are found if they are as dark as the ink and it has no lines as thin as they are; paler
    ones are left to `ink`.
    """
    everywhere = np.ones(darkness.shape, np.float32)
    dark = darkness[darkness > MIN_CONTRAST]
    least = 0.5 * float(np.quantile(dark, 0.9)) if len(dark) else 1.0
    mask = darkness > least
    if not _has_rules(mask):
        return everywhere
    for px in range(2, max(3, max(darkness.shape) // _RULE_SHARE)):
        window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (px, px))
        thick = cv2.morphologyEx(darkness, cv2.MORPH_OPEN, window) > least
        if n_ends(thick) > n_ends(mask) // 8:
            continue
        rules = _straight_lines(mask, mask & ~thick, px + 2)
        n, labels = cv2.connectedComponents(thick.astype(np.uint8))
        is_pen = np.bincount(labels[~rules], minlength=n) > 0  # else where rules cross
        is_pen[0] = False
        pen = dilated(is_pen[labels], 2)
        thin = (mask & ~pen & ~rules).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(thin)
        if stats[1:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(initial=0) > 2 * px:
            return everywhere
        return np.where((rules & ~pen) | connected_to_edges(thin), np.float32(0), everywhere)
    return everywhere


def n_ends(mask: BoolArray) -> int:
    """How many lines reach the edges."""
    return sum(int((np.diff(edge.astype(np.int8)) > 0).sum()) for edge in edges(mask))


def _has_rules(mask: BoolArray) -> bool:
    """Whether lines reach two opposite edges, at equal distances."""
    top, bottom, left, right = map(_is_regular, edges(mask))
    return (top and bottom) or (left and right)


def _is_regular(edge: BoolArray) -> bool:
    gaps = np.diff(np.flatnonzero(np.diff(edge.astype(np.int8)) > 0))
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    if len(gaps) < N_RULE_ENDS - 1 or usual < _MIN_GAP_PX:
        return False
    return bool((np.abs(gaps - usual) <= _UNEVEN * usual + 1).mean() > 0.7)


def _straight_lines(mask: BoolArray, thin: BoolArray, px: int) -> BoolArray:
    """The straight lines in `mask` from one edge to another, `thin` in part, drawn this thick."""
    height, width = mask.shape
    found = cv2.HoughLines(thin.astype(np.uint8), 1, np.pi / 720, min(mask.shape) // 2)
    near = dilated(mask, 1)
    lines = np.zeros(mask.shape, np.uint8)
    share = np.linspace(0, 1, max(mask.shape))[:, None]
    for rho, theta in () if found is None else found[:_MAX_LINES, 0]:
        normal = np.array([np.cos(theta), np.sin(theta)])
        beyond = (height + width) * np.array([-normal[1], normal[0]])
        corners = np.rint([rho * normal - beyond, rho * normal + beyond]).astype(np.int64)
        _, start, stop = cv2.clipLine((0, 0, width, height), *corners)
        xs, ys = np.rint(start + share * np.subtract(stop, start)).astype(np.int64).T
        if near[ys, xs].mean() > _STRAIGHT:
            cv2.line(lines, start, stop, 1, px)
    return lines > 0
