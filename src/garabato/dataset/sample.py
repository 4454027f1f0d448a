"""A category's drawings in random order, without repeats, in bounded memory.

The order is that of a keyed hash of the drawings themselves, so it depends on the seed, the
category and the drawings, and on nothing else: not on the other categories, nor on the order of
the lines or the kind of file they came in.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from garabato.drawing import DrawingBatch
from garabato.drawing.arrow import bitmap_shape, to_table
from garabato.errors import SourceError

#: Why drawings are left out.
_LEFT_OUT = ("empty", "unrecognized", "repeated")

_Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The drawings of one category that come first in its random order.

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
        """ "strokes", or the size of the bitmaps."""
        return _kind(bitmap_shape(self.table.schema))


def first_candidates(
    batches: Iterable[DrawingBatch],
    category: str,
    n_kept: int,
    *,
    seed: int,
    recognized_only: bool = False,
) -> Candidates:
    """Read a category to its end and keep the first `n_kept` drawings of its random order.

    Left out are drawings without ink, those repeated (strokes or bitmap identical on the grid, or
    a key_id met before) and, with `recognized_only`, those not marked as recognized. Raises
    SourceError where strokes and bitmaps, or bitmaps of several sizes, are mixed.
    """
    order_key = hashlib.blake2b(f"{seed}/{category}".encode(), digest_size=32).digest()
    counts: Counter[str] = Counter(dict.fromkeys(("read", *_LEFT_OUT), 0))
    seen = _Seen(), _Seen()
    kept: list[_Part] = []
    kinds: set[str] = set()
    cutoff = np.uint64(2**64 - 1)
    for batch in batches:
        kinds.add(_kind(None if batch.bitmaps is None else batch.bitmaps.shape[1:]))
        if len(kinds) > 1:
            raise SourceError(
                f"{category!r} is there as {' and as '.join(sorted(kinds))}; keep the files of "
                "one kind in the folder"
            )
        part = _distinct_part(
            batch.on_grid(),
            order_key,
            seen,
            counts,
            recognized_only=recognized_only,
            cutoff=cutoff,
        )
        kept.append(part)
        if sum(len(part.order) for part in kept) > 4 * n_kept:
            kept = [_first(kept, n_kept)]
            cutoff = kept[0].order[-1]
    chosen = _first(kept, n_kept)
    drawings = chosen.drawings.replace(categories=[category] * len(chosen.order))
    n_distinct = counts["read"] - sum(counts[why] for why in _LEFT_OUT)
    table = to_table(drawings.with_key_ids())
    return Candidates(table, chosen.digests, n_distinct, dict(counts))


@dataclass(frozen=True, slots=True)
class _Part:
    """Some distinct drawings with their digests and their places in the order (n,) uint64."""

    drawings: DrawingBatch
    digests: list[bytes]
    order: _Numbers


class _Seen:
    """What was met so far, as 64 bits each: a category of a million fits in 8 MB."""

    def __init__(self) -> None:
        self._sorted: _Numbers = np.zeros(0, np.uint64)

    def add(self, numbers: _Numbers) -> npt.NDArray[np.bool_]:
        """(n,) bool: which of `numbers` (n,) were met for the first time; all are remembered."""
        unique, first_places = np.unique(numbers, return_index=True)
        places = np.searchsorted(self._sorted, unique)
        is_new = places == len(self._sorted)
        is_new[~is_new] = self._sorted[places[~is_new]] != unique[~is_new]
        self._sorted = np.insert(self._sorted, places[is_new], unique[is_new])
        is_first = np.zeros(len(numbers), np.bool_)
        is_first[first_places[is_new]] = True
        return is_first


def _distinct_part(
    batch: DrawingBatch,
    order_key: bytes,
    seen: tuple[_Seen, _Seen],
    counts: Counter[str],
    *,
    recognized_only: bool,
    cutoff: np.uint64,
) -> _Part:
    """The usable drawings of a batch not met before whose place in the order is below `cutoff`."""
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


def _hash64(content: bytes, key: bytes = b"") -> bytes:
    return hashlib.blake2b(content, digest_size=8, key=key).digest()


def _numbers(hashes: list[bytes]) -> _Numbers:
    return np.frombuffer(b"".join(hashes), ">u8").astype(np.uint64)


def _kind(bitmap_shape: tuple[int, ...] | None) -> str:
    if bitmap_shape is None:
        return "strokes"
    height, width = bitmap_shape
    return f"{width}x{height} bitmaps"


def _first(parts: list[_Part], n_kept: int) -> _Part:
    """The `n_kept` drawings that come first in the order, in that order."""
    if not parts:
        return _Part(DrawingBatch.from_drawings([]), [], np.zeros(0, np.uint64))
    order = np.concatenate([part.order for part in parts])
    rows = np.argsort(order, kind="stable")[:n_kept]
    digests = [digest for part in parts for digest in part.digests]
    drawings = DrawingBatch.concatenate([part.drawings for part in parts])
    return _Part(drawings.take(rows), [digests[row] for row in rows], order[rows])


def digests_of(batch: DrawingBatch) -> list[bytes]:
    """16 bytes a drawing of a batch on the grid: the same for the same strokes or bitmap.

    They decide which drawings a data set holds and in which split, so they never change; the ids
    of drawings are `DrawingBatch.content_ids`.
    """
    if batch.bitmaps is not None:
        pixels = memoryview(batch.bitmaps.tobytes())
        size = batch.bitmaps[0].size if len(batch) else 0
        return [
            hashlib.blake2b(pixels[i * size : (i + 1) * size], digest_size=16).digest()
            for i in range(len(batch))
        ]
    # A drawing is the number of its strokes, their lengths (4 bytes each), then its points.
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
