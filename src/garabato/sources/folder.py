"""A folder of drawings: files named as Google names them, and folders of pictures."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
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
#: What the folders of others hold that are easily taken for a source, and what to do with them.
_OTHERS = {
    "dataset.json": "{0} is a data set, not a source; give it as --data",
    "drawings.lance": "{0} is a gallery, not a source; what is in it tells: "
    "garabato gallery info --gallery {0}",
}
_PICTURES_A_BATCH = 256

_log = logging.getLogger(__name__)


class FolderSource:
    """The drawings of a folder, by category; or those of one file.

    A file's name without suffix is the category of its drawings, whatever they say themselves.
    Pictures belong to the category their folder is named after, which is the folder itself or one
    in it; they come traced into strokes, with "cat/1.png" as key_id. Raises SourceError where
    `path` is neither, or holds no drawings.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._files = self._find()
        self._warned: set[Path] = set()

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
            others: Counter[str] = Counter()
            for batch in _read_file(file, strict, told):
                others.update(name for name in batch.categories if name not in (None, category))
                named = batch.replace(categories=[category] * len(batch))
                if not _is_picture(file):
                    yield named
                    continue
                pictures.append(_as_strokes(named, f"{category}/{file.name}"))
                if len(pictures) == _PICTURES_A_BATCH:
                    yield DrawingBatch.concatenate(pictures)
                    pictures = []
            self._warn_of_others(file, category, others)
        if pictures:
            yield DrawingBatch.concatenate(pictures)
        if report is None:
            for line in told.lines():
                _log.warning("%s", line)

    def _warn_of_others(self, file: Path, category: str, others: Mapping[str, int]) -> None:
        """Say once a file that its drawings say they are something else."""
        if not others or file in self._warned:
            return
        self._warned.add(file)
        names = ", ".join(map(repr, sorted(others)[:3])) + (", ..." if len(others) > 3 else "")
        _log.warning(
            "%s: %s of its drawings say that they show %s; all are taken for %r, as the file is "
            "named. A file for each category was expected",
            file,
            f"{sum(others.values()):,}",
            names,
            category,
        )

    def _find(self) -> dict[str, list[Path]]:
        if not self.path.exists():
            raise SourceError(f"{self.path} does not exist; a folder with {_EXPECTED}")
        if not self.path.is_dir():
            if found := _by_category([self.path]):
                return found
            raise SourceError(f"{self.path} is no file of drawings; {_EXPECTED}")
        try:
            files = _visible(self.path)
        except PermissionError as error:
            raise SourceError(f"{error.filename} cannot be listed: permission denied") from None
        for file in files:
            if what := _OTHERS.get(file.name):
                raise SourceError(what.format(self.path))
        inside = [held for folder in files if folder.is_dir() for held in self._list(folder)]
        fuller = sorted({file.parent.name for file in inside if _holds_many(file)})
        if fuller and not any(map(_holds_many, files)):
            hint = f"its folders {', '.join(fuller)} hold some: give one of them"
            raise SourceError(f"{self.path} holds no drawings; {_EXPECTED}; {hint}")
        if fuller:
            _log.warning(
                "%s: the files with many drawings in its folders %s are passed over; "
                "give these folders by themselves",
                self.path,
                ", ".join(fuller),
            )
        found = _by_category([*files, *filter(_is_picture, inside)])
        if not found:
            raise SourceError(f"{self.path} holds no drawings; {_EXPECTED}")
        return dict(sorted(found.items()))

    def _list(self, folder: Path) -> list[Path]:
        """What is in a folder of this one; nothing, which is logged, where nobody may look."""
        try:
            return _visible(folder)
        except PermissionError:
            _log.warning("%s is passed over: permission denied", folder)
            return []


def category_of(file: Path) -> str:
    """The category of a file's drawings: "cat" for "full_simplified_cat.ndjson.gz", "cat/1.png"."""
    if _is_picture(file):
        return file.parent.resolve().name
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
        from garabato.tracing.trace import trace_batch

        batch = trace_batch(batch)
    return batch.replace(key_ids=[key_id])


def _visible(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def _by_category(files: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        if _holds_many(file) or (_is_picture(file) and file.is_file()):
            found.setdefault(category_of(file), []).append(file)
    return found


def _holds_many(file: Path) -> bool:
    return file.name.lower().removesuffix(".gz").endswith(SUFFIXES) and file.is_file()


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES
