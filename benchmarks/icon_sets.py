"""Icon sets from npm: every icon of each set of `garabato icons` is read.

It reports how many icons were read, how many could not be read and why, their metadata (tags,
titles, links), the licence files that were kept, and the time to read an icon. With --sheets, it
writes a contact sheet of 100 evenly spaced icons of each set.

    python benchmarks/icon_sets.py [--sets NAME,NAME] [--sheets DIR]
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import harness

from garabato.drawing import Drawing
from garabato.formats import ReadReport
from garabato.render.contact_sheets import Cell, draw_sheet, save_png
from garabato.sources.icons import ICON_SETS, IconSource, fetch_icons

N_SHOWN = 100
TARGET_MS = 0.65


def run(context: harness.Context, *, sets: Sequence[str], sheets: Path | None) -> list[harness.Row]:
    """One set after the other; the first is read twice, since its first reading compiles."""
    list(IconSource(sets[:1]).read(sets[0], report=ReadReport()))
    rows = []
    for name in sets:
        report = ReadReport()
        started = time.process_time()
        source = IconSource([name])
        icons = [drawing for batch in source.read(name, report=report) for drawing in batch]
        took_s = time.process_time() - started
        rows.append(harness.Row(f"{name}: icons read", "", [len(icons)], note=about(name, icons)))
        unread = "; ".join(report.lines()) or "none"
        rows.append(harness.Row(f"{name}: not read", "", [report.n_unreadable], note=unread))
        per_icon = 1000 * took_s / max(1, len(icons) + report.n_unreadable)
        rows.append(harness.Row(f"{name}: processor time an icon", "ms", [per_icon], TARGET_MS))
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            shown = icons[:: max(1, len(icons) // N_SHOWN)][:N_SHOWN]
            cells = [Cell(icon, str(icon.title)) for icon in shown]
            lines = [cells[i : i + 10] for i in range(0, len(cells), 10)]
            save_png(draw_sheet(lines, title=name), sheets / f"{name}.png")
    return rows


def about(name: str, icons: Sequence[Drawing]) -> str:
    """What is known of the icons of a set, and its licence."""
    n_titled = sum(icon.title != _name_in_words(icon) for icon in icons)
    n_tagged = sum(len(icon.tags) > 1 for icon in icons)
    n_linked = sum(icon.details is not None and icon.details.link is not None for icon in icons)
    kept = ", ".join(sorted(file.name for file in fetch_icons(name).glob("[LlCcNn]*")))
    return (
        f"{ICON_SETS[name].package}: {n_tagged:,} with tags, {n_titled:,} with a title other "
        f"than their name, {n_linked:,} with a link; {ICON_SETS[name].licence} ({kept})"
    )


def _name_in_words(icon: Drawing) -> str:
    return re.sub("[-_]+", " ", str(icon.key_id).rpartition("/")[2])


def benchmark(
    sets: Sequence[str] = tuple(ICON_SETS), sheets: Path | None = None
) -> harness.Benchmark:
    """These sets."""
    options = "" if len(sets) == len(ICON_SETS) else f" --sets {','.join(sets)}"
    return harness.Benchmark(
        "icon_sets",
        "all icons of each set, at the version that `garabato icons` fetches",
        "",
        partial(run, sets=sets, sheets=sheets),
        quick=False,
        command=f"icon_sets.py{options}",
    )


def main() -> None:
    """The command line."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--sets", help="only these, separated by commas")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write contact sheets")
    given = parser.parse_args()
    sets = given.sets.split(",") if given.sets else tuple(ICON_SETS)
    IconSource.check(sets)
    asked = benchmark(sets, given.sheets)
    harness.show([harness.measure(asked, Path(), given.results)])


if __name__ == "__main__":
    main()
