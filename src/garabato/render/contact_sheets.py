"""Contact sheets: pictures of many drawings in rows, with captions and frames for right and wrong.

These drawings are for people, larger and with a constant line width; `renderer` makes the images
for networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Literal, cast

import cv2
import numpy as np

from garabato.drawing import ByteArray, Drawing, FloatArray
from garabato.host.atomic import write_bytes

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Frame = Literal["right", "wrong", "query"]
Colour = tuple[int, int, int]

PAPER: Colour = (246, 246, 243)
CELL: Colour = (255, 255, 255)
HAIRLINE: Colour = (222, 222, 217)
INK: Colour = (28, 28, 32)
FAINT: Colour = (112, 112, 116)
FRAMES: dict[str, Colour] = {
    "right": (34, 146, 84),
    "wrong": (207, 62, 60),
    "query": (45, 85, 160),
}

_OVERSAMPLE = 3  # cells are drawn larger by this factor, then reduced by area
_SHIFT = 4  # fractional bits of the coordinates that OpenCV takes
_DRAWING_MARGIN = 0.11  # of the cell's side
_PEN = 0.021  # line width over the cell's side

#: Colour of a cell's pixel by its ink: (256, 3) uint8.
_MIXED = np.rint(np.linspace(CELL, INK, 256)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Cell:
    """A drawing on a contact sheet.

    `caption` is printed below it, in two lines at most. `frame` marks it as a query, or as a right
    or wrong hit: by colour, and by a badge for colour-blind people.
    """

    drawing: Drawing
    caption: str = ""
    frame: Frame | None = None


def draw_sheet(
    rows: Sequence[Sequence[Cell]],
    *,
    title: str = "",
    cell_px: int = 96,
    caption_px: int | None = None,
    together: int = 1,
) -> ByteArray:
    """Draw rows of cells on one page: (H, W, 3) uint8, RGB.

    Rows may differ in length. The first line of `title` is large, further lines small and grey. If
    every row begins with a query, a gap separates the queries from their hits. The cells of a row
    touch in groups of `together`. Captions are `caption_px` high, by default an eighth of a cell.
    """
    gap, edge = max(6, cell_px // 12), max(16, cell_px // 4)
    n_columns = max((len(row) for row in rows), default=0)
    queries_first = bool(rows) and all(row and row[0].frame == "query" for row in rows)
    apart = edge if queries_first and n_columns > 1 else 0
    between = gap if together == 1 else edge
    lefts = [
        edge + i * cell_px + i // together * between + (apart if i else 0) for i in range(n_columns)
    ]

    title_px = max(18, cell_px // 4)
    caption_px = caption_px or max(10, cell_px // 8)
    heading = _lay_out_title(title, title_px)
    captions = [[_wrap(cell.caption, cell_px, caption_px) for cell in row] for row in rows]
    caption_step = round(1.3 * caption_px)
    tops: list[int] = []
    y = edge + sum(step for _, _, _, step in heading) + (gap if heading else 0)
    for lines in captions:
        tops.append(y)
        n_lines = max((len(c) for c in lines), default=0)
        y += cell_px + (n_lines * caption_step + gap // 2 if n_lines else 0) + gap

    width = max(
        lefts[-1] + cell_px if lefts else 0,
        max((edge + _text_width(text, size, bold) for text, size, bold, _ in heading), default=0),
    )
    page: ByteArray = np.empty((y - gap * bool(rows) + edge, width + edge, 3), np.uint8)
    page[:] = np.tile(np.array(PAPER, np.uint8), (page.shape[1], 1))
    y = edge
    for text, size_px, bold, step in heading:
        _write(page, text, edge, y, size_px, INK if bold else FAINT, bold=bold)
        y += step
    for row, top, lines in zip(rows, tops, captions, strict=True):
        for cell, left, caption in zip(row, lefts, lines, strict=False):
            page[top : top + cell_px, left : left + cell_px] = _draw_cell(cell, cell_px)
            for number, text in enumerate(caption):
                x = left + (cell_px - _text_width(text, caption_px)) // 2
                y = top + cell_px + gap // 2 + number * caption_step
                _write(page, text, max(x, left), y, caption_px, FAINT)
    return page


def save_png(image: ByteArray, path: str | PathLike[str]) -> None:
    """Write an (H, W) grey or (H, W, 3) RGB uint8 image as PNG, atomically. Raises StorageError."""
    write_bytes(path, encode_png(image))


def encode_png(image: ByteArray) -> bytes:
    """The PNG file of an (H, W) grey or (H, W, 3) RGB uint8 image."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)
    # Without row filters, PNGs of line art are smaller and written three times as fast.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    _, encoded = cv2.imencode(".png", image, options)
    return encoded.tobytes()


def _lay_out_title(title: str, title_px: int) -> list[tuple[str, int, bool, int]]:
    """(text, size_px, bold, height_px) of each line of the title."""
    if not title:
        return []
    first, *rest = title.split("\n")
    small_px = max(11, round(title_px * 0.56))
    return [
        (first, title_px, True, round(title_px * 1.45)),
        *((line, small_px, False, round(small_px * 1.5)) for line in rest),
    ]


def _wrap(text: str, width_px: int, size_px: int) -> list[str]:
    """`text` in two lines, at most, that fit `width_px`; longer text ends with an ellipsis."""
    lines: list[str] = []
    for paragraph in text.split("\n") if text else []:
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _text_width(longer, size_px) > width_px:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    if len(lines) > 2:
        lines[1] += "…"
    return [_shorten(line, width_px, size_px) for line in lines[:2]]


