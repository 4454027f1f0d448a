"""Selection of the drawings of a data set: sample each category, split the sample.

A category's drawings are ordered by a keyed hash of their content, so the random order depends on
the seed, the category and the drawings, but not on other categories, the order of lines or the
file format.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from garabato.drawing import BoolArray, DrawingBatch
from garabato.drawing.arrow import stored_bitmap_shape, to_table
from garabato.errors import SourceError

#: Reasons to leave drawings out.
_LEFT_OUT = ("empty", "unrecognized", "repeated")
#: Categories that an error names.
_MAX_LISTED = 10
#: Spare candidates, to replace test drawings of other categories.
RESERVE = 64

_Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The first drawings of a category in its random order.

    `table` (see `drawing.arrow.to_table`) holds them in that order, on the grid, without repeats
    and each with a key_id; `digests` are their content hashes. `n_distinct` counts all distinct
    drawings; `counts` says how many were read, empty, unrecognized and repeated.
    """

    table: pa.Table
    digests: list[bytes]
    n_distinct: int
    counts: dict[str, int]

    @property
    def kind(self) -> str:
        """Either "strokes" or the size of the bitmaps."""
        return _kind(stored_bitmap_shape(self.table.schema))


def first_candidates(
    batches: Iterable[DrawingBatch],
    category: str,
    n_kept: int,
    *,
    seed: int,
    recognized_only: bool = False,
) -> Candidates:
    """Read all drawings of a category and keep the first `n_kept` in its random order.

    Leaves out empty drawings, repeated ones (the same strokes or bitmap on the grid, or the same
    key_id) and, with `recognized_only`, those not marked as recognized. Raises SourceError if
    strokes and bitmaps, or bitmaps of several sizes, are mixed.
    """
    order_key = hashlib.blake2b(f"{seed}/{category}".encode(), digest_size=32).digest()
    counts: Counter[str] = Counter(dict.fromkeys(("read", *_LEFT_OUT), 0))
    seen = _Seen(), _Seen()
    kept: list[_Part] = []
    kinds: set[str] = set()
    cutoff = np.uint64(2**64 - 1)
    for batch in batches:
        kinds.add(_kind(batch.bitmap_shape))
        if len(kinds) > 1:
            raise SourceError(
                f"{category!r} comes as {' and as '.join(sorted(kinds))}; keep the files of one "
                "kind in the folder"
            )
        kept.append(
            _distinct_part(
                batch.on_grid(), order_key, seen, counts, cutoff, recognized_only=recognized_only
            )
        )
        if sum(len(part.order) for part in kept) > 4 * n_kept:
            kept = [_first(kept, n_kept)]
            cutoff = kept[0].order[-1]
    chosen = _first(kept, n_kept)
    drawings = chosen.drawings.replace(categories=[category] * len(chosen.order))
    n_distinct = counts["read"] - sum(counts[why] for why in _LEFT_OUT)
    table = to_table(drawings.with_key_ids())
    return Candidates(table, chosen.digests, n_distinct, dict(counts))


def digests_of(batch: DrawingBatch) -> list[bytes]:
    """Content hashes of 16 bytes, for a batch on the grid.

    They decide which drawings a data set holds and in which split, so they must never change. (The
    ids of drawings are `DrawingBatch.content_ids`.)
    """
    if batch.bitmaps is not None:
        pixels = memoryview(batch.bitmaps.tobytes())
        size = batch.bitmaps[0].size if len(batch) else 0
        return [
            hashlib.blake2b(pixels[i * size : (i + 1) * size], digest_size=16).digest()
            for i in range(len(batch))
        ]
    # Hashed are the number of strokes, their lengths (4 bytes each), then the points.
    points = memoryview(batch.points.astype(np.uint8).tobytes())
    lengths = memoryview(np.diff(batch.stroke_starts).astype("<u4").tobytes())
    first_strokes = batch.drawing_starts.tolist()
    first_points = batch.stroke_starts[batch.drawing_starts].tolist()
    digests = []
    for i in range(len(batch)):
        a, b = first_strokes[i], first_strokes[i + 1]
        content = hashlib.blake2b(b"%d strokes:" % (b - a), digest_size=16)
        content.update(lengths[4 * a : 4 * b])
        content.update(points[2 * first_points[i] : 2 * first_points[i + 1]])
        digests.append(content.digest())
    return digests


@dataclass(frozen=True, slots=True)
class Split:
    """The chosen drawings of one category, as tables (see `drawing.arrow.to_table`)."""

    train: pa.Table
    test: pa.Table


@dataclass(frozen=True, slots=True)
class Sizes:
    """Number of drawings per category; with `allow_short`, categories may have fewer."""

    n_train: int
    n_test: int
    allow_short: bool = False

    @property
    def total(self) -> int:
        """Drawings per category in both splits together."""
        return self.n_train + self.n_test

    def of(self, n_distinct: int) -> Sizes:
        """The sizes for a category of `n_distinct` drawings, reduced in proportion if too few."""
        if n_distinct >= self.total:
            return self
        n_test = round(n_distinct * self.n_test / self.total)
        if self.n_test:
            n_test = max(1, n_test)
        n_test = max(0, min(n_test, n_distinct - 1))  # one at least to train on
        return replace(self, n_train=n_distinct - n_test, n_test=n_test)


