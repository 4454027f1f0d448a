"""Inspection of a data set or source: counts, sizes, duplicates and other problems."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from garabato.dataset.store import MANIFEST, SPLITS, Dataset
from garabato.drawing import BoolArray, DrawingBatch, FloatArray, IntArray
from garabato.drawing.arrow import from_table, to_table
from garabato.errors import SourceError
from garabato.formats import ReadReport
from garabato.sources import CategoryFrom, Source, open_source
from garabato.sources.source import Progress, check_source

Texts = npt.NDArray[np.object_]

#: Number and width of the histograms' bins.
STROKE_BINS, STROKES_A_BIN = 20, 1
POINT_BINS, POINTS_A_BIN = 40, 4
#: Largest difference between coordinates of near-duplicates, both scaled to 255. Rounding at half
#: the size causes differences of up to 2.
TOLERANCE = 3.0


def inspect(
    target: str | PathLike[str] | Dataset | Source,
    *,
    category_from: CategoryFrom = "auto",
    report: ReadReport | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Inspect a data set or a source of drawings, given by its path or opened.

    Duplicates have identical strokes on the grid, or identical bitmaps. Near-duplicates have the
    same strokes, to within 3 of 255, when moved and scaled to fit; bitmaps have none.
    `category_from` is as in `open_source`. Holds all drawings in memory, up to 2 kB each. Counts
    unreadable drawings in `report`. Raises DatasetError or SourceError, also if strokes and bitmaps
    are mixed.
    """
    opened: Dataset | Source
    if not isinstance(target, str | PathLike):
        opened = target
    elif (Path(target) / MANIFEST).exists():
        opened = Dataset.open(target)
    else:
        opened = open_source(target, category_from=category_from)
    path = Path(target if isinstance(target, str | PathLike) else getattr(target, "path", "source"))
    report = ReadReport() if report is None else report
    kind = "data set" if isinstance(opened, Dataset) else "source"
    tables = list(_read(opened, report, progress))
    if not tables:
        raise SourceError(f"{path} holds no readable drawing")
    schema = tables[0].schema
    if not all(table.schema.equals(schema, check_metadata=True) for table in tables):
        raise SourceError(
            f"{path} holds strokes and bitmaps, or bitmaps of several sizes; "
            "put each kind in a folder of its own"
        )
    return _inspect(pa.concat_tables(tables), path.resolve().name, kind, report)


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of a count (of strokes or points) over the drawings that are not empty.

    `bins[0]` counts the drawings with 1 to `bin_width`, `bins[1]` those with up to twice that, and
    so on; the last bin has no upper end.
    """

    mean: float
    median: float
    p05: float
    p95: float
    largest: int
    bins: list[int]
    bin_width: int

    def __str__(self) -> str:
        return (
            f"median {self.median:g}, mean {self.mean:.1f}, 90% between {self.p05:g} and "
            f"{self.p95:g}, at most {self.largest:,}"
        )


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """Counts for one category.

    `repeated` and `near` count the drawings that are a copy or a near copy of another drawing of
    any category.
    """

    name: str
    n: int
    splits: dict[str, int]
    recognized: int
    unrecognized: int
    median_strokes: float
    median_points: float
    empty: int
    dots: int
    repeated: int
    near: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without the name."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Groups of equal drawings, and how many span categories or splits.

    `groups` holds the rows of each group. Drawings with the most points, which are the least likely
    to be equal by chance, come first.
    """

    n_groups: int
    n_drawings: int
    across_categories: int
    across_splits: int
    groups: list[IntArray]


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The result of `inspect`. Rows (in `empty`, `dots` and groups) are rows of `table`."""

    name: str
    kind: str
    n_drawings: int
    categories: list[CategoryCounts] = field(repr=False)
    countries: dict[str, int] = field(repr=False)
    recognized: dict[str, int]
    strokes: Spread | None = field(repr=False)
    points: Spread | None = field(repr=False)
    empty: IntArray = field(repr=False)
    dots: IntArray = field(repr=False)
    repeated: Groups = field(repr=False)
    near: Groups = field(repr=False)
    repeated_key_ids: int
    unreadable: dict[str, Any] = field(repr=False)
    table: pa.Table = field(repr=False)

    def drawings(self, rows: Iterable[int]) -> DrawingBatch:
        """The drawings at `rows`, in this order, on the grid."""
        return from_table(self.table.take(pa.array(list(rows), pa.int64())))

    def samples(self, n: int) -> dict[str, IntArray]:
        """Rows of up to `n` evenly spaced drawings of each category, without empty ones."""
        names = np.array(self.table["category"].to_pylist(), object)
        names[self.empty] = None
        found = {}
        for category in self.categories:
            rows = np.flatnonzero(names == category.name)
            steps = np.linspace(0, len(rows), min(n, len(rows)), endpoint=False)
            found[category.name] = rows[steps.astype(np.int64)]
        return found

    def to_dict(self, *, max_groups: int = 100) -> dict[str, Any]:
        """As JSON, with the members of at most `max_groups` groups of each kind."""
        return {
            "name": self.name,
            "kind": self.kind,
            "n_drawings": self.n_drawings,
            "n_categories": len(self.categories),
            "categories": {category.name: category.to_dict() for category in self.categories},
            "countries": self.countries,
            "recognized": self.recognized,
            "strokes": None if self.strokes is None else asdict(self.strokes),
            "points": None if self.points is None else asdict(self.points),
            "empty": self._first_members(self.empty, max_groups),
            "dots": self._first_members(self.dots, max_groups),
            "repeated": self._describe(self.repeated, max_groups),
            "near": self._describe(self.near, max_groups),
            "repeated_key_ids": self.repeated_key_ids,
            "unreadable": self.unreadable,
        }

    def members(self, rows: IntArray) -> list[dict[str, str]]:
        """The key_id, category and (in a data set) split of the drawings at `rows`."""
        part = self.table.select(["key_id", "category", "split"])
        found: list[dict[str, str]] = part.take(pa.array(rows, pa.int64())).to_pylist()
        return [{k: v for k, v in member.items() if v} for member in found]

    def _first_members(self, rows: IntArray, limit: int) -> dict[str, Any]:
        return {"n_drawings": len(rows), "drawings": self.members(rows[:limit])}

    def _describe(self, found: Groups, limit: int) -> dict[str, Any]:
        return {
            "n_groups": found.n_groups,
            "n_drawings": found.n_drawings,
            "across_categories": found.across_categories,
            "across_splits": found.across_splits,
            "groups": [self.members(rows) for rows in found.groups[:limit]],
        }


def equal_groups(values: Iterable[Hashable]) -> list[IntArray]:
    """Groups of indices (n,) int64 of equal values, for values that occur more than once."""
    indices: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, value in enumerate(values):
        indices[value].append(index)
    return [np.array(found, np.int64) for found in indices.values() if len(found) > 1]


def near_groups(batch: DrawingBatch) -> list[IntArray]:
    """Groups of drawings (rows, (n,) int64) with the same strokes after moving and scaling.

    They have the same numbers of strokes and points, and, aligned to the top left and scaled to
    255, no coordinate differs by more than TOLERANCE from the first drawing of the group.
    Drawings without extent (empty, dots) are in no group, and no drawing is in two.
    """
    scaled = batch.normalised()
    lengths = np.diff(scaled.stroke_starts)
    starts = scaled.stroke_starts[scaled.drawing_starts]
    rows = np.flatnonzero(scaled.extents > 0)
    signatures = (
        lengths[scaled.drawing_starts[row] : scaled.drawing_starts[row + 1]].tobytes()
        for row in rows
    )
    groups: list[IntArray] = []
    for alike in equal_groups(signatures):
        members = rows[alike]
        n_points = starts[members[0] + 1] - starts[members[0]]
        points = scaled.points[starts[members][:, None] + np.arange(n_points)]
        close = _balls(points.reshape(len(members), -1), TOLERANCE)
        groups += [members[indices] for indices in close]
    return groups


def _read(
    opened: Dataset | Source, report: ReadReport, progress: Progress | None
) -> Iterator[pa.Table]:
    if not isinstance(opened, Dataset):
        check_source(opened)
    names = SPLITS if isinstance(opened, Dataset) else list(opened.categories())
    for done, name in enumerate(names, start=1):
        if isinstance(opened, Dataset):
            batch = opened.split(name)
            report.n_read += len(batch)
            if len(batch):
                yield to_table(batch, name)
        else:
            for batch in opened.read(name, report=report):
                key_ids = [key_id or "" for key_id in batch.key_ids]
                yield to_table(batch.on_grid().replace(key_ids=key_ids))
        if progress:
            progress("read", done, len(names))


def _inspect(table: pa.Table, name: str, kind: str, report: ReadReport) -> Inspection:
    drawings = from_table(table)
    n_points = drawings.n_points
    is_empty = ~drawings.has_ink
    is_dot = (n_points > 0) & (drawings.extents == 0)
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
    """Groups of identical and of nearly identical drawings among `rows`.

    Of identical drawings, only one is compared with others.
    """
    content_ids = drawings.content_ids()
    repeated = [rows[indices] for indices in equal_groups(content_ids[row] for row in rows)]
    copies = [group[1:] for group in repeated]
    single = np.setdiff1d(rows, np.concatenate(copies)) if copies else rows
    near = [single[group] for group in near_groups(drawings.take(single))]
    return repeated, near


def _marked(groups: list[IntArray], n: int) -> BoolArray:
    marks = np.zeros(n, np.bool_)
    for rows in groups:
        marks[rows] = True
    return marks


def _by_category(
    drawings: DrawingBatch,
    splits: Texts,
    n_strokes: IntArray,
    n_points: IntArray,
    flags: dict[str, BoolArray],
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


def _balls(vectors: FloatArray, radius: float) -> list[IntArray]:
    """Groups of rows of (n, d) within `radius` of a first row in every coordinate; disjoint."""
    widest = int(vectors.std(axis=0).argmax())
    order = np.argsort(vectors[:, widest], kind="stable")
    sorted_vectors = vectors[order]
    values = sorted_vectors[:, widest]
    ends = np.searchsorted(values, values + np.float32(radius), side="right")
    free: BoolArray = np.ones(len(order), np.bool_)
    groups = []
    for first, end in enumerate(ends):
        if not free[first]:
            continue
        window = np.arange(first, end)[free[first:end]]
        close = (np.abs(sorted_vectors[window] - sorted_vectors[first]) <= radius).all(axis=1)
        free[window[close]] = False
        if close.sum() > 1:
            groups.append(np.sort(order[window[close]]))
    return groups
