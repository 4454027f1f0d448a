"""Prepares a data set from a source of drawings: choose, sample, split, write."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from garabato.categories import Categories, choose_categories, file_stem
from garabato.dataset.selection import (
    RESERVE,
    Candidates,
    Sizes,
    Split,
    first_candidates,
    split_categories,
)
from garabato.dataset.store import (
    CARD,
    Dataset,
    check_replaceable,
    dataset_card,
    sha256_of,
    write_manifest,
    write_split,
)
from garabato.drawing.arrow import from_table, stored_bitmap_shape
from garabato.errors import SourceError, check_count, storage_errors
from garabato.formats import ReadReport
from garabato.host.atomic import replacing_folder
from garabato.render.contact_sheets import Cell, draw_sheet, encode_png
from garabato.sources import Source, open_source
from garabato.sources.source import Progress, check_source
from garabato.sources.starter import N_PER_CATEGORY, StarterSource

_log = logging.getLogger(__name__)

SHEETS = "sheets"
COLUMNS = 12
ROWS = 5
ALL = "_all.png"


def prepare(
    source: str | PathLike[str] | Source,
    out: str | PathLike[str],
    *,
    categories: Categories = 100,
    n_train: int = 1000,
    n_test: int = 50,
    seed: int = 0,
    recognized_only: bool = False,
    allow_short: bool = False,
    strict: bool = False,
    sheets: bool = True,
    report: ReadReport | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Choose categories, sample and split their drawings, and write the data set `out`.

    `categories` is a number of random categories, "all", or a list of names. The random `seed`
    chooses `n_train` training and `n_test` test drawings of each. No drawing (by key_id, or by
    identical strokes on the grid) is in both splits, even across categories. Categories with too
    few drawings raise SourceError, or with `allow_short` contribute what they have, in the same
    proportion. README.md in `out` is a dataset card for the Hugging Face Hub. The same seed and
    source give the same bytes. More categories don't change the drawings of the others, except for
    test drawings that they share. Uses about 200 bytes of memory per drawing.

    Unreadable drawings are counted in dataset.json and in `report`, or logged without one; with
    `strict` the first one raises FormatError. A data set at `out` is replaced once the new one is
    complete. Raises CategoryError for unknown names, DatasetError if `out` holds anything else,
    and StorageError.
    """
    check_count("n_train", n_train)
    check_count("n_test", n_test, least=0)
    if isinstance(source, str | PathLike):
        source = open_source(source)
    check_source(source)
    out = Path(out)
    with storage_errors(out):
        check_replaceable(out)
    files = source.categories()
    names = choose_categories(list(files), categories, seed=seed)
    sizes = Sizes(n_train, n_test, allow_short)
    if isinstance(source, StarterSource) and sizes.total > N_PER_CATEGORY and not allow_short:
        raise SourceError(
            f"the starter set has {N_PER_CATEGORY} drawings of each category, fewer than "
            f"{sizes.total:,} ({n_train:,} to train with and {n_test:,} to test with); choose "
            "fewer (--train 80 --test 10), or accept what it has (--allow-short)"
        )
    own_report = ReadReport() if report is None else report
    show = progress or (lambda stage, done, total: None)

    def read(name: str, n_kept: int, into: ReadReport) -> Candidates:
        batches = source.read(name, strict=strict, report=into)
        return first_candidates(batches, name, n_kept, seed=seed, recognized_only=recognized_only)

    with replacing_folder(out) as folder:
        candidates = {}
        for done, name in enumerate(names):
            show("read", done, len(names))
            candidates[name] = read(name, sizes.total + RESERVE, own_report)
        show("read", len(names), len(names))
        _refuse_mixed_kinds(candidates)
        splits = split_categories(
            candidates, sizes, read_more=lambda name, n: read(name, n, ReadReport())
        )
        known = {
            "source": _describe_files({name: files[name] for name in names}),
            "seed": int(seed),
            "n_train": int(n_train),
            "n_test": int(n_test),
            "recognized_only": recognized_only,
            "allow_short": allow_short,
            "categories": names,
            "counts": {
                name: {
                    "train": splits[name].train.num_rows,
                    "test": splits[name].test.num_rows,
                    **candidates[name].counts,
                }
                for name in names
            },
            "unreadable": _describe_unreadable(own_report, files),
        }
        _write(folder, splits, known)
        if sheets:
            write_sheets(folder / SHEETS, splits, show)
    if report is None:
        for line in own_report.lines():
            _log.warning("%s", line)
    return Dataset.open(out)


