"""A folder of drawing files, one category a file, named as Google names them."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from garabato.categories import nearest_category
from garabato.drawing import DrawingBatch
from garabato.errors import CategoryError, FormatError, SourceError
from garabato.formats import ReadReport, read_batches
from garabato.formats.stream import plain_stem

SUFFIXES = (".ndjson", ".npy", ".bin")
_EXPECTED = "files as cat.ndjson, cat.npy or cat.bin, named after their category, were expected"


class FolderSource:
    """The drawings of a folder; a file's name without suffix is the category of its drawings.

    Raises SourceError where `path` is no folder, or one without drawings.
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

        A file that cannot be read at all is passed over and counted in `report`, as a line is;
        with `strict` it raises. Raises CategoryError for a category the folder has not.
        """
        if category not in self._files:
            nearest = nearest_category(category, self._files)
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            raise CategoryError(f"{self.path} has no category {category!r}{hint}")
        for file in self._files[category]:
            yield from self._read_file(file, category, strict, report or ReadReport())

    def _read_file(
        self, file: Path, category: str, strict: bool, report: ReadReport
    ) -> Iterator[DrawingBatch]:
        before = report.n_unreadable
        try:
            for batch in read_batches(file, strict=strict, report=report):
                yield batch.replace(categories=[category] * len(batch))
        except FormatError as error:
            if strict:
                raise
            if report.n_unreadable == before:  # not already told line by line
                report.add(error)

    def _find(self) -> dict[str, list[Path]]:
        if not self.path.is_dir():
            what = "is not a folder" if self.path.exists() else "does not exist"
            raise SourceError(f"{self.path} {what}; a folder with {_EXPECTED}")
        found: dict[str, list[Path]] = {}
        try:
            for file in sorted(self.path.iterdir()):
                if file.name.removesuffix(".gz").endswith(SUFFIXES) and file.is_file():
                    found.setdefault(plain_stem(file), []).append(file)
        except PermissionError:
            raise SourceError(f"{self.path} cannot be listed: permission denied") from None
        if not found:
            raise SourceError(f"{self.path} holds no drawings; {_EXPECTED}{self._subfolders()}")
        return dict(sorted(found.items()))

    def _subfolders(self) -> str:
        """A hint at the folders below that hold drawings."""
        names = sorted(
            folder.name
            for folder in self.path.iterdir()
            if folder.is_dir() and any(f.name.endswith(SUFFIXES) for f in folder.iterdir())
        )
        return f"; its folders {', '.join(names)} hold some: give one of them" if names else ""
