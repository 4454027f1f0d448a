"""A drawing as inline SVG: sharp at any size, in the colour of the page's text."""

from __future__ import annotations

import base64

from markupsafe import Markup

from garabato.drawing import Drawing

_MARGIN = 24
_SIDE = 255 + 2 * _MARGIN


def drawing_svg(drawing: Drawing) -> Markup:
    """An `<svg>` element of the drawing, centred in a square; only numbers get into the markup."""
    if drawing.bitmap is not None:
        return _bitmap_svg(drawing)
    moved = drawing.normalised()
    width, height = moved.points.max(axis=0) if len(moved.points) else (0.0, 0.0)
    left, top = _MARGIN + (255 - width) / 2, _MARGIN + (255 - height) / 2
    paths = []
    for xs, ys in moved.strokes:
        points = [f"{x + left:.0f} {y + top:.0f}" for x, y in zip(xs, ys, strict=True)]
        # a dot is a line of no length: round caps make it visible
        paths.append("M" + "L".join(points if len(points) > 1 else points * 2))
    return Markup(
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" class="drawing"><path d="{"".join(paths)}"/></svg>'
    )


def _bitmap_svg(drawing: Drawing) -> Markup:
    import cv2

    assert drawing.bitmap is not None
    _, png = cv2.imencode(".png", 255 - drawing.bitmap)
    encoded = base64.b64encode(png.tobytes()).decode()
    return Markup(
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" class="drawing"><image x="{_MARGIN}" y="{_MARGIN}" '
        f'width="255" height="255" href="data:image/png;base64,{encoded}"/></svg>'
    )