def split_categories(
    candidates: Mapping[str, Candidates],
    sizes: Sizes,
    *,
    read_more: Callable[[str, int], Candidates],
) -> dict[str, Split]:
    """Split every category so that no drawing is in both splits, within or across categories.

    The test drawings are the first in a category's order, whatever the other categories are. The
    training drawings are the next ones that no category tests with (by key_id or content).
    `read_more(category, n)` reads a category again and keeps n candidates. Raises SourceError,
    listing the categories, if some have too few drawings, or with `sizes.allow_short` too few for
    one in each split.
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


def _kind(bitmap_shape: tuple[int, ...] | None) -> str:
    if bitmap_shape is None:
        return "strokes"
    height, width = bitmap_shape
    return f"{width}x{height} bitmaps"


class _Seen:
    """A set of 64-bit hashes: a million take 8 MB."""

    def __init__(self) -> None:
        self._sorted: _Numbers = np.zeros(0, np.uint64)

    def add(self, numbers: _Numbers) -> BoolArray:
        """Add `numbers` (n,); returns (n,) bool, True for the first of each new number."""
        unique, first_indices = np.unique(numbers, return_index=True)
        positions = np.searchsorted(self._sorted, unique)
        is_new = positions == len(self._sorted)
        is_new[~is_new] = self._sorted[positions[~is_new]] != unique[~is_new]
        self._sorted = np.insert(self._sorted, positions[is_new], unique[is_new])
        is_first = np.zeros(len(numbers), np.bool_)
        is_first[first_indices[is_new]] = True
        return is_first


@dataclass(frozen=True, slots=True)
class _Part:
    """Distinct drawings with their digests and their sort keys `order` (n,) uint64."""

    drawings: DrawingBatch
    digests: list[bytes]
    order: _Numbers


def _distinct_part(
    batch: DrawingBatch,
    order_key: bytes,
    seen: tuple[_Seen, _Seen],
    counts: Counter[str],
    cutoff: np.uint64,
    *,
    recognized_only: bool,
) -> _Part:
    """The usable, new drawings of a batch whose sort key is below `cutoff`."""
    usable = batch.has_ink
    counts["read"] += len(batch)
    counts["empty"] += len(batch) - int(usable.sum())
    if recognized_only:
        recognized = np.array([value is True for value in batch.recognized], np.bool_)
        counts["unrecognized"] += int((usable & ~recognized).sum())
        usable &= recognized
    batch = batch.take(np.flatnonzero(usable)) if not usable.all() else batch
    digests = digests_of(batch)
    seen_digests, seen_key_ids = seen
    is_first = seen_digests.add(_numbers([digest[:8] for digest in digests]))
    named = np.array([bool(key_id) for key_id in batch.key_ids], np.bool_)
    hashes = [_hash64(key_id.encode()) for key_id in batch.key_ids if key_id]
    is_first[named] &= seen_key_ids.add(_numbers(hashes))
    counts["repeated"] += len(batch) - int(is_first.sum())
    order = _numbers([_hash64(digest, order_key) for digest in digests])
    rows = np.flatnonzero(is_first & (order < cutoff))
    return _Part(batch.take(rows), [digests[row] for row in rows], order[rows])


def _numbers(hashes: list[bytes]) -> _Numbers:
    return np.frombuffer(b"".join(hashes), ">u8").astype(np.uint64)


def _hash64(content: bytes, key: bytes = b"") -> bytes:
    return hashlib.blake2b(content, digest_size=8, key=key).digest()


def _first(parts: list[_Part], n_kept: int) -> _Part:
    """The first `n_kept` drawings in the order."""
    if not parts:
        return _Part(DrawingBatch.from_drawings([]), [], np.zeros(0, np.uint64))
    order = np.concatenate([part.order for part in parts])
    rows = np.argsort(order, kind="stable")[:n_kept]
    digests = [digest for part in parts for digest in part.digests]
    drawings = DrawingBatch.concatenate([part.drawings for part in parts])
    return _Part(drawings.take(rows), [digests[row] for row in rows], order[rows])


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
    least = 1 + bool(sizes.n_test)
    if hopeless := {name: n for name, n in counts.items() if n < least}:
        raise SourceError(
            f"{_list(hopeless)}: too few for one drawing per split; leave these categories out"
        )
    short = {name: n for name, n in counts.items() if n < sizes.total}
    if short and not sizes.allow_short:
        smallest = sizes.of(min(short.values()))
        have = "has" if len(short) == 1 else "have"
        raise SourceError(
            f"{len(short)} of {len(splits)} categories {have} fewer than {sizes.total:,} usable "
            f"drawings ({sizes.n_train:,} to train with and {sizes.n_test:,} to test with): "
            f"{_list(short)}. Choose fewer drawings (--train {smallest.n_train} --test "
            f"{smallest.n_test} suits all categories), leave these categories out, or accept what "
            "they have (--allow-short)"
        )


def _list(counts: Mapping[str, int]) -> str:
    """The smallest categories, and the number of the others."""
    smallest = sorted(counts.items(), key=lambda item: item[1])[:_MAX_LISTED]
    listed = ", ".join(f"{name} has {n:,}" for name, n in smallest)
    n_more = len(counts) - len(smallest)
    return listed + (f" and {n_more:,} more" if n_more else "")
