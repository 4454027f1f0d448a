"""How the files of the bucket are cut into whole drawings, beginning anywhere in them.

A piece of a file is the bytes from `first` up to `end`; its records are the drawings that *begin*
in it, also where they end behind it. So the pieces of a file have each of its drawings exactly
once, and a piece taken at random has every drawing with the same probability.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import orjson

from garabato.drawing import MAX_POINTS
from garabato.errors import SourceError
from garabato.formats.bitmap import SIDE_PX
from garabato.formats.ndjson import MAX_LINE_BYTES

#: `read(first, end)`: these bytes of a file, fewer where it ends before.
Read = Callable[[int, int], bytes]


class Layout(Protocol):
    """One kind of file: `first_byte` of the records, a piece's length is a multiple of `unit`."""

    typical_bytes: int
    first_byte: int
    unit: int

    def records(self, read: Read, first: int, end: int) -> Iterator[bytes]:
        """The drawings that begin in the piece, as the file has them."""

    def identities(self, record: bytes) -> tuple[bytes, ...] | None:
        """What two records have in common if they are the same drawing; None for no drawing."""

    def join(self, records: list[bytes]) -> bytes:
        """A file of these records."""


class Lines:
    """ndjson: a drawing a line."""

    first_byte = 0
    unit = 1

    def __init__(self, typical_bytes: int) -> None:
        self.typical_bytes = typical_bytes

    def records(self, read: Read, first: int, end: int) -> Iterator[bytes]:
        window = _Window(read, max(first - 1, 0), end, margin=4 * self.typical_bytes)
        at = 0
        if first > 0:  # the line that is under way there belongs to the piece before
            at = window.data.find(b"\n") + 1
            if at == 0:
                return
        while window.start + at < end:
            stop = window.data.find(b"\n", at)
            while stop < 0 and len(window.data) - at <= MAX_LINE_BYTES and window.extend():
                stop = window.data.find(b"\n", at)
            if stop < 0 and len(window.data) - at > MAX_LINE_BYTES:
                return  # no drawing is as long; what comes behind belongs to later pieces
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


class BinaryRecords:
    """`.bin`: records of various lengths with nothing between them.

    Where one begins cannot be seen, so the first place is taken from which `RUN` records follow
    one another without a gap, each with a head as Google's have it: a key_id of 16 digits, a
    country of two capital letters, recognized 0 or 1, a time from 2016 to 2018 and strokes. Random
    bytes pass for one such head once in some 10^12 places, for a run of them never. Where a piece
    has no such place, it has no records.
    """

    typical_bytes = 120
    first_byte = 0
    unit = 1
    RUN = 3

    _HEAD = struct.Struct("<Q2sbIH")
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
        n_strokes = self._HEAD.unpack_from(record)[4]
        if n_strokes == 0:
            return None
        return _digest(record[15:]), record[:8]

    def join(self, records: list[bytes]) -> bytes:
        return b"".join(records)

    def _first_record(self, window: _Window, end: int) -> int | None:
        for at in self._candidates(window.data[: end - window.start + self._HEAD.size - 1]):
            stop: int | None = at
            for _ in range(self.RUN):
                if stop is None or not self._is_google_s(window, stop):
                    break
                stop = self._end_of(window, stop)
            else:
                if stop is not None:
                    return at
        return None

    @staticmethod
    def _candidates(data: bytes) -> list[int]:
        """Places where country and recognized look right: few enough to look at one by one."""
        n = len(data) - BinaryRecords._HEAD.size + 1
        if n <= 0:
            return []
        values = np.frombuffer(data, np.uint8)
        is_letter = (values >= ord("A")) & (values <= ord("Z"))
        right = is_letter[8 : 8 + n] & is_letter[9 : 9 + n] & (values[10 : 10 + n] <= 1)
        places: list[int] = np.flatnonzero(right).tolist()
        return places

    def _is_google_s(self, window: _Window, at: int) -> bool:
        """True where a head is one, and where the file ends, which closes a run too."""
        if not window.reach(at + self._HEAD.size):
            return at == len(window.data)
        key_id, country, recognized, seconds, n_strokes = self._HEAD.unpack_from(window.data, at)
        return (
            key_id in self._KEY_IDS
            and country.isalpha()
            and country.isupper()
            and recognized in (0, 1)
            and seconds in self._SECONDS
            and n_strokes > 0
        )

    def _end_of(self, window: _Window, at: int) -> int | None:
        """The byte behind the record at `at`, None where it is cut off or impossible.

        Where the file ends at `at` the end is `at`.
        """
        if not window.reach(at + self._HEAD.size):
            return at if at == len(window.data) else None
        n_strokes = self._HEAD.unpack_from(window.data, at)[4]
        n_points_in_all = 0
        at += self._HEAD.size
        for _ in range(n_strokes):
            if not window.reach(at + 2):
                return None
            n_points = int.from_bytes(window.data[at : at + 2], "little")
            n_points_in_all += n_points
            at += 2 + 2 * n_points
            if n_points_in_all > MAX_POINTS:
                return None
        return at if window.reach(at) else None


class Rows:
    """`.npy`: 784 bytes a bitmap behind a header."""

    typical_bytes = unit = SIDE_PX * SIDE_PX

    def __init__(self, read: Read) -> None:
        head = io.BytesIO(read(0, 4096))
        try:
            version = np.lib.format.read_magic(head)
            header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version](head)
        except (ValueError, KeyError) as error:
            raise SourceError(f"this is no .npy file ({error})") from None
        shape, is_fortran, dtype = header
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
    """Bytes of a file from `start` on, more of which are read when they are needed."""

    def __init__(self, read: Read, start: int, end: int, *, margin: int) -> None:
        self.start = start
        self._read = read
        self._step = margin
        self.data = read(start, end + margin)
        self._is_all = len(self.data) < end + margin - start

    def extend(self) -> bool:
        """Read on, twice as far each time; False where the file ends."""
        if self._is_all:
            return False
        stop = self.start + len(self.data)
        more = self._read(stop, stop + self._step)
        self._is_all = len(more) < self._step
        self._step *= 2
        self.data += more
        return bool(more)

    def reach(self, at: int) -> bool:
        """Read until byte `at` of the window; False where the file ends before."""
        while len(self.data) < at:
            if not self.extend():
                return False
        return True


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
