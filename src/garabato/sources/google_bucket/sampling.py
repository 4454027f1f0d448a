"""A seeded random sample of a large remote file, from a few pieces of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from garabato.errors import SourceError
from garabato.sources.google_bucket.layouts import Layout, Read

#: So many pieces are enough, if the drawings are as long as is typical.
N_PIECES = 8
MIN_PIECE_BYTES = 16 * 2**10


@dataclass(frozen=True, slots=True)
class Sample:
    """Drawings taken from a file: the `content` of a file of `n_drawings`.

    `n_pieces` is how many pieces were read; `at_random` False where they are the file's first.
    """

    content: bytes
    n_drawings: int
    n_pieces: int
    at_random: bool


def sample_file(
    read: Read,
    size_bytes: int,
    layout: Layout,
    n: int,
    *,
    seed: int,
    name: str,
    at_random: bool = True,
    on_found: Callable[[int], None] = lambda found: None,
) -> Sample:
    """`n` different drawings of a file, fewer where it has no more.

    Pieces are read in an order that depends on `seed` and `name` until they have enough drawings,
    of which `n` are kept at random, in the order of the file; the same file and arguments give
    the same bytes. With `at_random` False the first pieces are read and the first `n` kept.
    `on_found(found)` is told how many there are so far. Raises SourceError where there is none.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    piece_bytes = max(MIN_PIECE_BYTES, n * layout.typical_bytes // N_PIECES)
    piece_bytes = -(-piece_bytes // layout.unit) * layout.unit
    n_pieces = -(-(size_bytes - layout.first_byte) // piece_bytes)
    order = rng.permutation(n_pieces).tolist() if at_random else range(n_pieces)
    seen: set[bytes] = set()
    found: list[tuple[int, int, bytes]] = []
    n_read = 0
    for piece in order:
        first = layout.first_byte + piece * piece_bytes
        end = min(first + piece_bytes, size_bytes)
        for row, record in enumerate(layout.records(read, first, end)):
            identities = layout.identities(record)
            if identities is not None and seen.isdisjoint(identities):
                seen.update(identities)
                found.append((piece, row, record))
        n_read += 1
        on_found(min(len(found), n))
        if len(found) >= n:
            break
    if not found:
        raise SourceError("no drawing was found in the file")
    if len(found) > n:
        rows = rng.choice(len(found), n, replace=False).tolist() if at_random else range(n)
        found = [found[row] for row in rows]
    records = [record for _, _, record in sorted(found)]
    return Sample(layout.join(records), len(records), n_read, at_random)


class FromStart:
    """`read(first, end)` over a stream that can only be read from its start, once."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._buffer = bytearray()

    @property
    def n_bytes(self) -> int:
        """How much of the stream was read."""
        return len(self._buffer)

    def __call__(self, first: int, end: int) -> bytes:
        while len(self._buffer) < end:
            block = next(self._stream, b"")
            if not block:
                break
            self._buffer += block
        return bytes(self._buffer[first:end])
