"""Every error garabato raises on purpose, and the hint for a misspelt name.

GarabatoError
├── InputError              an invalid argument or file (also a ValueError)
│   ├── DrawingError        strokes or a bitmap that are not a drawing
│   ├── FormatError         a file that cannot be read; has path and position
│   │   └── UnknownFormatError    a file in a format that garabato does not read
│   └── CategoryError       an unknown category; suggests the nearest name
├── SourceError             a source of drawings that is empty, unreachable or has too few
├── DatasetError            a data set that is missing, incomplete or of another version
├── TrainingError           a run that cannot start, continue or be resumed
├── EncoderError            an encoder file that is damaged, unknown or of another version
├── GalleryError            a gallery that cannot be opened, read or written
│   └── EncoderMismatchError   a gallery filled by another encoder
├── ServiceError            a service that responds with an error, or not at all
├── StorageError            a full disk or a read-only folder
└── MissingExtraError       a missing optional dependency; has the command that installs it
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import index
from os import PathLike, fspath
from typing import Any

_STORAGE_FIXES = {
    errno.ENOSPC: "the disk is full; free some space or write to another disk",
    errno.EDQUOT: "the disk quota is used up; free some space or write to another disk",
    errno.EFBIG: "the file exceeds the size limit; raise the limit or write elsewhere",
    errno.EROFS: "the file system is read-only; write somewhere else",
    errno.EACCES: "permission denied; write somewhere else or change the folder's permissions",
    errno.EPERM: "not permitted; write somewhere else or change the folder's permissions",
    errno.EEXIST: "there is a file of this name; choose another folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
}
#: The function that opens what is passed to an argument of this name.
_OPENED_BY = {
    "dataset": "Dataset.open",
    "encoder": "load_encoder",
    "gallery": "open_gallery",
    "source": "open_gallery",
}


class GarabatoError(Exception):
    """Base of all errors garabato raises on purpose; its text is meant for people."""


class InputError(GarabatoError, ValueError):
    """An argument or file is invalid."""


class DrawingError(InputError):
    """Strokes or a bitmap that are not a drawing."""


class FormatError(InputError):
    """A file, or one position in it, that cannot be read.

    `path` is the file; `position` is a line or byte ("line 12", "byte 4096") or None. `problem` is
    a short text, the same for all positions with the same fault; reports count by it.
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
    """A file is in a format that garabato does not read."""


class CategoryError(InputError):
    """A category is unknown."""


class SourceError(GarabatoError):
    """A source of drawings is empty, unreachable or has too few."""


class DatasetError(GarabatoError):
    """A data set is missing, incomplete or of another version."""


class TrainingError(GarabatoError):
    """A training run cannot start, continue or be resumed."""


class EncoderError(GarabatoError):
    """An encoder file is damaged, unknown or of another version."""


class GalleryError(GarabatoError):
    """A gallery cannot be opened, read or written."""


class EncoderMismatchError(GalleryError):
    """A gallery was filled by another encoder."""


class ServiceError(GarabatoError):
    """A service responded with an error, or not at all.

    `status` is the HTTP status, or None without a response; `problem` is the RFC 9457 document.
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
    """An optional dependency of `feature` is missing; the extra `extra` installs it."""

    def __init__(self, feature: str, extra: str, alternative: str = "") -> None:
        self.feature, self.extra, self.alternative = feature, extra, alternative
        super().__init__(
            f"{feature} needs the extra `{extra}`: pip install 'garabato[{extra}]'"
            + (f"; {alternative}" if alternative else "")
        )

    def __reduce__(self) -> tuple[type, tuple[str, ...]]:
        return type(self), (self.feature, self.extra, self.alternative)


def check_choice(name: str, given: object, known: Iterable[str]) -> None:
    """Raise InputError if the argument `name` is not one of the words `known`."""
    words = list(known)
    if given not in words:
        hint = did_you_mean(str(given), words)
        raise InputError(f"{name} must be one of {', '.join(words)}, not {given!r}{hint}")


def check_count(name: str, given: object, *, least: int = 1) -> None:
    """Raise InputError if the argument `name` is not a whole number of at least `least`."""
    # Not by isinstance(given, SupportsIndex): that takes 18 µs, which each query would wait for.
    if not hasattr(given, "__index__") or index(given) < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {given!r}")


def check_opened(**arguments: object) -> None:
    """Raise InputError for the path of a gallery, encoder or data set that must be opened first."""
    for name, given in arguments.items():
        if isinstance(given, str | PathLike):
            raise InputError(f"{name} must be opened: garabato.{_OPENED_BY[name]}({str(given)!r})")


def did_you_mean(name: str, among: Iterable[str], *, otherwise: str = "") -> str:
    """The end of an error about a misspelt name: "; did you mean 'cat'?".

    If no name in `among` is similar, it is "; " and the text `otherwise`, or nothing.
    """
    nearest = nearest_name(name, among)
    if nearest is None:
        return otherwise and f"; {otherwise}"
    spaces = "" if nearest == nearest.strip() else ", with the space at its beginning or end"
    return f"; did you mean {nearest!r}{spaces}?"


def nearest_name(name: str, among: Iterable[str], *, at_least: float = 0.6) -> str | None:
    """The name in `among` most similar to `name`, ignoring case, hyphens and underscores.

    None if no similarity (0 to 1) reaches `at_least`.
    """
    by_folded = {_folded(known): known for known in among}
    matcher = difflib.SequenceMatcher(b=_folded(name))

    def similarity(known: str) -> float:
        matcher.set_seq1(known)
        # The first takes swapped letters for other ones ("dgo" is like "dragon"), the second
        # ignores the order of letters.
        return (matcher.ratio() + matcher.quick_ratio()) / 2

    nearest = max(by_folded, key=similarity, default="")
    return by_folded[nearest] if similarity(nearest) >= at_least else None


def first_line(error: BaseException | str) -> str:
    """The first line of an error's text, or the name of its class if it has none.

    Long lines are cut off after 300 characters; addresses of Python objects are left out.
    """
    lines = re.sub(r" object at 0x[0-9a-f]+", "", str(error)).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    return line if len(line) <= 300 else f"{line[:297]}..."


@contextmanager
def storage_errors(path: str | PathLike[str]) -> Iterator[None]:
    """Turn errors of a full disk or read-only folder, while writing `path`, into StorageError."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        fix = _STORAGE_FIXES.get(error.errno or 0)
        if fix is None:
            raise
        raise StorageError(f"cannot write {fspath(path)}: {fix}") from error


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").split()).casefold()
