"""Opens a file, a gzipped file or stdin as one stream of bounded size."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import numpy.typing as npt

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import DrawingError, FormatError

GZIP_MAGIC = b"\x1f\x8b"
#: Formats are recognised by the first bytes, this many.
N_PEEKED = 4096
#: Data that expand more than this many times, to more than MIN_BOMB_BYTES, are refused as a bomb.
#: Deflate can reach 1032; drawings as text expand 3 to 10 times.
MAX_EXPANSION = 200
MIN_BOMB_BYTES = 64 * 2**20
#: The largest file of a format that is read whole, if it cannot be memory-mapped.
MAX_WHOLE_BYTES = 2**30
#: A batch of `in_batches` has at most this many drawings, and ends after this many points.
_BATCH_SIZE, _BATCH_POINTS = 256, 10**6

Reject = Callable[[FormatError], None]

_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)


class Readable(Protocol):
    """A stream; b"" is its end."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""


class Writable(Protocol):
    """What writers need of a file."""

    def write(self, data: bytes, /) -> int:
        """Write all of `data`."""


def _raise(error: FormatError) -> None:
    raise error


@dataclass(frozen=True, slots=True)
class Input:
    """A stream of bytes to be read once, its first bytes, and its name for messages.

    Both begin after the byte order mark that text in UTF-8 may have.
    `path` is set if the bytes are an uncompressed file on disk, which can be memory-mapped. Readers
    make up key_ids from `stem`, count metadata that they leave out in `notes`, and call `reject`
    with the error of a drawing that cannot be read: it raises the error (strict) or counts it.
    """

    name: str
    stem: str
    stream: Readable
    head: bytes
    path: Path | None
    reject: Reject = _raise
    notes: Counter[str] = field(default_factory=Counter, compare=False)

    @classmethod
    def from_bytes(cls, content: bytes, name: str, stem: str) -> Input:
        """Bytes in memory as an input."""
        content = content.removeprefix(codecs.BOM_UTF8)
        return cls(name, stem, io.BytesIO(content), content[:N_PEEKED], None)

    def error(self, problem: str, position: str | None = None) -> FormatError:
        """A FormatError at `position` of this input."""
        return FormatError(problem, path=self.name, position=position)

    def read(self, size: int) -> bytes:
        """Read `size` bytes, fewer only at the end. Raises FormatError for a damaged stream."""
        with _stream_errors(self.name):
            return _read_fully(self.stream, size)

    def with_put_back(self, data: bytes) -> Input:
        """This input with `data`, which was read from it, to be read again."""
        return replace(self, stream=_Prefixed(data, self.stream))

    def read_whole(self, max_bytes: int = MAX_WHOLE_BYTES, remedy: str = "") -> bytes:
        """Read all bytes. Raises FormatError for more than `max_bytes`, which may name a remedy."""
        data = self.read(max_bytes + 1)
        self.read(1)  # raises if damage ended the first read early
        if len(data) > max_bytes:
            problem = f"bigger than the {max_bytes // 2**20} MiB this format may have"
            raise self.error(f"{problem}; {remedy}" if remedy else problem)
        return data


@contextmanager
def open_input(path: str | PathLike[str], reject: Reject = _raise) -> Iterator[Input]:
    """Open a file ("-" is stdin), expanding gzip. Raises FormatError if it cannot be opened."""
    with ExitStack() as stack:
        name = fspath(path)
        file: Path | None = None
        stream: Readable
        if name == "-":
            name, stem, stream = "<stdin>", "stdin", sys.stdin.buffer
        else:
            stem = plain_stem(Path(name))
            stream = stack.enter_context(_open_file(name))
            file = Path(name) if Path(name).is_file() else None  # no pipe: <(curl ...)
        with _stream_errors(name):
            head = _read_fully(stream, N_PEEKED)
            if head.startswith(GZIP_MAGIC):
                stream, file = _BoundedGzip(_Prefixed(head, stream)), None
                head = _read_fully(stream, N_PEEKED)
        if b"\0" not in head:  # else a .bin file, whose first key_id happens to begin so
            head = head.removeprefix(codecs.BOM_UTF8)
        if not head:
            raise FormatError("the file is empty; a file with drawings was expected", path=name)
        yield Input(name, stem, _Prefixed(head, stream), head, file, reject)


