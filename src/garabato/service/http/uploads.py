"""Uploaded files -> the drawing in them; their format is told by content."""

from __future__ import annotations

import io
import tempfile

from PIL import Image

from garabato.drawing import Drawing
from garabato.errors import FormatError
from garabato.formats import ReadReport, read_drawings
from garabato.service.http.problems import ProblemError
from garabato.service.http.serializers import as_strokes
from garabato.service.settings import Settings


def first_drawing(content: bytes, settings: Settings) -> Drawing:
    """The first drawing of a file of any format garabato reads; a picture's is a bitmap. Blocks.

    Raises ProblemError 415 for no such format, 422 for a file without a readable drawing or beyond
    the limits.
    """
    if not content:
        raise ProblemError.of_field("file", "the file is empty")
    _check_pixels(content, settings.max_pixels)
    # Readers take files. This one's name is ours: what the client calls it plays no part.
    with tempfile.NamedTemporaryFile(prefix="garabato-upload-") as file:
        file.write(content)
        file.flush()
        try:
            drawing = next(iter(read_drawings(file.name, report=ReadReport())))
        except FormatError as error:
            status = 415 if "no format garabato reads" in error.problem else 422
            position = f" ({error.position})" if error.position else ""
            raise ProblemError.of_field("file", error.problem + position, status) from None
    strokes = as_strokes(drawing)
    if strokes.is_empty:
        raise ProblemError.of_field("file", "the first drawing in it has no ink")
    if len(strokes.stroke_starts) - 1 > settings.max_strokes:
        raise ProblemError.of_field(
            "file", f"more than {settings.max_strokes:,} strokes in a drawing"
        )
    if len(strokes.points) > settings.max_points:
        raise ProblemError.of_field(
            "file", f"more than {settings.max_points:,} points in a drawing"
        )
    return drawing


def _check_pixels(content: bytes, max_pixels: int) -> None:
    """Refuse pictures of too many pixels before any of them is decoded."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            n_pixels = picture.width * picture.height
    except Exception:  # no picture, or a damaged one: the readers say what it is
        return
    if n_pixels > max_pixels:
        raise ProblemError.of_field(
            "file", f"the picture has more than {max_pixels / 1e6:g} million pixels", 413
        )
