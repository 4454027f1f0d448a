"""The pictures of a data set: a sheet a category, and one of the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from garabato.dataset.split import Split
from garabato.drawing.arrow import from_table
from garabato.render.contact_sheets import Cell, draw_sheet, encode_png

SHEETS = "sheets"
COLUMNS = 12
ROWS = 5
ALL = "_all.png"


def write_sheets(
    folder: Path,
    splits: Mapping[str, Split],
    *,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> None:
    """Write `<category>.png` for every category, and `_all.png`, into a new folder."""
    folder.mkdir()
    first: list[Cell] = []
    for done, (name, split) in enumerate(splits.items()):
        if progress:
            progress("sheets", done, len(splits))
        shown = split.train if split.train.num_rows else split.test
        cells = [Cell(drawing) for drawing in from_table(shown.slice(0, COLUMNS * ROWS))]
        first.append(Cell(cells[0].drawing, name))
        title = f"{name}\n{_sizes(split.train.num_rows, split.test.num_rows)}"
        if shown.num_rows > len(cells):
            title += f" · {len(cells)} of them"
        _write(folder / f"{name.replace('/', '_')}.png", cells, title, COLUMNS)
    n_train = sum(split.train.num_rows for split in splits.values())
    n_test = sum(split.test.num_rows for split in splits.values())
    title = f"{len(splits)} categories\n{_sizes(n_train, n_test)} · one of each category"
    _write(folder / ALL, first, title, max(6, math.ceil(math.sqrt(1.5 * len(first)))))
    if progress:
        progress("sheets", len(splits), len(splits))


def _write(path: Path, cells: list[Cell], title: str, columns: int) -> None:
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    path.write_bytes(encode_png(draw_sheet(rows, title=title)))


def _sizes(n_train: int, n_test: int) -> str:
    return f"{n_train:,} drawings to train with, {n_test:,} to test with"
