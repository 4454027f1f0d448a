"""A folder of drawings: files named after their category, tables, and folders of pictures."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from os import PathLike
from pathlib import Path
from shlex import quote
from typing import Literal, get_args
from unicodedata import normalize
from urllib.parse import unquote

from garabato.drawing import MAX_ORIGINAL_BYTES, Details, DrawingBatch
from garabato.errors import (
    CategoryError,
    DrawingError,
    FormatError,
    SourceError,
    check_choice,
    did_you_mean,
)
from garabato.formats import ReadReport, read_batches
from garabato.formats.detect import describe_other_file
from garabato.formats.stream import open_input, plain_stem
from garabato.render import with_strokes
from garabato.sources.sorted_table import SortedTable

#: How drawings get their category; see `FolderSource`.
CategoryFrom = Literal["auto", "name", "drawing"]

#: Files with many drawings, whose name is the category. A ".gz" may follow.
SUFFIXES = (".ndjson", ".npy", ".bin", ".npz")
#: Files with many drawings that have a category each. A ".gz" may follow.
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".arrow", ".feather", ".json", ".jsonl")
#: Files with one drawing, or a few; the folder is the category. A ".gz" may follow.
PICTURE_SUFFIXES = (
    ".svg", ".svgz", ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp",
    ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif",
    ".ico", ".pbm", ".pgm", ".ppm", ".pnm",
    ".excalidraw", ".excalidrawlib", ".tldr", ".inkml", ".xopp", ".xoj", ".pdf",
)  # fmt: skip

#: Prefixes of downloaded files: Google's, and browsers' (with hyphens).
_PREFIX = re.compile(
    r"(quickdraw[-_]dataset[-_])?"
    r"(full[-_ ](simplified|raw|binary|numpy[-_ ]bitmap)|sketchrnn)[-_ ]",
    re.IGNORECASE,
)
#: Added by browsers and file managers to the name of a file that exists already.
_COPY = re.compile(
    r"^(Copy of|Kopie von|Copie de|Copia d[ei]) "
    r"|([ _]?\(\d+\)| \((another |\d+\w\w )?(copy|Kopie|copie|copia)( \d+)?\)"
    r"|\[\d+\]| - (Copy|Kopie|Copie|copia)| copy( \d+)?)+$"
)
#: Added after the suffix by wget and browsers: a number, and the query of the address.
_WGET = re.compile(r"(\?[^/]*|\.\d+| ?\(\d+\))$")
#: Numbers the pictures of a category: lamp-1.svg, lamp_02.png, lamp 3.png.
_NUMBER = re.compile(r"[-_ ]*\d+$")

_EXPECTED = (
    "expected files named after their category (cat.ndjson, cat.bin, cat.npy, cat.npz), tables "
    "with a column `drawing` (.csv, .parquet, .arrow, .json), or folders of pictures (cat/1.png)"
)
#: Folders that are not sources, by a file in them -> what to do instead.
_OTHER_FOLDERS = {
    "dataset.json": "{0} is a data set, not a source; commands for data sets take it as --data",
    "drawings.lance": "{0} is a gallery, not a source; to see what is in it: "
    "garabato gallery info --gallery {0}",
}
#: Files beside drawings that are not reported as skipped.
_COMPANIONS = re.compile(
    r"download\.json|dataset_info\.json|state\.json|(eh)?thumbs\.db|desktop\.ini|icon\r|(readme|licen[cs]e|notice)(\.\w+)?",
    re.IGNORECASE,
)
#: Folders that systems and archives add.
_SYSTEM_FOLDERS = {
    "__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found",
}  # fmt: skip
#: Levels below a folder without drawings that are searched for folders with drawings.
_MAX_HINT_DEPTH = 4
#: Reading as many photos takes some seconds.
_PICTURES_A_BATCH = 32
_MAX_NAMED = 3

_log = logging.getLogger(__name__)


class FolderSource:
    """The drawings of a folder by category, or of one file.

    `category_from` says where categories come from:

    - "auto": the name of files with many drawings (cat.ndjson); the category of each drawing in
      tables (CSV, Parquet, Arrow, JSON); the folder of pictures (cat/1.png).
    - "name": the name of every file, without the number at its end (lamp-1.svg is a lamp).
    - "drawing": the category of each drawing, in all files; the file's name if it has none.

    With `keep_originals` the drawing of an SVG or picture file has the file's name as title, its
    path in the folder as source_path and, up to 64 KiB, its content as original.

    Pictures are traced into strokes. Their key_id is "cat/1.png", the category and the name of the
    file. It is the file's path in the folder with the category from "name", or if files of several
    folders would have the same. Tables are read once for each category. Raises SourceError if
    `path` does not exist or holds no drawings.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        category_from: CategoryFrom = "auto",
        keep_originals: bool = False,
    ) -> None:
        check_choice("category_from", category_from, get_args(CategoryFrom))
        self.path = Path(path)
        self._keep_originals = keep_originals
        self._from = category_from
        self._warned: set[Path] = set()
        #: Tables with several categories, and the ones that are sorted.
        self._mixed: set[Path] = set()
        self._sorted: dict[Path, SortedTable] = {}
        self._files = self._by_category(self._find())
        if not self._files:
            raise SourceError(f"{self.path} holds no readable drawings; {_EXPECTED}")

    def __repr__(self) -> str:
        n = len(self._files)
        categories = "1 category" if n == 1 else f"{n:,} categories"
        return f"FolderSource({str(self.path)!r}, {categories})"

    def categories(self) -> dict[str, list[Path]]:
        """Category -> its files, sorted."""
        return {category: list(files) for category, files in self._files.items()}

    def read(
        self, category: str, *, strict: bool = False, report: ReadReport | None = None
    ) -> Iterator[DrawingBatch]:
        """Yield the drawings of one category in batches, in the order of its files.

        Unreadable files, lines and rows are counted in `report` (without one, they are logged);
        with `strict` the first one raises FormatError. Raises CategoryError for a category that
        is not in the folder.
        """
        if category not in self._files:
            hint = did_you_mean(category, self._files)
            raise CategoryError(f"{self.path} has no category {category!r}{hint}")
        own_report = ReadReport() if report is None else report
        same_name = Counter(file.name for file in self._files[category])
        pictures: list[DrawingBatch] = []
        for file in self._files[category]:
            if file in self._mixed:
                yield from self._read_mixed(file, category, strict, own_report)
            elif not _is_picture(file):
                yield from self._read_named(file, category, strict, own_report)
            else:
                name = f"{category}/{_as_text(file.name)}"
                if self._from == "name" or same_name[file.name] > 1:
                    name = self._path_inside(file)
                details = self._details(file) if self._keep_originals else None
                for batch in _read_picture(file, category, name, strict, own_report):
                    pictures.append(batch.replace(details=[details] * len(batch)))
                if len(pictures) >= _PICTURES_A_BATCH:
                    yield DrawingBatch.concatenate(pictures)
                    pictures = []
        if pictures:
            yield DrawingBatch.concatenate(pictures)
        if report is None:
            for line in own_report.lines():
                _log.warning("%s", line)

    def _by_category(self, files: list[Path]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file in files:
            if self._has_own_categories(file):
                names = _own_categories(file)
                if len(names) > 1:
                    self._mixed.add(file)
            else:
                names = {category_of(file, by_name=self._from == "name")}
            for name in names:
                found.setdefault(name, []).append(file)
        if self._from == "auto":
            self._warn_of_one_folder(files)
        return dict(sorted(found.items()))

    def _has_own_categories(self, file: Path) -> bool:
        is_table = self._from == "auto" and _has_suffix(file, TABLE_SUFFIXES)
        return is_table or (self._from == "drawing" and not _is_picture(file))

    def _warn_of_one_folder(self, files: list[Path]) -> None:
        """Warn if the pictures directly in the folder seem to have other categories."""
        directly = [
            file for file in files if _is_picture(file) and self.path in (file, file.parent)
        ]
        names = {category_of(file, by_name=True) for file in directly}
        if directly and names != {category := category_of(directly[0])}:
            n = len(directly)
            _log.warning(
                "%s: its %s read as %r, the name of the folder; to name each after its file (%s): "
                "--category-from name",
                self.path,
                "picture is" if n == 1 else f"{n:,} pictures are",
                category,
                _some(sorted(names)),
            )

    def _find(self) -> list[Path]:
        """The files to read; logs what is skipped."""
        if not self.path.exists():
            raise SourceError(f"{self.path} does not exist; {_EXPECTED}")
        if not self.path.is_dir():
            if has_suffix_of_drawings(self.path):
                return [self.path]
            with open_input(self.path) as source:
                is_zip = source.head.startswith(b"PK\x03\x04")
                other = "this is a zip archive; unpack it first" if is_zip else None
                other = other or describe_other_file(source.head)
            problem = f": {other}" if other else f" is not a file of drawings; {_EXPECTED}"
            raise SourceError(f"{self.path}{problem}")
        try:
            files = _visible(self.path)
        except PermissionError as error:
            raise SourceError(f"{error.filename} cannot be listed: permission denied") from None
        for file in files:
            if what := _OTHER_FOLDERS.get(file.name):
                raise SourceError(what.format(quote(str(self.path))))
        inside = [file for folder in files if folder.is_dir() for file in _list(folder)]
        others = {file for file in [*files, *inside] if _is_other_table(file)}
        files = [file for file in files if file not in others]
        inside = [file for file in inside if file not in others]
        self._warn_of_unread([*files, *inside])
        found = [file for file in files if has_suffix_of_drawings(file)]
        pictures_inside = [file for file in inside if _is_picture(file)]
        fuller = sorted({file.parent.name for file in inside if _holds_many(file)})
        if not found and (fuller or not pictures_inside):
            raise self._no_drawings(fuller or _sources_below(self.path))
        deeper = [f"{file.parent.name}/{file.name}" for file in inside if file.is_dir()]
        if deeper:
            _log.warning(
                "%s: skipped the folders inside its folders (%s); read each of them, or the folder "
                "it is in, as a source of its own",
                self.path,
                _some(deeper),
            )
        if fuller:
            _log.warning(
                "%s: skipped the files with many drawings in its folders %s; read each of these "
                "folders as a source of its own",
                self.path,
                ", ".join(fuller),
            )
        return [*found, *pictures_inside]

    def _no_drawings(self, folders: list[str]) -> SourceError:
        hint = ""
        if len(folders) == 1:
            hint = f"; use its folder {folders[0]}"
        elif folders:
            hint = f"; use one of its folders: {_some(folders, limit=10)}"
        return SourceError(f"{self.path} holds no drawings; {_EXPECTED}{hint}")

    def _warn_of_unread(self, files: list[Path]) -> None:
        """Name the files whose suffix is not read."""
        unread = [
            file.suffix.lower() or file.name
            for file in files
            if file.is_file()
            and not (has_suffix_of_drawings(file) or _COMPANIONS.fullmatch(file.name))
        ]
        if unread:
            _log.warning(
                "%s: skipped %s %s (%s)",
                self.path,
                f"{len(unread):,}",
                "file" if len(unread) == 1 else "files",
                _some(sorted(set(unread)), limit=10),
            )

    def _read_mixed(
        self, file: Path, category: str, strict: bool, report: ReadReport
    ) -> Iterator[DrawingBatch]:
        """The drawings of a table that have this category."""
        if file not in self._sorted:
            n_before = report.n_read
            batches = _read_file(file, strict, report)
            self._sorted[file] = SortedTable(batches, category_of(file))
            report.n_read = n_before
        for batch in self._sorted[file].read(category):
            report.n_read += len(batch)
            yield batch

    def _read_named(
        self, file: Path, category: str, strict: bool, report: ReadReport
    ) -> Iterator[DrawingBatch]:
        """All drawings of a file; a warning, once, if they have other categories."""
        others: Counter[str] = Counter()
        for batch in _read_file(file, strict, report):
            others.update(name for name in batch.categories if name not in (None, category))
            yield batch.replace(categories=[category] * len(batch))
        if others and file not in self._warned:
            self._warned.add(file)
            _log.warning(
                "%s: all drawings are read as %r, the name of the file, but some say %s (%s); to "
                "use their own categories: --category-from drawing",
                file,
                category,
                _some(map(repr, sorted(others))),
                f"{others.total():,}",
            )

    def _details(self, file: Path) -> Details:
        """The title, path and content of a file, for the drawings read from it."""
        details = Details(title=_as_text(plain_stem(file)), source_path=self._path_inside(file))
        try:
            with open(file, "rb") as opened:
                content = opened.read(MAX_ORIGINAL_BYTES + 1)
            return replace(details, original=content)
        except (OSError, DrawingError):  # too large, or neither an SVG nor a picture browsers show
            _log.info("%s: its original is not kept", file)
            return details

    def _path_inside(self, file: Path) -> str:
        """The path of a file in the folder; its name if it is the source itself."""
        return _as_text(file.name if file == self.path else file.relative_to(self.path).as_posix())


def category_of(file: Path, *, by_name: bool = False) -> str:
    """The category that a file's name or folder gives.

    "cat" for "full_simplified_cat.ndjson.gz", "full%2Fsimplified%2Fcat (1).ndjson", "cat/1.png";
    with `by_name` "lamp" for "flat/lamp-1.svg", but "cat" for "cat/1.png".
    """
    folder = _plain_name(Path(os.path.abspath(file)).parent.name)  # of a link, its own name
    if _is_picture(file) and not by_name:
        return folder
    name = _plain_name(plain_stem(_as_served(file)).removesuffix(".full"))
    name = name[match.end() :] if (match := _PREFIX.match(name)) else name
    return _NUMBER.sub("", name) or folder if _is_picture(file) else name


def has_suffix_of_drawings(path: Path) -> bool:
    """Whether a path, unless it is a folder, is named like a file of drawings."""
    return _holds_many(path) or _is_picture(path)


def _is_picture(file: Path) -> bool:
    return _has_suffix(file, PICTURE_SUFFIXES)


def _has_suffix(file: Path, suffixes: tuple[str, ...]) -> bool:
    name = _as_served(file).name.lower().removesuffix(".gz")
    is_one = name.endswith(suffixes) and not _COMPANIONS.fullmatch(file.name)
    return is_one and (file.is_file() or not file.exists())  # no folder, and no named pipe


def _as_served(file: Path) -> Path:
    """The file by the name it had on the server: "cat.ndjson" for "cat.ndjson.1"."""
    name = file.name
    while (served := _WGET.sub("", name)) != name:
        name = served
    return file.with_name(name or file.name)


def _as_text(name: str) -> str:
    """A file's name, in Latin-1 if it is not UTF-8: old archives have such names."""
    try:
        return os.fsencode(name).decode()
    except UnicodeDecodeError:
        return os.fsencode(name).decode("latin-1")


def _read_picture(
    file: Path, category: str, key_id: str, strict: bool, report: ReadReport
) -> Iterator[DrawingBatch]:
    """Traced, as pictures have all sizes and the drawings of a category are of one kind."""
    n_before = 0
    for batch in _read_file(file, strict, report):
        batch = with_strokes(batch)
        numbers = range(n_before + 1, n_before + len(batch) + 1)
        key_ids = [key_id if n == 1 else f"{key_id}-{n}" for n in numbers]
        n_before += len(batch)
        yield batch.replace(key_ids=key_ids, categories=[category] * len(batch))


def _read_file(file: Path, strict: bool, report: ReadReport) -> Iterator[DrawingBatch]:
    before = report.n_unreadable
    try:
        yield from read_batches(file, strict=strict, report=report)
    except FormatError as error:
        if strict:
            raise
        if report.n_unreadable == before:  # not counted yet, line by line
            report.add(error)


def _own_categories(file: Path) -> set[str]:
    """The categories of the drawings in a file; the file's name for drawings without one."""
    fallback = category_of(file)
    quiet = ReadReport()
    return {
        own or fallback for batch in _read_file(file, False, quiet) for own in batch.categories
    } or {fallback}


def _some(names: Iterator[str] | list[str], limit: int = _MAX_NAMED) -> str:
    names = iter(names)
    first = list(islice(names, limit))
    return ", ".join(first) + (", ..." if next(names, None) is not None else "")


def _holds_many(file: Path) -> bool:
    return _has_suffix(file, (*SUFFIXES, *TABLE_SUFFIXES))


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, sorted, without hidden files and links to folders above."""
    return sorted(
        file
        for file in folder.iterdir()
        if not file.name.startswith(".")
        and file.name not in _SYSTEM_FOLDERS
        and not (
            file.is_symlink() and file.is_dir() and folder.resolve().is_relative_to(file.resolve())
        )
    )


def _list(folder: Path) -> list[Path]:
    """The files in a folder; none, with a warning, if it cannot be listed."""
    try:
        return _visible(folder)
    except PermissionError:
        _log.warning("%s: skipped, permission denied", folder)
        return []


def _is_other_table(file: Path) -> bool:
    """Whether a table holds no drawings, such as the labels of pictures; a warning says why."""
    if not _has_suffix(file, TABLE_SUFFIXES):
        return False
    try:
        next(read_batches(file, report=ReadReport()), None)
    except FormatError as error:
        _log.warning("%s: skipped: %s", file, error.problem)
        return True
    return False


def _sources_below(root: Path) -> list[str]:
    """The folders below `root` that are sources: with files of drawings, or folders of pictures."""
    found = set()
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not name.startswith(".")]
        if len(inside.parts) >= _MAX_HINT_DEPTH:
            folders.clear()
        files = [Path(folder, name) for name in names if not name.startswith(".")]
        if any(map(_holds_many, files)):
            found.add(inside.as_posix())
        elif any(map(_is_picture, files)):
            found.add(inside.parent.as_posix())
    return sorted(found - {"."})


def _plain_name(name: str) -> str:
    """A name without the changes of browsers and wget: "%20", "+", a path in it, " (1)"."""
    plain = unquote(unquote(_as_text(name))).rpartition("/")[2]
    plain = _COPY.sub("", re.sub(r"(?<=\w)\+(?=\w)", " ", plain)).strip()
    return normalize("NFC", plain or _as_text(name))
