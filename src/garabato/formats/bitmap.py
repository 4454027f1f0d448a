"""Google's 28x28 bitmaps: a NumPy `.npy` file, uint8, N x 784 or N x 28 x 28, ink 255."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from typing import IO, Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import FormatError, InputError, first_line
from garabato.formats.stream import Input, Writable

MAGIC = b"\x93NUMPY"
SIDE_PX = 28
BATCH = 4096
#: White paper is lighter than this.
_WHITE = 240
_EXPECTED = f"N x {SIDE_PX * SIDE_PX} or N x {SIDE_PX} x {SIDE_PX} uint8 was expected"


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield batches of bitmaps, with key_ids from file and row ("cat-17").

    A plain file is memory-mapped, so only one batch is in memory. Bitmaps that are dark on white
    are inverted.
    """
    rows = _open(source)
    is_dark_on_white = len(rows) > 0 and _is_dark_on_white(rows[:BATCH])
    for first in range(0, len(rows), BATCH):
        bitmaps = np.array(rows[first : first + BATCH]).reshape(-1, SIDE_PX, SIDE_PX)
        if is_dark_on_white:
            bitmaps = 255 - bitmaps
        key_ids = [f"{source.stem}-{row}" for row in range(first, first + len(bitmaps))]
        yield DrawingBatch.from_bitmaps(bitmaps, key_ids=key_ids)


def write(file: Writable, drawings: Iterable[Drawing]) -> int:
    """Write 28x28 bitmaps as Google does, (N, 784); returns the number written.

    All are held in memory. Raises InputError for any other drawing.
    """
    rows = []
    for drawing in drawings:
        if drawing.bitmap is None or drawing.bitmap.shape != (SIDE_PX, SIDE_PX):
            raise InputError(
                f"drawing {drawing.key_id}: a .npy file holds bitmaps of {SIDE_PX}x{SIDE_PX}; "
                "write strokes as ndjson"
            )
        rows.append(drawing.bitmap.reshape(-1))
    array = np.array(rows, np.uint8).reshape(-1, SIDE_PX * SIDE_PX)
    np.save(cast(IO[bytes], file), array, allow_pickle=False)
    return len(rows)


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a `.npy` file -> shape, whether in Fortran order, dtype.

    Raises ValueError if it is damaged or of another version than 1.0 and 2.0.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    except Exception as error:  # NumPy evaluates headers as Python, which may raise anything
        raise ValueError(first_line(error)) from error
    raise ValueError(f"version {version}")


def _open(source: Input) -> npt.NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if source.path is not None:
                rows = np.load(source.path, mmap_mode="r", allow_pickle=False)
            else:
                rows = np.load(io.BytesIO(source.read_whole()), allow_pickle=False)
    except FormatError:
        raise
    except Exception as error:  # NumPy evaluates headers as Python, which may raise anything
        raise source.error(
            f"a truncated or damaged .npy file ({first_line(error)}); {_EXPECTED}"
        ) from error
    is_flat = rows.ndim == 2 and rows.shape[1] == SIDE_PX * SIDE_PX
    is_square = rows.ndim == 3 and rows.shape[1:] == (SIDE_PX, SIDE_PX)
    if rows.dtype != np.uint8 or not (is_flat or is_square):
        shape = " x ".join(map(str, rows.shape)) or "a single value"
        raise source.error(f"the array is {shape} {rows.dtype}; {_EXPECTED}")
    return rows  # type: ignore[no-any-return]


def _is_dark_on_white(rows: npt.NDArray[np.uint8]) -> bool:
    """Whether most pixels are white, and in most bitmaps most pixels of each of the four edges.

    A filled drawing has a lot of ink, which is as light as paper, but not at all edges.
    """
    bitmaps = rows.reshape(-1, SIDE_PX, SIDE_PX)
    edges = [bitmaps[:, 0], bitmaps[:, -1], bitmaps[:, :, 0], bitmaps[:, :, -1]]
    is_white = np.median(edges, axis=2) > _WHITE
    return bool(is_white.all(axis=0).mean() > 0.5 and np.median(bitmaps) > _WHITE)
