"""A small canvas on which the shapes of an SVG document are painted, one over the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, IntArray
from garabato.formats.svg._paths import winding_numbers
from garabato.formats.svg.items import (
    WHITE,
    Clip,
    Item,
    Points,
    Rectangle,
    clipped_lines,
    cut,
    is_cut,
)
from garabato.formats.svg.paints import Shaded
from garabato.formats.svg.style import Colour

Colours = npt.NDArray[np.float64]  # (..., 4): red, green, blue 0..255; alpha 0..1

#: Longer side of the canvas.
CANVAS_PX = 256
#: Colours closer than this, in the channel (0..255) that differs most, look the same.
CONTRAST = 12.0
#: Paint this opaque hides what is beneath it.
OPAQUE = 0.9
#: An eraser that crossed lines differs in colour from at most this share of the pixels beside it.
_ERASED = 0.5
#: Masks darker than this hide what is beneath them.
_MASKED = 0.1
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722]) / 255
#: The most shapes in clips, per document, whose outlines are examined.
_MAX_CLIP_EDGES = 2000
#: Pixels beyond this are as good as infinitely far away.
_FAR_PX = 1e5


def difference(colour: Colour | Colours, beneath: npt.NDArray[Any]) -> Any:
    """By how much painting `colour` changes colours (..., 3), in the channel changed most."""
    above = np.asarray(colour)
    return np.abs(above[..., :3] - beneath).max(axis=-1) * above[..., 3]


class Canvas:
    """Colours (H, W, 3), and for each pixel the last item that covered it."""

    def __init__(self, frame: Rectangle, colour: Colour) -> None:
        left, top, right, bottom = frame
        self._scale = CANVAS_PX / max(right - left, bottom - top)
        self._origin = np.array([left, top])
        self.height = max(1, round((bottom - top) * self._scale))
        self.width = max(1, round((right - left) * self._scale))
        self._colours = np.empty((self.height, self.width, 3), np.float32)
        self._colours[:] = colour[:3]
        self._covers = np.full((self.height, self.width), -1, np.float32)
        self._is_line = np.zeros((self.height, self.width), bool)  # where a stroke was painted last
        self._region_masks: dict[int, BoolArray] = {}
        self._n_clip_edges_left = _MAX_CLIP_EDGES

    def to_px(self, points: Points) -> Points:
        px = np.nan_to_num((points - self._origin) * self._scale, nan=_FAR_PX)
        return np.asarray(np.clip(px, -_FAR_PX, _FAR_PX))

    def uniform_colour(self) -> Colour | None:
        """The one colour of the whole canvas; None if there are several."""
        first = self._colours[0, 0]
        if not (self._colours == first).all():
            return None
        red, green, blue = first.tolist()
        return red, green, blue, 1.0

    def covered_by(self, colour: Colour, mask: BoolArray) -> Canvas:
        """A canvas whose ground is `colour` within `mask`, and outside it what was painted here."""
        canvas = Canvas.__new__(Canvas)
        canvas.__dict__ = {**self.__dict__, "_covers": np.full_like(self._covers, -1)}
        canvas._colours = np.where(mask[..., None], np.asarray(colour[:3], np.float32), 0)
        canvas._colours += np.where(mask[..., None], 0, self._colours)
        canvas._is_line = np.zeros_like(self._is_line)
        return canvas

    def fill_mask(self, item: Item) -> BoolArray:
        """The pixels (H, W) an item fills, within its clip."""
        px = self.to_px(item.points)
        winding = winding_numbers(px, item.starts, self.height, self.width)
        mask = winding & 1 != 0 if item.is_even_odd else winding != 0
        if not mask.any():  # finer than a pixel, or no area at all
            mask = self._line_mask(px, item.starts, 1)
        return self._within(mask, item.clip)

    def paint(self, number: int, item: Item, fill_mask: BoolArray | None) -> BoolArray | None:
        """Paint an item; returns the pixels that look different now, None if there are none."""
        changed = None
        if item.fill and fill_mask is not None:
            # of corners finer than a pixel, the outline tells whether they stand out
            outline = self._line_mask(self.to_px(item.points), item.starts, 1)
            outline = self._within(outline, item.clip)
            changed = self._stands_out(item.fill, outline | fill_mask)
            self._blend(item.fill, fill_mask, is_line=False)
            self._covers[self._opaque(item.fill, fill_mask)] = number
        if item.stroke:
            mask = self.stroke_mask(item)
            stroked = self._stands_out(item.stroke, mask, crossing=True)
            if not item.fill and self._is_eraser(item.stroke, mask, stroked, self._thickness(item)):
                self._covers[self._opaque(item.stroke, mask)] = number
                stroked[:] = False
            self._blend(item.stroke, mask, is_line=True)
            changed = stroked if changed is None else changed | stroked
        return changed if changed is not None and changed.any() else None

    def stroke_mask(self, item: Item) -> BoolArray:
        """The pixels (H, W) an item's line covers, within its clip."""
        mask = self._line_mask(self.to_px(item.points), item.starts, self._thickness(item))
        return self._within(mask, item.clip)

    def edges_of_clip(self, item: Item, fill_mask: BoolArray) -> Iterator[Points]:
        """The outlines of a fill's clips, where they are the edges of its visible part."""
        import cv2

        clips = [part for region in item.clip.regions for part in region]
        outline = self._clip_outline(item)
        if outline is not None:
            clips.append(outline)
        self._n_clip_edges_left -= len(clips)
        if not clips or self._n_clip_edges_left < 0:
            return
        filled = fill_mask.astype(np.uint8)
        border = filled - cv2.erode(filled, np.ones((3, 3), np.uint8), borderValue=1)
        for edge in (slice(2), slice(-2, None)):  # the page's own
            border[edge] = border[:, edge] = 0
        for part in clips:
            reach = 3 + (self._thickness(part) if part.stroke else 0)
            near = cv2.dilate(border, np.ones((reach, reach), np.uint8)) > 0
            for line in clipped_lines(part):
                yield from cut(line, self.to_px(line), near)

    def least_covers(self) -> npt.NDArray[np.float32]:
        """For each pixel, the first of the items that cover it and its eight neighbours."""
        import cv2

        return np.asarray(cv2.erode(self._covers, np.ones((3, 3), np.uint8)), np.float32)

    def _line_mask(self, px: Points, starts: IntArray, thickness: int) -> BoolArray:
        import cv2

        mask = np.zeros((self.height, self.width), np.uint8)
        fixed = np.rint(np.clip(px, -4 * CANVAS_PX, 5 * CANVAS_PX) * 16 - 8).astype(np.int32)
        lines = [fixed[a:b] for a, b in pairwise(starts.tolist())]
        cv2.polylines(mask, lines, False, 1, thickness, cv2.LINE_8, 4)
        return mask > 0

    def _within(self, mask: BoolArray, clip: Clip) -> BoolArray:
        """The part of `mask` that `clip` leaves visible."""
        if clip.rectangle is not None:
            corners = np.reshape(clip.rectangle, (2, 2))
            left, top = np.rint(self.to_px(corners[:1])[0]).astype(int)
            right, bottom = np.rint(self.to_px(corners[1:])[0]).astype(int)
            clipped = np.zeros_like(mask)
            rows = slice(max(top, 0), max(bottom, 0))
            columns = slice(max(left, 0), max(right, 0))
            clipped[rows, columns] = mask[rows, columns]
            mask = clipped
        for region in clip.regions:
            mask = mask & self._region_mask(region)
        return mask

    def _region_mask(self, region: tuple[Item, ...]) -> BoolArray:
        """The pixels where what a clip path or mask paints is bright."""
        key = id(region)
        if key not in self._region_masks:
            brightness = np.zeros((self.height, self.width))
            for item in region:
                for colour, mask_of in (
                    (item.fill, self.fill_mask),
                    (item.stroke, self.stroke_mask),
                ):
                    if colour:
                        mask = mask_of(item)
                        painted = self._at(colour, mask)
                        brightness[mask] *= 1 - painted[..., 3]
                        brightness[mask] += painted[..., :3] @ _LUMINANCE * painted[..., 3]
            self._region_masks[key] = brightness > _MASKED
        return self._region_masks[key]

    def _at(self, colour: Colour, mask: BoolArray) -> Colours:
        """(n, 4) or (4,): the colours that `colour` paints on the n pixels of `mask`."""
        if not isinstance(colour, Shaded):
            return np.asarray(colour)
        rows, columns = np.nonzero(mask)
        return colour.at((np.column_stack([columns, rows]) + 0.5) / self._scale + self._origin)

    def _stands_out(self, colour: Colour, mask: BoolArray, *, crossing: bool = False) -> BoolArray:
        """The pixels near those of `mask` that `colour` would change.

        With `crossing`, pixels of earlier strokes count as changed: a line is not cut there.
        """
        import cv2

        changed = np.zeros(mask.shape, np.uint8)
        changed[mask] = difference(self._at(colour, mask), self._colours[mask]) > CONTRAST
        if crossing and changed.any():
            changed |= (mask & self._is_line).view(np.uint8)
        near: BoolArray = cv2.dilate(changed, np.ones((3, 3), np.uint8)) > 0
        return near

    def _blend(self, colour: Colour, mask: BoolArray, *, is_line: bool) -> None:
        beneath, above = self._colours[mask], self._at(colour, mask)
        self._colours[mask] = beneath + (above[..., :3] - beneath) * above[..., 3:]
        self._is_line[mask] = is_line

    def _opaque(self, colour: Colour, mask: BoolArray) -> BoolArray:
        """The pixels of `mask` where `colour` hides what is beneath it."""
        opaque = np.zeros_like(mask)
        opaque[mask] = self._at(colour, mask)[..., 3] >= OPAQUE
        return opaque

    def _is_eraser(
        self, colour: Colour, mask: BoolArray, changed: BoolArray, thickness: int
    ) -> bool:
        """Whether a line hides lines of other colours, and looks like what is beside them."""
        import cv2

        seen = np.zeros_like(mask)
        seen[mask] = difference(self._at(colour, mask), self._colours[mask]) > CONTRAST
        if not seen.any() or self._is_line[seen].mean() < 0.5:
            return False
        hidden = changed & mask & self._is_line
        contrast = difference(self._at(colour, hidden), self._colours[hidden])
        if (contrast > CONTRAST).mean() < 0.5:
            return False
        size = 2 * thickness + 3
        beside = cv2.dilate(changed.view(np.uint8), np.ones((size, size), np.uint8)) > 0
        beside &= cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
        beside &= ~mask & ~self._is_line
        differs = difference(self._at(colour, beside), self._colours[beside]) > CONTRAST
        return bool(differs.size) and bool(differs.mean() < _ERASED)

    def _thickness(self, item: Item) -> int:
        return max(1, round(min(item.stroke_width * self._scale, CANVAS_PX)))

    def _clip_outline(self, item: Item) -> Item | None:
        """The rectangle that an item is clipped to; None if nothing is, or at the page's edges."""
        if item.clip.rectangle is None:
            return None
        left, top, right, bottom = item.clip.rectangle
        xs, ys = [left, right, right, left, left], [top, top, bottom, bottom, top]
        corners = np.column_stack([xs, ys])
        px = self.to_px(corners)
        is_inside = (px > 1).any() and (px < (self.width - 1, self.height - 1)).any()
        if not (is_inside and is_cut(item)):
            return None
        return Item(corners, np.array([0, 5]), item.clip.rectangle, fill=WHITE)
