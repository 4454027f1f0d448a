"""Drawings as HTML: inline SVG, for notebooks (`_repr_svg_`, `_repr_html_`) and Jinja templates."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

    from garabato.drawing.drawing import Drawing

#: Drawings of a batch or gallery shown in a notebook.
N_SHOWN = 12
_MARGIN = 24
_SIDE = 255 + 2 * _MARGIN
#: Attributes that replace the style sheet of a page.
_ALONE = (
    'xmlns="http://www.w3.org/2000/svg" width="{0}" height="{0}" fill="none" stroke="black" '
    'stroke-width="6" stroke-linecap="round" stroke-linejoin="round" style="background:white" '
)


def drawing_svg(drawing: Drawing, *, size_px: int | None = None, label: str = "") -> Markup:
    """An `<svg>` element with the drawing centred in a square.

    With `size_px` it is black on white; without, the page's style sheet decides. `label` is read
    out by screen readers.
    """
    from markupsafe import Markup, escape

    attributes = "" if size_px is None else _ALONE.format(size_px)
    if label:
        attributes += f'role="img" aria-label="{escape(label)}" '
    content = _path(drawing) if drawing.bitmap is None else _image(drawing)
    box = f'viewBox="0 0 {_SIDE} {_SIDE}" class="drawing"'
    return Markup(f"<svg {attributes}{box}>{content}</svg>")


def drawings_html(shown: Iterable[tuple[Drawing, str]], *, heading: str = "") -> str:
    """A row of drawings, each with a caption, as HTML for notebooks. Texts are escaped."""
    from markupsafe import escape

    figures = "".join(
        '<figure style="display:inline-block;margin:2px 4px;text-align:center;font-size:11px">'
        f"{drawing_svg(drawing, size_px=84)}<figcaption>{escape(caption)}</figcaption></figure>"
        for drawing, caption in shown
    )
    above = f"<div>{escape(heading)}</div>" if heading else ""
    return f"{above}<div>{figures}</div>"


def html_page(package: str, template: str, **values: Any) -> str:
    """Render the template file of a package, with its values escaped.

    Filters: `svg` (a drawing as inline SVG), `picture` (a PNG as data URI), `percent` (of a share)
    and `number`; the last two show None as a dash.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = drawing_svg
    environment.filters["picture"] = _data_uri
    environment.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.1f}%"
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:.3f}"
    return environment.get_template(template).render(**values)


def _path(drawing: Drawing) -> str:
    moved = drawing.normalised()
    width, height = moved.points.max(axis=0) if len(moved.points) else (0.0, 0.0)
    left, top = _MARGIN + (255 - width) / 2, _MARGIN + (255 - height) / 2
    lines = []
    for xs, ys in moved.strokes:
        points = [f"{x + left:.0f} {y + top:.0f}" for x, y in zip(xs, ys, strict=True)]
        # A dot is a line of length 0, which round caps make visible.
        lines.append("M" + "L".join(points if len(points) > 1 else points * 2))
    return f'<path d="{"".join(lines)}"/>'


def _image(drawing: Drawing) -> str:
    from PIL import Image

    assert drawing.bitmap is not None
    png = io.BytesIO()
    Image.fromarray(255 - drawing.bitmap).save(png, "PNG")
    box = f'x="{_MARGIN}" y="{_MARGIN}" width="255" height="255"'
    return f'<image {box} href="{_data_uri(png.getvalue())}"/>'


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
