"""A folder of drawings: files named as Google names them, or folders of pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from garabato.categories import nearest_category
from garabato.drawing import DrawingBatch
from garabato.errors import CategoryError, FormatError, SourceError
from garabato.formats import ReadReport, read_batches
from garabato.formats.stream import plain_stem

#: Files with many drawings of one category, plain or with ".gz" behind.
SUFFIXES = (".ndjson", ".npy", ".bin", ".npz")
#: Files with one drawing.
PICTURE_SUFFIXES = (".svg", ".png", ".jpg", ".jpeg", ".webp")
#: What Google's downloads are named with besides the category ("full_simplified_cat.ndjson").
_PREFIXES = (
    "full_simplified_", "full_raw_", "full_binary_", "full_numpy_bitmap_", "sketchrnn_",
)  # fmt: skip
_EXPECTED = (
    "files as cat.ndjson, cat.bin, cat.npy or cat.npz, named after their category, "
    "or folders of pictures as cat/1.png were expected"
)
_PICTURES_A_BATCH = 256

_log = logging.getLogger(__name__)


class FolderSource:
    """The drawings of a folder, by category.

    A file's name without suffix is the category of its drawings, whatever they say themselves.
    Where there are no such files, pictures belong to the category their folder is named after;
    they come traced into strokes, with "cat/1.png" as key_id. Raises SourceError where `path` is
    no folder, or one without drawings.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._files = self._find()

    def categories(self) -> dict[str, list[Path]]:
        """Category -> its files, sorted."""
        return {category: list(files) for category, files in self._files.items()}

    def read(
        self, category: str, *, strict: bool = False, report: ReadReport | None = None
    ) -> Iterator[DrawingBatch]:
        """The drawings of one category in batches, in the order of its files.

        A file that cannot be read at all is passed over and counted in `report`, as a line is
        (without a report it is logged); with `strict` it raises. Raises CategoryError for a
        category the folder has not.
        """
        if category not in self._files:
            nearest = nearest_category(category, self._files)
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            raise CategoryError(f"{self.path} has no category {category!r}{hint}")
        told = ReadReport() if report is None else report
        pictures: list[DrawingBatch] = []
        for file in self._files[category]:
            for batch in _read_file(file, strict, told):
                named = batch.replace(categories=[category] * len(batch))
                if not _is_picture(file):
                    yield named
                    continue
                pictures.append(_as_strokes(named, f"{category}/{file.name}"))
                if len(pictures) == _PICTURES_A_BATCH:
                    yield DrawingBatch.concatenate(pictures)
                    pictures = []
        if pictures:
            yield DrawingBatch.concatenate(pictures)
        if report is None:
            for line in told.lines():
                _log.warning("%s", line)

    def _find(self) -> dict[str, list[Path]]:
        if not self.path.is_dir():
            what = "is not a folder" if self.path.exists() else "does not exist"
            raise SourceError(f"{self.path} {what}; a folder with {_EXPECTED}")
        try:
            files = _visible(self.path)
            folders = [file for file in files if file.is_dir()]
            found = _by_category(files)
            fuller = [f.name for f in folders if not found and _by_category(_visible(f))]
            if not (found or fuller):
                found = _pictures_by_category([self.path, *folders])
        except PermissionError as error:
            raise SourceError(f"{error.filename} cannot be listed: permission denied") from None
        if not found:
            hint = f"; its folders {', '.join(fuller)} hold some: give one of them"
            raise SourceError(f"{self.path} holds no drawings; {_EXPECTED}{hint if fuller else ''}")
        return dict(sorted(found.items()))


def category_of(file: Path) -> str:
    """The category a file is named after: "cat" for "full_simplified_cat.ndjson.gz"."""
    name = plain_stem(file).removesuffix(".full")
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _read_file(file: Path, strict: bool, report: ReadReport) -> Iterator[DrawingBatch]:
    before = report.n_unreadable
    try:
        yield from read_batches(file, strict=strict, report=report)
    except FormatError as error:
        if strict:
            raise
        if report.n_unreadable == before:  # not already told line by line
            report.add(error)


def _as_strokes(batch: DrawingBatch, key_id: str) -> DrawingBatch:
    """Traced, as pictures are of all sizes and a category's drawings of one kind."""
    if batch.bitmaps is not None:
        from garabato.trace import trace_batch

        batch = trace_batch(batch)
    return batch.replace(key_ids=[key_id])


def _visible(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def _by_category(files: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        if file.name.lower().removesuffix(".gz").endswith(SUFFIXES) and file.is_file():
            found.setdefault(category_of(file), []).append(file)
    return found


def _pictures_by_category(folders: list[Path]) -> dict[str, list[Path]]:
    found = {}
    for folder in folders:
        if pictures := [f for f in _visible(folder) if _is_picture(f) and f.is_file()]:
            found[folder.resolve().name] = pictures
    return found


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES
