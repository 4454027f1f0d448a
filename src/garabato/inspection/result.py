"""What `inspect` found: numbers, and which drawings they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from garabato.drawing import DrawingBatch, IntArray
from garabato.drawing.arrow import from_table


@dataclass(frozen=True, slots=True)
class Spread:
    """How a number (of strokes, of points) is spread over the drawings that have any.

    `bins` counts the drawings with 1 to `bin_width`, with up to twice that, and so on; the last
    is open.
    """

    mean: float
    median: float
    p05: float
    p95: float
    largest: int
    bins: list[int]
    bin_width: int


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """One category: its drawings, how many in each split, and what is special about them.

    `repeated` and `near` count the drawings that are a copy or a near copy of another one,
    whatever category that is in.
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
        """As JSON takes it, without the name."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of drawings that are the same, and how many span categories or splits.

    `groups` has the rows of each, those with the most points first: that they are the same is no
    coincidence.
    """

    n_groups: int
    n_drawings: int
    across_categories: int
    across_splits: int
    groups: list[IntArray]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `inspect` found. Rows (of `empty`, `dots` and groups) are those of `table`."""

    name: str
    kind: str
    n_drawings: int
    categories: list[CategoryCounts]
    countries: dict[str, int]
    recognized: dict[str, int]
    strokes: Spread | None
    points: Spread | None
    empty: IntArray
    dots: IntArray
    repeated: Groups
    near: Groups
    repeated_key_ids: int
    unreadable: dict[str, Any]
    table: pa.Table = field(repr=False)

    def drawings(self, rows: Iterable[int]) -> DrawingBatch:
        """The drawings at `rows`, in that order, on the grid."""
        return from_table(self.table.take(pa.array(list(rows), pa.int64())))

    def to_dict(self, *, max_groups: int = 100) -> dict[str, Any]:
        """As JSON takes it, with the members of at most so many groups or places of a kind."""
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
            "empty": self._places(self.empty, max_groups),
            "dots": self._places(self.dots, max_groups),
            "repeated": self._describe(self.repeated, max_groups),
            "near": self._describe(self.near, max_groups),
            "repeated_key_ids": self.repeated_key_ids,
            "unreadable": self.unreadable,
        }

    def members(self, rows: IntArray) -> list[dict[str, str]]:
        """Who the drawings at `rows` are: key_id, category and, in a data set, split."""
        part = self.table.select(["key_id", "category", "split"])
        found: list[dict[str, str]] = part.take(pa.array(rows, pa.int64())).to_pylist()
        return [{k: v for k, v in member.items() if v} for member in found]

    def _places(self, rows: IntArray, limit: int) -> dict[str, Any]:
        return {"n_drawings": len(rows), "drawings": self.members(rows[:limit])}

    def _describe(self, found: Groups, limit: int) -> dict[str, Any]:
        return {
            "n_groups": found.n_groups,
            "n_drawings": found.n_drawings,
            "across_categories": found.across_categories,
            "across_splits": found.across_splits,
            "groups": [self.members(rows) for rows in found.groups[:limit]],
        }
