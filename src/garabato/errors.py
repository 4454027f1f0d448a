"""Every error garabato raises on purpose.

GarabatoError
├── InputError              what was given is not what was expected (also a ValueError)
│   ├── DrawingError        strokes or bitmaps that are not a drawing
│   ├── FormatError         a file that cannot be read; carries path and position
│   │   └── UnknownFormatError    a file whose format garabato does not read
│   └── CategoryError       a category name nobody knows; suggests the nearest
├── SourceError             a place drawings come from: empty, unreachable, too few
├── DatasetError            a prepared dataset that is missing, half-written or of another version
├── TrainingError           a run that cannot start, go on or be resumed
├── EncoderError            an encoder file that is truncated, not ours or of another version
├── GalleryError            a gallery that cannot be opened, read or written
│   └── EncoderMismatchError   a gallery filled by another encoder
├── ServiceError            a service that answers with an error, or not at all
├── StorageError            the disk is full, the folder is read-only
└── MissingExtraError       an optional dependency is absent; says the command that installs it
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike, fspath
from typing import Any


class GarabatoError(Exception):
    """Base of all errors garabato raises on purpose; its text is meant for people."""


class InputError(GarabatoError, ValueError):
    """What was given is not what was expected."""


class DrawingError(InputError):
    """Strokes or a bitmap that are not a drawing."""


class FormatError(InputError):
    """A file, or one position in it, that cannot be read.

    `path` is the file, `position` the line or byte ("line 12", "byte 4096") or None, `problem` a
    short text that is the same for all positions with the same fault (reports count by it).
    """

    def __init__(
        self, problem: str, *, path: str | PathLike[str] | None = None, position: str | None = None
    ) -> None:
        self.problem = problem
        self.path = None if path is None else fspath(path)
        self.position = position
        where = ", ".join(part for part in (self.path, position) if part)
        super().__init__(f"{where}: {problem}" if where else problem)


class UnknownFormatError(FormatError):
    """A file whose format garabato does not read."""


class CategoryError(InputError):
    """A category name nobody knows."""


class SourceError(GarabatoError):
    """A place drawings come from is empty, unreachable or holds too few."""


class DatasetError(GarabatoError):
    """A prepared dataset is missing, half-written or of another format version."""


class TrainingError(GarabatoError):
    """A training run cannot start, go on or be resumed."""


class EncoderError(GarabatoError):
    """An encoder file is truncated, not ours or of another format version."""


class GalleryError(GarabatoError):
    """A gallery cannot be opened, read or written."""


class EncoderMismatchError(GalleryError):
    """A gallery was filled by another encoder than the one in hand."""


class ServiceError(GarabatoError):
    """A service answered with an error, or not at all.

    `status` is the HTTP status (None where there was no answer), `problem` its RFC 9457 document.
    """

    def __init__(
        self, text: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.problem = dict(problem or {})


class StorageError(GarabatoError, OSError):
    """The disk is full or the folder cannot be written."""


class MissingExtraError(GarabatoError, ImportError):
    """An optional dependency is absent."""

    def __init__(self, feature: str, extra: str, alternative: str = "") -> None:
        command = f"pip install 'garabato[{extra}]'"
        super().__init__(
            f"{feature} needs more packages: {command}"
            + (f"; {alternative}" if alternative else "")
        )


_STORAGE_FIXES = {
    errno.ENOSPC: "the disk is full; free some space or write to another disk",
    errno.EDQUOT: "the disk quota is used up; free some space or write to another disk",
    errno.EFBIG: "the file grows beyond what is allowed here; raise the limit or write elsewhere",
    errno.EROFS: "the file system is read-only; write somewhere else",
    errno.EACCES: "permission denied; write somewhere else or change the folder's permissions",
    errno.EPERM: "not permitted; write somewhere else or change the folder's permissions",
}


@contextmanager
def storage_errors(path: str | PathLike[str]) -> Iterator[None]:
    """Turn a full disk or a read-only folder, met while writing `path`, into a StorageError."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        fix = _STORAGE_FIXES.get(error.errno or 0)
        if fix is None:
            raise
        raise StorageError(f"cannot write {fspath(path)}: {fix}") from error