def write_sheets(folder: Path, splits: Mapping[str, Split], progress: Progress) -> None:
    """Write a contact sheet for every category, and `_all.png`, to a new folder."""
    folder.mkdir()
    first: list[Cell] = []
    for done, (name, split) in enumerate(splits.items()):
        progress("sheets", done, len(splits))
        shown = split.train if split.train.num_rows else split.test
        cells = [Cell(drawing) for drawing in from_table(shown.slice(0, COLUMNS * ROWS))]
        first.append(Cell(cells[0].drawing, name))
        title = f"{name}\n{_sizes(split.train.num_rows, split.test.num_rows)}"
        if shown.num_rows > len(cells):
            title += f" · {len(cells)} shown"
        _write_sheet(folder / f"{file_stem(name)}.png", cells, title, COLUMNS)
    n_train = sum(split.train.num_rows for split in splits.values())
    n_test = sum(split.test.num_rows for split in splits.values())
    title = f"{len(splits)} categories\n{_sizes(n_train, n_test)} · one drawing of each category"
    _write_sheet(folder / ALL, first, title, max(6, math.ceil(math.sqrt(1.5 * len(first)))))
    progress("sheets", len(splits), len(splits))


def _refuse_mixed_kinds(candidates: Mapping[str, Candidates]) -> None:
    kinds: dict[str, str] = {}
    for name, found in candidates.items():
        if found.digests:
            kinds.setdefault(found.kind, name)
    if len(kinds) > 1:
        mixed = ", ".join(f"{name} is {kind}" for kind, name in kinds.items())
        raise SourceError(
            f"a data set holds either strokes or bitmaps, but {mixed}; choose one kind"
        )


def _describe_files(files: Mapping[str, list[Path]]) -> dict[str, Any]:
    """Names and sizes of the files, without local paths."""
    folders = sorted({file.parent.name for paths in files.values() for file in paths})
    return {
        "folder": ", ".join(folders),
        "files": [
            {"name": file.name, "category": name, "bytes": file.stat().st_size}
            for name, paths in files.items()
            for file in paths
        ],
    }


def _describe_unreadable(report: ReadReport, files: Mapping[str, list[Path]]) -> dict[str, Any]:
    """The report with file names instead of paths."""
    folders = {f"{file.parent}/" for paths in files.values() for file in paths}
    document = report.to_dict()
    for problem in document["problems"].values():
        for folder in folders:
            problem["places"] = [place.removeprefix(folder) for place in problem["places"]]
    return document


def _write(folder: Path, splits: Mapping[str, Split], known: Mapping[str, Any]) -> None:
    shape = stored_bitmap_shape(next(iter(splits.values())).train.schema)
    kind: dict[str, Any] = {"storage": "parquet", "kind": "strokes"}
    if shape is not None:
        kind = {"storage": "parquet", "kind": "bitmaps", "bitmap_shape_px": list(shape)}
    written = {
        "train": write_split(folder, "train", (split.train for split in splits.values())),
        "test": write_split(folder, "test", (split.test for split in splits.values())),
    }
    manifest = {**kind, **known, "splits": written}
    card = folder / CARD
    card.write_text(dataset_card(manifest), encoding="utf-8")
    write_manifest(folder, {**manifest, "card_sha256": sha256_of(card)})


def _sizes(n_train: int, n_test: int) -> str:
    return f"{n_train:,} training drawings, {n_test:,} test drawings"


def _write_sheet(path: Path, cells: list[Cell], title: str, columns: int) -> None:
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    path.write_bytes(encode_png(draw_sheet(rows, title=title)))
