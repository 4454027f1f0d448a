"""Take a seeded random sample of a large remote file from a few pieces of it.

A piece of a file is the bytes from `first` up to `end`. Its records are the drawings that *begin*
in it, even if they end after it. So the pieces of a file contain each of its drawings exactly once,
and every drawing is equally likely to be in a random piece.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import orjson

from garabato.drawing import MAX_POINTS
from garabato.errors import SourceError
from garabato.formats.binary import HEADER
from garabato.formats.bitmap import SIDE_PX, read_header
from garabato.formats.ndjson import MAX_LINE_BYTES

#: `read(first, end)` returns these bytes of a file, fewer at its end.
Read = Callable[[int, int], bytes]

#: Pieces to read if drawings have the typical length.
N_PIECES = 8
MIN_PIECE_BYTES = 16 * 2**10


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of `n_drawings`, as the `content` of a new file."""

    content: bytes
    n_drawings: int


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
    """Take `n` different drawings of a file, or all if it has fewer.

    Reads pieces in an order that depends on `seed` and `name` until they hold enough drawings,
    then keeps a random `n`, in the order of the file. The same file and arguments give the same
    bytes. If `at_random` is False, it reads from the start and keeps the first `n`.
    `on_found(found)` is called with the number so far. Raises SourceError if there are no drawings.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    piece_bytes = max(MIN_PIECE_BYTES, n * layout.typical_bytes // N_PIECES)
    piece_bytes = -(-piece_bytes // layout.unit) * layout.unit
    n_pieces = -(-(size_bytes - layout.first_byte) // piece_bytes)
    order = rng.permutation(n_pieces).tolist() if at_random else range(n_pieces)
    seen: set[bytes] = set()
    found: list[tuple[int, int, bytes]] = []
    for piece in order:
        first = layout.first_byte + piece * piece_bytes
        end = min(first + piece_bytes, size_bytes)
        for row, record in enumerate(layout.records(read, first, end)):
            identities = layout.identities(record)
            if identities is not None and seen.isdisjoint(identities):
                seen.update(identities)
                found.append((piece, row, record))
        on_found(min(len(found), n))
        if len(found) >= n:
            break
    if not found:
        raise SourceError("no drawing was found in the file")
    if len(found) > n:
        rows = rng.choice(len(found), n, replace=False).tolist() if at_random else range(n)
        found = [found[row] for row in rows]
    records = [record for _, _, record in sorted(found)]
    return Sample(layout.join(records), len(records))


class FromStart:
    """`read(first, end)` for a stream that can only be read once, from its start."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._buffer = bytearray()

    def __call__(self, first: int, end: int) -> bytes:
        while len(self._buffer) < end:
            block = next(self._stream, b"")
            if not block:
                break
            self._buffer += block
        return bytes(self._buffer[first:end])

    @property
    def n_bytes(self) -> int:
        """Bytes read so far."""
        return len(self._buffer)


class Layout(ABC):
    """One kind of file. Records start at `first_byte`; a piece is a multiple of `unit` bytes."""

    typical_bytes: int
    first_byte = 0
    unit = 1

    @abstractmethod
    def records(self, read: Read, first: int, end: int) -> Iterator[bytes]:
        """Yield the drawings that begin in the piece, as bytes of the file."""

    @abstractmethod
    def identities(self, record: bytes) -> tuple[bytes, ...] | None:
        """Keys of a drawing: records that share a key are the same drawing. None if the record is
        not a drawing."""

    def join(self, records: list[bytes]) -> bytes:
        """Join records into a file."""
        return b"".join(records)


