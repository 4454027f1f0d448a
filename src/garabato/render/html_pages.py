"""Self-contained HTML pages from Jinja templates."""

from __future__ import annotations

import base64
from typing import Any

from garabato.drawing.svg import drawing_svg


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
    environment.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.1f} %"
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:.3f}"
    return environment.get_template(template).render(**values)


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
