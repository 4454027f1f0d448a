"""An inspection as a self-contained HTML page without scripts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from os import PathLike

from garabato.drawing import Drawing, IntArray
from garabato.drawing.html import html_page
from garabato.host.atomic import write_bytes
from garabato.inspection.inspect import Groups, Inspection, Spread

#: Groups of copies shown, drawings shown of each group, and countries listed.
MAX_GROUPS = 24
MAX_MEMBERS = 6
MAX_COUNTRIES = 10
#: Drawings shown per category, and categories shown.
SAMPLE_SIZE = 8
MAX_SAMPLED = 400


def write_inspection(inspection: Inspection, path: str | PathLike[str]) -> None:
    """Write the inspection as a self-contained HTML page. Raises StorageError."""
    histograms = {
        "Strokes in a drawing": inspection.strokes,
        "Points in a drawing": inspection.points,
    }
    page = html_page(
        "garabato.inspection",
        "page.html",
        found=inspection,
        largest_category=max(category.n for category in inspection.categories),
        has_splits=any(category.splits for category in inspection.categories),
        countries=list(inspection.countries.items())[:MAX_COUNTRIES],
        n_other_countries=max(0, len(inspection.countries) - MAX_COUNTRIES),
        histograms=[
            (title, spread, _labels(spread)) for title, spread in histograms.items() if spread
        ],
        repeated=_shown_groups(inspection, inspection.repeated),
        near=_shown_groups(inspection, inspection.near),
        samples=[
            (name, _shown(inspection, rows))
            for name, rows in islice(inspection.samples(SAMPLE_SIZE).items(), MAX_SAMPLED)
        ],
        sample_size=SAMPLE_SIZE,
        n_unsampled=max(0, len(inspection.categories) - MAX_SAMPLED),
        dots=_shown(inspection, inspection.dots[: 2 * MAX_MEMBERS]),
    )
    write_bytes(path, page.encode())


@dataclass(frozen=True, slots=True)
class Shown:
    """A drawing on the page; `note` is its split and key_id."""

    drawing: Drawing
    category: str
    note: str


def _labels(spread: Spread) -> list[str]:
    """What each bin counts: "1 to 4"."""
    width, n_bins = spread.bin_width, len(spread.bins)
    labels = [
        f"{i + 1}" if width == 1 else f"{i * width + 1} to {(i + 1) * width}" for i in range(n_bins)
    ]
    labels[-1] = f"{(n_bins - 1) * width + 1} or more"
    return labels


def _shown_groups(inspection: Inspection, groups: Groups) -> list[tuple[int, list[Shown]]]:
    return [
        (len(rows), _shown(inspection, rows[:MAX_MEMBERS])) for rows in groups.groups[:MAX_GROUPS]
    ]


def _shown(inspection: Inspection, rows: IntArray) -> list[Shown]:
    return [
        Shown(
            drawing,
            member["category"],
            " · ".join(member[key] for key in ("split", "key_id") if key in member),
        )
        for drawing, member in zip(inspection.drawings(rows), inspection.members(rows), strict=True)
    ]