class Lines(Layout):
    """ndjson: a drawing per line."""

    def __init__(self, typical_bytes: int) -> None:
        self.typical_bytes = typical_bytes

    def records(self, read: Read, first: int, end: int) -> Iterator[bytes]:
        window = _Window(read, max(first - 1, 0), end, margin=4 * self.typical_bytes)
        at = 0
        if first > 0:  # the line this piece begins in belongs to the one before
            at = window.data.find(b"\n") + 1
            if at == 0:
                return
        while window.start + at < end:
            stop = window.data.find(b"\n", at)
            while stop < 0 and len(window.data) - at <= MAX_LINE_BYTES and window.extend():
                stop = window.data.find(b"\n", at)
            if stop < 0 and len(window.data) - at > MAX_LINE_BYTES:
                return  # too long for a drawing; what follows belongs to later pieces
            stop = len(window.data) if stop < 0 else stop
            if line := window.data[at:stop].strip():
                yield line
            at = stop + 1

    def identities(self, record: bytes) -> tuple[bytes, ...] | None:
        try:
            known = orjson.loads(record)
            strokes = known["drawing"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None
        if not isinstance(strokes, list) or not strokes:
            return None
        shown = _digest(orjson.dumps(strokes))
        key_id = known.get("key_id")
        return (shown,) if key_id is None else (shown, str(key_id).encode())

    def join(self, records: list[bytes]) -> bytes:
        return b"".join(record + b"\n" for record in records)


class BinaryRecords(Layout):
    """`.bin`: records of various lengths with nothing between them.

    Nothing marks where a record begins. So a piece starts at the first position from which `RUN`
    records follow each other, each with a valid head: a key_id of 16 digits, a country of two
    capital letters, recognized 0 or 1, a time from 2016 to 2018, and strokes. Random bytes look
    like such a head at about one position in 10^12, and never like a run of them. A piece without
    such a position has no records.
    """

    typical_bytes = 120
    RUN = 3

    _KEY_IDS = range(10**15, 10**16)
    _SECONDS = range(1_451_606_400, 1_546_300_800)  # 2016-01-01 to 2019-01-01

    def records(self, read: Read, first: int, end: int) -> Iterator[bytes]:
        window = _Window(read, first, end, margin=64 * self.typical_bytes)
        at = 0 if first == 0 else self._first_record(window, end)
        while at is not None and window.start + at < end:
            stop = self._end_of(window, at)
            if stop is None:
                return
            yield window.data[at:stop]
            at = stop

    def identities(self, record: bytes) -> tuple[bytes, ...] | None:
        n_strokes = HEADER.unpack_from(record)[4]
        if n_strokes == 0:
            return None
        return _digest(record[15:]), record[:8]

    def _first_record(self, window: _Window, end: int) -> int | None:
        for at in self._candidates(window.data[: end - window.start + HEADER.size - 1]):
            stop: int | None = at
            for _ in range(self.RUN):
                if stop is None or not self._is_valid_head(window, stop):
                    break
                stop = self._end_of(window, stop)
            else:
                if stop is not None:
                    return at
        return None

    @staticmethod
    def _candidates(data: bytes) -> list[int]:
        """The few positions where country and recognized are valid, to be checked one by one."""
        n = len(data) - HEADER.size + 1
        if n <= 0:
            return []
        values = np.frombuffer(data, np.uint8)
        is_letter = (values >= ord("A")) & (values <= ord("Z"))
        right = is_letter[8 : 8 + n] & is_letter[9 : 9 + n] & (values[10 : 10 + n] <= 1)
        positions: list[int] = np.flatnonzero(right).tolist()
        return positions

    def _is_valid_head(self, window: _Window, at: int) -> bool:
        """True for a valid head, and at the end of the file, which also ends a run."""
        if not window.reach(at + HEADER.size):
            return at == len(window.data)
        key_id, country, recognized, seconds, n_strokes = HEADER.unpack_from(window.data, at)
        return (
            key_id in self._KEY_IDS
            and country.isalpha()
            and country.isupper()
            and recognized in (0, 1)
            and seconds in self._SECONDS
            and n_strokes > 0
        )

    def _end_of(self, window: _Window, at: int) -> int | None:
        """The end of the record at `at` (`at` itself at the file's end); None if it is invalid."""
        if not window.reach(at + HEADER.size):
            return at if at == len(window.data) else None
        n_strokes = HEADER.unpack_from(window.data, at)[4]
        n_points_in_all = 0
        at += HEADER.size
        for _ in range(n_strokes):
            if not window.reach(at + 2):
                return None
            n_points = int.from_bytes(window.data[at : at + 2], "little")
            n_points_in_all += n_points
            at += 2 + 2 * n_points
            if n_points_in_all > MAX_POINTS:
                return None
        return at if window.reach(at) else None


class Rows(Layout):
    """`.npy`: a header, then 784 bytes per bitmap."""

    typical_bytes = unit = SIDE_PX * SIDE_PX

    def __init__(self, read: Read) -> None:
        head = io.BytesIO(read(0, 4096))
        try:
            shape, is_fortran, dtype = read_header(head)
        except ValueError as error:
            raise SourceError(f"not a .npy file ({error})") from None
        if dtype != np.uint8 or is_fortran or int(np.prod(shape[1:])) != self.unit:
            raise SourceError(f"the array is {shape} {dtype}; N x {self.unit} uint8 was expected")
        self.first_byte = head.tell()

    def records(self, read: Read, first: int, end: int) -> Iterator[bytes]:
        data = read(first, end)
        for at in range(0, len(data) - self.unit + 1, self.unit):
            yield data[at : at + self.unit]

    def identities(self, record: bytes) -> tuple[bytes, ...] | None:
        return (_digest(record),) if any(record) else None

    def join(self, records: list[bytes]) -> bytes:
        rows = np.frombuffer(b"".join(records), np.uint8).reshape(len(records), self.unit)
        file = io.BytesIO()
        np.save(file, rows, allow_pickle=False)
        return file.getvalue()


class _Window:
    """The bytes of a file from `start` on, read when they are needed."""

    def __init__(self, read: Read, start: int, end: int, *, margin: int) -> None:
        self.start = start
        self._read = read
        self._step = margin
        self.data = read(start, end + margin)
        self._is_all = len(self.data) < end + margin - start

    def extend(self) -> bool:
        """Read more, twice as much each time; False at the end of the file."""
        if self._is_all:
            return False
        stop = self.start + len(self.data)
        more = self._read(stop, stop + self._step)
        self._is_all = len(more) < self._step
        self._step *= 2
        self.data += more
        return bool(more)

    def reach(self, at: int) -> bool:
        """Read up to byte `at` of the window; False if the file ends before it."""
        while len(self.data) < at:
            if not self.extend():
                return False
        return True


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