def _text_width(text: str, size_px: int, bold: bool = False) -> int:
    return round(_font(size_px, bold).getlength(text))


@cache
def _font(size_px: int, bold: bool) -> FreeTypeFont:
    """matplotlib's DejaVu Sans, which has most alphabets; else Pillow's own font (Latin only)."""
    from PIL import ImageFont

    try:
        import matplotlib
    except ImportError:
        return cast("FreeTypeFont", ImageFont.load_default(size_px))
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", size_px)


def _shorten(line: str, width_px: int, size_px: int) -> str:
    if _text_width(line, size_px) <= width_px:
        return line
    body = line.removesuffix("…")
    while body and _text_width(body + "…", size_px) > width_px:
        body = body[:-1]
    return body.rstrip() + "…"


def _write(
    page: ByteArray, text: str, x: int, y: int, size_px: int, colour: Colour, *, bold: bool = False
) -> None:
    """Write a line of text onto the page in place, its top left corner at (x, y)."""
    from PIL import Image, ImageDraw

    if not text:
        return
    font = _font(size_px, bold)
    bottom = min(y + round(size_px * 1.4), page.shape[0])
    right = min(x + _text_width(text, size_px, bold) + 2, page.shape[1])
    strip = Image.fromarray(page[y:bottom, x:right])
    ImageDraw.Draw(strip).text((0, 0), text, font=font, fill=colour)
    page[y:bottom, x:right] = np.asarray(strip)


def _draw_cell(cell: Cell, size_px: int) -> ByteArray:
    """(size_px, size_px, 3) uint8: paper, drawing, frame and badge."""
    side = size_px * _OVERSAMPLE
    if cell.drawing.bitmap is not None:
        ink = _ink_of_bitmap(cell.drawing.bitmap, size_px)
    else:
        large = np.zeros((side, side), np.uint8)
        _draw_strokes(large, cell.drawing)
        ink = cv2.resize(large, (size_px, size_px), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    picture = np.take(_MIXED, ink, axis=0)
    edge_px = 1 if cell.frame is None else max(2, size_px // 40)
    colour = HAIRLINE if cell.frame is None else FRAMES[cell.frame]
    inside = np.s_[edge_px:-edge_px, edge_px:-edge_px]
    framed: ByteArray = np.full_like(picture, colour)
    framed[inside] = picture[inside]
    if cell.frame in ("right", "wrong"):
        badge, cover = _badge(cell.frame, size_px)
        corner = framed[: len(badge), -len(badge) :]
        corner[:] = np.rint(corner * (1 - cover) + badge * cover)
    return framed


def _ink_of_bitmap(bitmap: ByteArray, size_px: int) -> ByteArray:
    """The bitmap's ink, resized to fit a (size_px, size_px) cell."""
    ink: ByteArray = np.zeros((size_px, size_px), np.uint8)
    scale = size_px * (1 - 2 * _DRAWING_MARGIN) / max(bitmap.shape)
    height, width = (max(1, round(n * scale)) for n in bitmap.shape)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    top, left = (size_px - height) // 2, (size_px - width) // 2
    inside = cv2.resize(bitmap, (width, height), interpolation=interpolation)
    ink[top : top + height, left : left + width] = inside
    return ink


def _draw_strokes(canvas: ByteArray, drawing: Drawing) -> None:
    """Draw strokes centred onto a square (side, side) canvas of zeros, ink 255."""
    if drawing.is_empty:
        return
    side = canvas.shape[0]
    points = drawing.points.astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max())
    scale = side * (1 - 2 * _DRAWING_MARGIN) / extent if extent > 0 else 1.0
    placed = (points - (low + high) / 2) * scale + side / 2
    fixed = np.rint(placed * (1 << _SHIFT)).astype(np.int32)
    starts = drawing.stroke_starts
    strokes = [fixed[a:b] for a, b in pairwise(starts)]
    pen_px = max(1, round(_PEN * side))
    cv2.polylines(canvas, strokes, False, (255,), pen_px, cv2.LINE_AA, _SHIFT)
    for stroke in strokes:
        if (stroke == stroke[0]).all():  # polylines doesn't draw dots
            centre = (int(stroke[0, 0]), int(stroke[0, 1]))
            radius = int(0.8 * pen_px * (1 << _SHIFT))
            cv2.circle(canvas, centre, radius, (255,), -1, cv2.LINE_AA, _SHIFT)


@cache
def _badge(frame: str, size_px: int) -> tuple[ByteArray, FloatArray]:
    """A disc with a tick or a cross: (n, n, 3) uint8, and its opacity (n, n, 1) float32."""
    n = round(size_px * 2 / 11)
    side = n * _OVERSAMPLE * 2
    mark = {
        "right": [[(-0.45, 0.02), (-0.12, 0.36), (0.46, -0.34)]],
        "wrong": [[(-0.36, -0.36), (0.36, 0.36)], [(-0.36, 0.36), (0.36, -0.36)]],
    }[frame]
    picture: ByteArray = np.full((side, side, 3), FRAMES[frame], np.uint8)
    lines = [np.rint((np.array(line) + 1) * side / 2 * 16).astype(np.int32) for line in mark]
    cv2.polylines(picture, lines, False, CELL, max(1, side // 8), cv2.LINE_AA, _SHIFT)
    disc = np.zeros((side, side), np.uint8)
    cv2.circle(disc, (side // 2, side // 2), side // 2, (255,), -1, cv2.LINE_AA)
    small = cv2.resize(picture, (n, n), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    cover = cv2.resize(disc, (n, n), interpolation=cv2.INTER_AREA)[..., None] / np.float32(255)
    return small, cover.astype(np.float32)
