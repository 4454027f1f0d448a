"""Which of a category's drawings are for training and which for testing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa

from garabato.dataset.sample import Candidates
from garabato.errors import SourceError

#: Candidates kept beyond those wanted, to step in where another category tests with the same one.
RESERVE = 64


@dataclass(frozen=True, slots=True)
class Split:
    """The drawings of one category, chosen: two tables as `drawing.arrow.to_table` makes."""

    train: pa.Table
    test: pa.Table


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many drawings a category are wanted, and whether fewer are taken."""

    n_train: int
    n_test: int
    allow_short: bool = False

    @property
    def total(self) -> int:
        """Drawings of a category in both splits."""
        return self.n_train + self.n_test

    def of(self, n_distinct: int) -> Sizes:
        """What to take of so many drawings: where they don't suffice, in the same proportion."""
        if n_distinct >= self.total:
            return self
        n_test = round(n_distinct * self.n_test / self.total)
        if self.n_test:
            n_test = max(1, n_test)
        if self.n_train:
            n_test = min(n_test, n_distinct - 1)
        n_test = max(0, n_test)
        return replace(self, n_train=max(0, n_distinct - n_test), n_test=n_test)


def split_categories(
    candidates: Mapping[str, Candidates],
    sizes: Sizes,
    *,
    read_more: Callable[[str, int], Candidates],
) -> dict[str, Split]:
    """Split every category, with no drawing on both sides, within a category or across them.

    The test drawings are the first of a category's order, whatever the other categories are; the
    training drawings are the next ones that no category tests with (by key_id or by what is
    drawn). `read_more(category, n)` reads a category again, keeping n candidates. Raises
    SourceError, listing every category with too few drawings, unless `sizes.allow_short`; and for
    those with too few to have one on each side in any case.
    """
    taken = {name: sizes.of(found.n_distinct) for name, found in candidates.items()}
    tested: set[bytes | str] = set()
    for name, found in candidates.items():
        n_test = taken[name].n_test
        tested.update(found.digests[:n_test])
        tested.update(found.table["key_id"][:n_test].to_pylist())
    splits: dict[str, Split] = {}
    for name, found in candidates.items():
        rows = _training_rows(found, taken[name], tested)
        while len(rows) < taken[name].n_train and len(found.digests) < found.n_distinct:
            found = read_more(name, 4 * len(found.digests))
            rows = _training_rows(found, taken[name], tested)
        table = found.table
        splits[name] = Split(
            table.take(pa.array(rows, pa.int64())), table.slice(0, taken[name].n_test)
        )
    _refuse_short(splits, sizes)
    return splits


def _training_rows(found: Candidates, sizes: Sizes, tested: set[bytes | str]) -> list[int]:
    key_ids = found.table["key_id"].to_pylist()
    free = (
        row
        for row in range(sizes.n_test, len(key_ids))
        if found.digests[row] not in tested and key_ids[row] not in tested
    )
    return list(islice(free, sizes.n_train))


def _refuse_short(splits: Mapping[str, Split], sizes: Sizes) -> None:
    counts = {name: split.train.num_rows + split.test.num_rows for name, split in splits.items()}
    if sizes.allow_short:
        least = bool(sizes.n_train) + bool(sizes.n_test)
        if hopeless := {name: n for name, n in counts.items() if n < least}:
            raise SourceError(
                f"{_list(hopeless)}: not even one drawing a split; leave these categories out"
            )
    elif short := {name: n for name, n in counts.items() if n < sizes.total}:
        smallest = sizes.of(min(short.values()))
        raise SourceError(
            f"{len(short)} of {len(splits)} categories have fewer than {sizes.total:,} usable "
            f"drawings ({sizes.n_train:,} to train with and {sizes.n_test:,} to test with): "
            f"{_list(short)}. Ask for fewer (all would do with {smallest.n_train:,} and "
            f"{smallest.n_test:,}), leave these out, or allow short categories (--allow-short)"
        )


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} has {n:,}" for name, n in sorted(counts.items()))