def in_batches(drawings: Iterable[Drawing]) -> Iterator[DrawingBatch]:
    """Collect drawings into batches, strokes and each size of bitmap apart."""
    waiting: list[Drawing] = []
    n_points = 0
    try:
        for drawing in drawings:
            is_full = len(waiting) == _BATCH_SIZE or n_points > _BATCH_POINTS
            if is_full or (waiting and waiting[0].bitmap_shape != drawing.bitmap_shape):
                yield DrawingBatch.from_drawings(waiting)
                waiting, n_points = [], 0
            waiting.append(drawing)
            n_points += len(drawing.points)
    except FormatError:  # in strict mode, yield what was read before the error
        if waiting:
            yield DrawingBatch.from_drawings(waiting)
        raise
    if waiting:
        yield DrawingBatch.from_drawings(waiting)


def simplified_drawing(
    strokes: Iterable[npt.NDArray[np.float64]],
    source: Input,
    position: str | None,
    **metadata: Any,
) -> Iterator[Drawing]:
    """Yield the drawing of these strokes (n, 2), simplified; nothing if none has a point.

    An invalid drawing is rejected, at `position`.
    """
    kept = [(points[:, 0], points[:, 1]) for points in strokes if len(points)]
    if not kept:
        return
    try:
        yield Drawing(kept, **metadata).simplified()
    except DrawingError as error:
        source.reject(source.error(str(error), position))


def plain_stem(path: Path) -> str:
    """The name of the file without its suffixes: "cat" for "cat.ndjson.gz"."""
    return path.with_suffix("").stem if path.suffix.lower() == ".gz" else path.stem


def most_expanded(n_compressed: int) -> int:
    """The most bytes that `n_compressed` bytes may expand to; more is a bomb."""
    return max(MIN_BOMB_BYTES, MAX_EXPANSION * n_compressed)


@contextmanager
def _stream_errors(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        problem = f"damaged gzip stream ({error}); fetch the file again"
        raise FormatError(problem, path=name) from error
    except _BombError:
        raise FormatError(
            f"the gzip stream grows more than {MAX_EXPANSION} times when expanded; "
            "expand it yourself if you trust it",
            path=name,
        ) from None
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror or error})", path=name) from error


class _BombError(Exception):
    pass


def _read_fully(stream: Readable, size: int) -> bytes:
    parts = []
    try:
        while size > 0 and (part := stream.read(size)):
            parts.append(part)
            size -= len(part)
    except _DAMAGE:
        if not parts:  # otherwise return what came before; the next read fails again
            raise
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Prefixed:
    """A stream with the bytes already read from it put back. `n_read` counts what is read."""

    def __init__(self, prefix: bytes, stream: Readable) -> None:
        self._prefix = prefix
        self._stream = stream
        self.n_read = 0

    def read(self, size: int) -> bytes:
        part, self._prefix = self._prefix[:size], self._prefix[size:]
        part = part or self._stream.read(size)
        self.n_read += len(part)
        return part


def _open_file(path: str) -> BinaryIO:
    try:
        return open(path, "rb", buffering=2**20)
    except FileNotFoundError:
        problem = "there is no such file"
    except IsADirectoryError:
        problem = "this is a folder; give the files in it"
    except PermissionError:
        problem = "permission denied; make the file readable (chmod u+r)"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        problem = f"cannot be opened ({error})"
    raise FormatError(problem, path=path)


class _BoundedGzip:
    """The expanded bytes of a gzip stream, up to the limit for bombs."""

    def __init__(self, compressed: _Prefixed) -> None:
        self._compressed = compressed
        self._expanded = gzip.GzipFile(fileobj=cast(BinaryIO, compressed))
        self._n_expanded = 0
        self._damage: Exception | None = None

    def read(self, size: int) -> bytes:
        if self._damage is not None:
            raise self._damage
        try:
            part = self._expanded.read1(size)
        except Exception as error:
            self._damage = error
            raise
        self._n_expanded += len(part)
        if self._n_expanded > most_expanded(self._compressed.n_read):
            raise _BombError
        return part
