"""File formats: `read_drawings` recognises them by content, `write_drawings` by suffix."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import FormatError, InputError
from garabato.formats import binary, bitmap, ndjson, picture, stroke3, svg
from garabato.formats.detect import recognise
from garabato.formats.read_report import ReadReport
from garabato.formats.stream import Input, Reject, Writable, open_input
from garabato.host.atomic import replacing

__all__ = ["ReadReport", "read_batches", "read_drawings", "write_drawings"]

_log = logging.getLogger(__name__)


def read_drawings(
    path: str | PathLike[str], *, strict: bool = False, report: ReadReport | None = None
) -> Iterator[Drawing]:
    """The drawings of a file, one by one; see `read_batches`."""
    for batch in read_batches(path, strict=strict, report=report):
        yield from batch


def read_batches(
    path: str | PathLike[str], *, strict: bool = False, report: ReadReport | None = None
) -> Iterator[DrawingBatch]:
    """The drawings of a file in batches of bounded size, in the file's order.

    Recognises the format by content, plain or gzip; "-" is stdin. What cannot be read is passed
    over and counted in `report` (without one, it is logged as a warning); with `strict` the first
    such position raises. Raises FormatError, too, for a file that cannot be opened, is empty, is of
    no known format or has no readable drawing at all.
    """
    told = ReadReport() if report is None else report
    first_problem: FormatError | None = None
    n_read = n_rejected = 0

    def reject(error: FormatError) -> None:
        nonlocal first_problem, n_rejected
        if strict:
            raise error
        told.add(error)
        first_problem = first_problem or error
        n_rejected += 1

    with open_input(path) as source:
        try:
            for batch in _READERS[recognise(source)](source, reject):
                n_read += len(batch)
                told.n_read += len(batch)
                yield batch
        except FormatError as error:  # the rest of the file cannot be read
            if strict or n_read == 0:
                raise
            told.add(error)
        if n_read == 0:
            raise _nothing_read(source, first_problem, n_rejected)
    if report is None:
        for line in told.lines():
            _log.warning("%s", line)


def _nothing_read(source: Input, first: FormatError | None, n_rejected: int) -> FormatError:
    if first is None:
        return source.error("there is no drawing in the file")
    return FormatError(
        f"{first.problem} (none of the file's drawings can be read; {n_rejected:,} tried)",
        path=first.path,
        position=first.position,
    )


def write_drawings(path: str | PathLike[str], drawings: Iterable[Drawing]) -> int:
    """Write drawings in the format the suffix names, whole or not at all; returns how many.

    A `.gz` behind the suffix gzips them. Raises InputError for a suffix nobody writes, StorageError
    where the disk refuses.
    """
    target = Path(path)
    is_gzipped = target.suffix.lower() == ".gz"
    suffix = (target.with_suffix("") if is_gzipped else target).suffix.lower()
    writable = _WRITERS.keys() - {".npz"} if is_gzipped else _WRITERS.keys()  # a zip already
    if suffix not in writable:
        known = ", ".join(f"{known}.gz" if is_gzipped else known for known in sorted(writable))
        raise InputError(f"cannot write {fspath(path)}: the suffix is none of {known}")
    write = _WRITERS[suffix]
    with replacing(target) as unfinished, open(unfinished, "wb") as file:
        if not is_gzipped:
            return write(file, drawings)
        # without a name or a time in it: the same drawings give the same bytes
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as gzipped:
            return write(gzipped, drawings)


_Reader = Callable[[Input, Reject], Iterator[DrawingBatch]]

_READERS: dict[str, _Reader] = {
    "bin": binary.read,
    "ndjson": ndjson.read,
    "npy": lambda source, reject: bitmap.read(source),
    "npz": stroke3.read,
    "picture": lambda source, reject: picture.read(source),
    "svg": lambda source, reject: svg.read(source),
}

_WRITERS: dict[str, Callable[[Writable, Iterable[Drawing]], int]] = {
    ".bin": binary.write,
    ".ndjson": ndjson.write,
    ".npy": bitmap.write,
    ".npz": stroke3.write,
    ".svg": svg.write,
}
