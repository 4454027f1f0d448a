"""Reads and writes files of drawings in any format."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from garabato.drawing import Drawing, DrawingBatch, iter_drawings
from garabato.errors import FormatError, InputError
from garabato.formats import binary, bitmap, ndjson, stroke3, svg
from garabato.formats.detect import detect
from garabato.formats.stream import Input, Writable, open_input
from garabato.host.atomic import replacing

_log = logging.getLogger(__name__)
_WRITERS: dict[str, Callable[[Writable, Iterable[Drawing]], int]] = {
    ".bin": binary.write,
    ".ndjson": ndjson.write,
    ".npy": bitmap.write,
    ".npz": stroke3.write,
    ".svg": svg.write,
}

#: For each kind of problem this many positions are kept; the rest are only counted.
MAX_POSITIONS = 10
#: This many kinds are kept, so that a file of a million different problems cannot fill the memory.
MAX_KINDS = 100
OTHER = "other problems"


def read_drawings(
    path: str | PathLike[str], *, strict: bool = False, report: ReadReport | None = None
) -> Iterator[Drawing]:
    """Yield the drawings of a file one by one; see `read_batches`."""
    for batch in read_batches(path, strict=strict, report=report):
        yield from batch


def read_batches(
    path: str | PathLike[str], *, strict: bool = False, report: ReadReport | None = None
) -> Iterator[DrawingBatch]:
    """Yield the drawings of a file in batches of bounded size, in file order.

    The format is detected from the content, which may be gzipped; "-" reads stdin. Unreadable
    drawings are skipped and counted in `report` (or logged as a warning if there is no report).
    With `strict`, the first one raises. FormatError is also raised if the file cannot be opened,
    is empty, has no known format or holds no readable drawing at all.
    """
    counts = ReadReport() if report is None else report
    first_problem: FormatError | None = None
    n_read = n_rejected = 0

    def reject(error: FormatError) -> None:
        nonlocal first_problem, n_rejected
        if strict:
            raise error
        counts.add(error)
        first_problem = first_problem or error
        n_rejected += 1

    with open_input(path, reject) as source:
        try:
            for batch in detect(source).read(source):
                n_read += len(batch)
                counts.n_read += len(batch)
                yield batch
        except FormatError as error:  # the rest of the file cannot be read
            if strict or n_read == 0:
                raise
            counts.add(error)
        counts.add_notes(source.notes)
        if n_read == 0:
            raise _nothing_read(source, first_problem, n_rejected)
    if report is None:
        for line in counts.lines():
            _log.warning("%s", line)


def write_drawings(path: str | PathLike[str], drawings: Drawing | Iterable[Drawing]) -> int:
    """Write drawings in the format of the file's suffix; return how many were written.

    A further `.gz` suffix compresses the file. The file is written completely or not at all. Raises
    InputError for an unknown suffix and StorageError if the file cannot be written.
    """
    target = Path(path)
    is_gzipped = target.suffix.lower() == ".gz"
    suffix = (target.with_suffix("") if is_gzipped else target).suffix.lower()
    writable = _WRITERS.keys() - {".npz"} if is_gzipped else _WRITERS.keys()  # .npz is compressed
    if suffix not in writable:
        known = ", ".join(f"{known}.gz" if is_gzipped else known for known in sorted(writable))
        raise InputError(f"cannot write {fspath(path)}: the suffix must be one of {known}")
    write = _WRITERS[suffix]
    drawings = iter_drawings(drawings)
    with replacing(target) as unfinished, open(unfinished, "wb") as file:
        if not is_gzipped:
            return write(file, drawings)
        # Without name and time in the header, the same drawings give the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as gzipped:
            return write(gzipped, drawings)


@dataclass(slots=True)
class Problem:
    """One kind of problem: how often it occurred, and its first ten positions."""

    n: int = 0
    positions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ReadReport:
    """How many drawings were read, how many were unreadable, and why.

    Pass one to any reader; it adds up over files. `problems` maps a kind of problem (the `problem`
    of the FormatErrors) to its count and its first ten positions ("cat.ndjson, line 12"). `notes`
    counts drawings that were read without some of their metadata, by what was left out.
    """

    n_read: int = 0
    n_unreadable: int = 0
    problems: dict[str, Problem] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def add_notes(self, notes: Mapping[str, int]) -> None:
        """Count drawings that were read without some of their metadata: what was left out -> n."""
        for note, n in notes.items():
            if note not in self.notes and len(self.notes) >= MAX_KINDS:
                note = OTHER
            self.notes[note] = self.notes.get(note, 0) + n

    def add(self, error: FormatError) -> None:
        """Count one unreadable drawing."""
        self.n_unreadable += 1
        kind = error.problem
        if kind not in self.problems and len(self.problems) >= MAX_KINDS:
            kind = OTHER
        problem = self.problems.setdefault(kind, Problem())
        problem.n += 1
        if len(problem.positions) < MAX_POSITIONS:
            where = ", ".join(part for part in (error.path, error.position) if part)
            problem.positions.append(where or "unknown position")

    def lines(self) -> list[str]:
        """The report as lines of text; none if everything was read."""
        lines = []
        for kind, problem in self.problems.items():
            lines.append(f"{problem.n:,} unreadable: {kind}")
            lines += [f"  {position}" for position in problem.positions]
            if problem.n > len(problem.positions):
                lines.append(f"  ... and {problem.n - len(problem.positions):,} more")
        lines += [f"{n:,} read, but {note}" for note, n in self.notes.items()]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON: n_read, n_unreadable, problems (kind -> n, places), notes if any."""
        document: dict[str, Any] = {
            "n_read": self.n_read,
            "n_unreadable": self.n_unreadable,
            "problems": {
                kind: {"n": problem.n, "places": list(problem.positions)}
                for kind, problem in self.problems.items()
            },
        }
        return document | ({"notes": dict(self.notes)} if self.notes else {})


def _nothing_read(source: Input, first: FormatError | None, n_rejected: int) -> FormatError:
    if first is None:
        return source.error("there is no drawing in the file")
    return FormatError(
        f"{first.problem} (none of the file's drawings can be read; {n_rejected:,} tried)",
        path=first.path,
        position=first.position,
    )
