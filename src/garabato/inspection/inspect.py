"""What is in a data set or a source: counts, sizes, and what should not be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from garabato.dataset.store import MANIFEST, SPLITS, Dataset
from garabato.drawing import DrawingBatch, IntArray
from garabato.drawing.arrow import from_table, to_table
from garabato.errors import SourceError
from garabato.formats import ReadReport
from garabato.inspection.duplicates import equal_groups, extents, near_groups
from garabato.inspection.result import CategoryCounts, Groups, Inspection, Spread
from garabato.sources import open_source

#: `progress(stage, done, total)`; the unit is categories, or splits of a data set.
Progress = Callable[[str, int, int | None], None]

Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

#: How many bins the histograms have, and how wide each is.
STROKE_BINS, STROKES_A_BIN = 20, 1
POINT_BINS, POINTS_A_BIN = 40, 4


def inspect(
    target: str | PathLike[str],
    *,
    report: ReadReport | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Look through a data set, or a source of drawings, and count what is there.

    Duplicates have identical strokes on the grid (or identical bitmaps); near-duplicates have the
    same strokes up to place and scale (see `duplicates.near_groups`; bitmaps are not compared so).
    All drawings are held in memory, 1 to 2 kB each at the peak. What can't be read is counted in
    `report`. Raises DatasetError or SourceError for what is neither, and SourceError where strokes
    and bitmaps are mixed.
    """
    path = Path(target)
    report = ReadReport() if report is None else report
    if (path / MANIFEST).exists():
        kind, tables = "data set", list(_read_dataset(path, report, progress))
    else:
        kind, tables = "source", list(_read_source(path, report, progress))
    if not tables:
        raise SourceError(f"{path} holds no drawing that can be read")
    schema = tables[0].schema
    if not all(table.schema.equals(schema, check_metadata=True) for table in tables):
        raise SourceError(
            f"{path} holds strokes and bitmaps, or bitmaps of several sizes; "
            "put each kind in a folder of its own"
        )
    return _inspect(pa.concat_tables(tables), path.resolve().name, kind, report)


def _read_dataset(path: Path, report: ReadReport, progress: Progress | None) -> Iterator[pa.Table]:
    dataset = Dataset.open(path)
    for done, name in enumerate(SPLITS, start=1):
        batch = dataset.split(name)
        report.n_read += len(batch)
        if len(batch):
            yield to_table(batch, name)
        if progress:
            progress("read", done, len(SPLITS))


def _read_source(path: Path, report: ReadReport, progress: Progress | None) -> Iterator[pa.Table]:
    source = open_source(path)
    names = list(source.categories())
    for done, name in enumerate(names, start=1):
        for batch in source.read(name, report=report):
            key_ids = [key_id or "" for key_id in batch.key_ids]
            yield to_table(batch.on_grid().replace(key_ids=key_ids))
        if progress:
            progress("read", done, len(names))


def _inspect(table: pa.Table, name: str, kind: str, report: ReadReport) -> Inspection:
    drawings = from_table(table)
    n_points = np.diff(drawings.stroke_starts[drawings.drawing_starts])
    is_empty = ~drawings.has_ink
    is_dot = (n_points > 0) & (extents(drawings) == 0)
    repeated, near = _copies(drawings, np.flatnonzero(~is_empty))
    splits = np.array(table["split"].to_pylist(), object)
    flags = {
        "recognized": np.array([value is True for value in drawings.recognized], np.bool_),
        "unrecognized": np.array([value is False for value in drawings.recognized], np.bool_),
        "empty": is_empty,
        "dots": is_dot,
        "repeated": _marked(repeated, len(drawings)),
        "near": _marked(near, len(drawings)),
    }
    n_strokes = np.diff(drawings.drawing_starts)
    n_yes, n_no = int(flags["recognized"].sum()), int(flags["unrecognized"].sum())
    return Inspection(
        name=name,
        kind=kind,
        n_drawings=len(drawings),
        categories=_by_category(drawings, splits, n_strokes, n_points, flags),
        countries=dict(Counter(c for c in drawings.countries if c).most_common()),
        recognized={"yes": n_yes, "no": n_no, "unknown": len(drawings) - n_yes - n_no},
        strokes=_spread(n_strokes, STROKE_BINS, STROKES_A_BIN),
        points=_spread(n_points, POINT_BINS, POINTS_A_BIN),
        empty=np.flatnonzero(is_empty),
        dots=np.flatnonzero(is_dot),
        repeated=_describe(repeated, drawings, splits, n_points),
        near=_describe(near, drawings, splits, n_points),
        repeated_key_ids=sum(n > 1 for key, n in Counter(drawings.key_ids).items() if key),
        unreadable=report.to_dict(),
        table=table,
    )


def _copies(drawings: DrawingBatch, rows: IntArray) -> tuple[list[IntArray], list[IntArray]]:
    """Groups of identical drawings among `rows`, and of nearly identical ones.

    One of each group of copies stands for it among the latter.
    """
    content_ids = drawings.content_ids()
    repeated = [rows[places] for places in equal_groups(content_ids[row] for row in rows)]
    copies = [group[1:] for group in repeated]
    single = np.setdiff1d(rows, np.concatenate(copies)) if copies else rows
    near = [single[group] for group in near_groups(drawings.take(single))]
    return repeated, near


def _describe(
    groups: list[IntArray], drawings: DrawingBatch, splits: Texts, n_points: IntArray
) -> Groups:
    categories = np.array(drawings.categories, object)
    return Groups(
        n_groups=len(groups),
        n_drawings=sum(map(len, groups)),
        across_categories=sum(len(set(categories[rows])) > 1 for rows in groups),
        across_splits=sum(len(set(splits[rows])) > 1 for rows in groups),
        groups=sorted(groups, key=lambda rows: -int(n_points[rows[0]])),
    )


def _by_category(
    drawings: DrawingBatch,
    splits: Texts,
    n_strokes: IntArray,
    n_points: IntArray,
    flags: dict[str, Flags],
) -> list[CategoryCounts]:
    names, labels = np.unique(np.array(drawings.categories, object), return_inverse=True)
    found = []
    for label, name in enumerate(names):
        rows = np.flatnonzero(labels == label)
        inked = rows[n_points[rows] > 0]
        found.append(
            CategoryCounts(
                name=str(name),
                n=len(rows),
                splits={split: n for split, n in Counter(splits[rows]).items() if split},
                median_strokes=float(np.median(n_strokes[inked])) if len(inked) else 0.0,
                median_points=float(np.median(n_points[inked])) if len(inked) else 0.0,
                **{flag: int(marks[rows].sum()) for flag, marks in flags.items()},
            )
        )
    return found


def _spread(numbers: IntArray, n_bins: int, bin_width: int) -> Spread | None:
    numbers = numbers[numbers > 0]
    if len(numbers) == 0:
        return None
    bins = np.minimum((numbers - 1) // bin_width, n_bins - 1)
    p05, median, p95 = np.percentile(numbers, (5, 50, 95), method="inverted_cdf")
    return Spread(
        mean=float(numbers.mean()),
        median=float(median),
        p05=float(p05),
        p95=float(p95),
        largest=int(numbers.max()),
        bins=np.bincount(bins, minlength=n_bins).tolist(),
        bin_width=bin_width,
    )


def _marked(groups: list[IntArray], n: int) -> Flags:
    marks = np.zeros(n, np.bool_)
    for rows in groups:
        marks[rows] = True
    return marks
