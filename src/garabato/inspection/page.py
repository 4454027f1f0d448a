"""An inspection as a self-contained HTML page without scripts."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from garabato.drawing import Drawing, IntArray
from garabato.host.atomic import write_bytes
from garabato.inspection.inspect import Groups, Inspection, Spread
from garabato.render.contact_sheets import encode_png

#: Groups of copies shown, and drawings of each.
MAX_GROUPS = 24
MAX_MEMBERS = 6
MAX_COUNTRIES = 10
#: Drawings shown of each category, and categories that are shown.
SAMPLE_SIZE = 8
MAX_SAMPLED = 400


def write_inspection(inspection: Inspection, path: str | PathLike[str]) -> None:
    """Write the inspection as a self-contained HTML page. Raises StorageError."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("garabato.inspection", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html").render(
        found=inspection,
        largest_category=max(category.n for category in inspection.categories),
        has_splits=any(category.splits for category in inspection.categories),
        countries=list(inspection.countries.items())[:MAX_COUNTRIES],
        n_other_countries=max(0, len(inspection.countries) - MAX_COUNTRIES),
        histograms=_histograms(inspection),
        repeated=_shown_groups(inspection, inspection.repeated),
        near=_shown_groups(inspection, inspection.near),
        samples=_samples(inspection),
        sample_size=SAMPLE_SIZE,
        n_unsampled=max(0, len(inspection.categories) - MAX_SAMPLED),
        dots=_shown(inspection, inspection.dots[: 2 * MAX_MEMBERS]),
    )
    write_bytes(path, page.encode())


@dataclass(frozen=True, slots=True)
class Shown:
    """A drawing on the page: an SVG path, or a picture as a data URI."""

    path: str
    view_box: str
    picture: str
    category: str
    note: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram, in the units of its SVG."""

    x: float
    height: float
    n: int
    says: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram 100 units high with bars 10 wide."""

    title: str
    summary: str
    bars: list[Bar]
    first: str
    last: str


def _histograms(inspection: Inspection) -> list[Histogram]:
    pairs = (
        ("Strokes in a drawing", inspection.strokes),
        ("Points in a drawing", inspection.points),
    )
    return [_histogram(title, spread) for title, spread in pairs if spread is not None]


def _histogram(title: str, spread: Spread) -> Histogram:
    width, n_bins = spread.bin_width, len(spread.bins)
    labels = [
        f"{i + 1}" if width == 1 else f"{i * width + 1} to {(i + 1) * width}" for i in range(n_bins)
    ]
    labels[-1] = f"{(n_bins - 1) * width + 1} or more"
    tallest = max(spread.bins)
    bars = [
        Bar(x=10 * i, height=100 * n / tallest, n=n, says=f"{labels[i]}: {n:,} drawings")
        for i, n in enumerate(spread.bins)
    ]
    summary = (
        f"median {spread.median:g}, mean {spread.mean:.1f}, 90 % between {spread.p05:g} and "
        f"{spread.p95:g}, at most {spread.largest:,}"
    )
    return Histogram(title, summary, bars, labels[0], labels[-1])


def _samples(inspection: Inspection) -> list[tuple[str, list[Shown]]]:
    samples = list(inspection.samples(SAMPLE_SIZE).items())[:MAX_SAMPLED]
    return [(name, _shown(inspection, rows)) for name, rows in samples]


def _shown_groups(inspection: Inspection, groups: Groups) -> list[tuple[int, list[Shown]]]:
    return [
        (len(rows), _shown(inspection, rows[:MAX_MEMBERS])) for rows in groups.groups[:MAX_GROUPS]
    ]


def _shown(inspection: Inspection, rows: IntArray) -> list[Shown]:
    members = inspection.members(rows)
    drawings = inspection.drawings(rows)
    return [_show(one, member) for one, member in zip(drawings, members, strict=True)]


def _show(drawing: Drawing, member: dict[str, Any]) -> Shown:
    note = " · ".join(member[key] for key in ("split", "key_id") if key in member)
    category = member["category"]
    if drawing.bitmap is not None:
        png = base64.b64encode(encode_png(255 - drawing.bitmap)).decode()
        return Shown("", "", f"data:image/png;base64,{png}", category, note)
    low, high = drawing.points.min(axis=0), drawing.points.max(axis=0)
    side = max(float((high - low).max()), 8.0)
    left, top = (low + high) / 2 - 0.6 * side
    view_box = f"{left:g} {top:g} {1.2 * side:g} {1.2 * side:g}"
    return Shown(_svg_path(drawing), view_box, "", category, note)


def _svg_path(drawing: Drawing) -> str:
    """Strokes as an SVG path; a single point becomes a line of no length, drawn as a dot."""
    parts = []
    for stroke in drawing.strokes:
        points = np.rint(stroke.T).astype(int).tolist()
        if len(points) == 1:
            points *= 2
        parts.append("M" + "L".join(f"{x} {y}" for x, y in points))
    return "".join(parts)
