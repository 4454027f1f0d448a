"""sketch-rnn's `.npz`: arrays `train`, `valid` and `test` of drawings in stroke-3 form.

A drawing is (n, 3) int16: how far the pen moved in x and y since the last point (the first one from
the origin), and 1 where the stroke ends. Source: https://github.com/magenta/magenta
(models/sketch_rnn) and the quickdraw-dataset's README, "Sketch-RNN QuickDraw Dataset".
"""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from garabato.drawing import MAX_COORDINATE, MAX_POINTS, Drawing, DrawingBatch
from garabato.errors import DrawingError, FormatError, InputError
from garabato.formats.stream import (
    MAX_EXPANSION,
    MIN_BOMB_BYTES,
    Input,
    Reject,
    Writable,
    in_batches,
)
from garabato.formats.stroke3._pickled import PickleError, load_arrays

MAGIC = b"PK\x03\x04"
PARTS = ("train", "valid", "test")
#: Google's largest file has 75,000 drawings and expands to 30 MB, one with all drawings of a
#: category to 150 MB.
MAX_PART_BYTES = 512 * 2**20
#: NumPy writes no others; the code that expands them may take any memory and raise anything.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_EXPECTED = "a sketch-rnn file with arrays train, valid and test was expected"

Numbers = npt.NDArray[np.number[Any]]


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Yield batches of drawings, moved to the top left, with key_ids such as "cat-train-17".

    No code in the pickles inside is run.
    """
    try:
        archive = zipfile.ZipFile(source.path or io.BytesIO(source.read_whole()))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise source.error(f"a truncated or damaged .npz file ({error}); {_EXPECTED}") from error
    with archive:
        names = archive.namelist()
        parts = [part for part in PARTS if f"{part}.npy" in names]
        if not parts:
            shown = ", ".join(sorted(names)[:5])
            raise source.error(
                f"this is a zip archive with {shown or 'nothing'}: unpack it and give what is in "
                f"it, if those are drawings; {_EXPECTED}"
            )
        for part in parts:
            try:
                items = _load_part(source, archive, part)
            except FormatError as error:
                reject(error)
            else:
                yield from in_batches(_drawings(items, part, source, reject))


def write(file: Writable, drawings: Iterable[Drawing]) -> int:
    """Write drawings, on the grid 0..255, as `train`; `valid` and `test` are empty.

    All are held in memory. Returns the number written. Raises InputError for bitmaps and drawings
    without points.
    """
    rows = [_stroke3(drawing.on_grid()) for drawing in drawings]
    train = np.empty(len(rows), object)
    train[:] = rows
    nothing = np.empty(0, object)
    np.savez_compressed(cast(IO[bytes], file), train=train, valid=nothing, test=nothing)
    return len(rows)


def _load_part(
    source: Input, archive: zipfile.ZipFile, part: str
) -> Iterable[Numbers | PickleError]:
    about = archive.getinfo(f"{part}.npy")
    if about.compress_type not in _COMPRESSIONS:
        raise source.error(
            f"the array is compressed in a way that NumPy cannot read ({about.compress_type}); "
            "save the file with numpy.savez_compressed",
            part,
        )
    # An entry may claim any size; it is not bigger than the archive.
    n_compressed = min(about.compress_size, archive.start_dir)
    most = min(MAX_PART_BYTES, max(MIN_BOMB_BYTES, MAX_EXPANSION * n_compressed))
    try:
        with archive.open(about) as member:
            data = member.read(most + 1)
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError,
        NotImplementedError,
    ) as error:  # fmt: skip
        raise source.error(
            f"a truncated or damaged .npz file ({error}); {_EXPECTED}", part
        ) from error
    if len(data) > most:
        raise source.error(f"the array expands to more than {most // 2**20} MiB; {_EXPECTED}", part)
    try:
        return _load_array(data)
    except PickleError as error:
        raise source.error(f"{error}; {_EXPECTED}", part) from error
    except Exception as error:  # NumPy evaluates headers as Python, which may raise anything
        raise source.error(f"a truncated or damaged array ({error}); {_EXPECTED}", part) from error


def _load_array(data: bytes) -> Iterable[Numbers | PickleError]:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ValueError(f"version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # files of Python 2 are read, slowly or not
        _, _, dtype = read_header(stream)
        if dtype.hasobject:
            return load_arrays(stream, len(data) - stream.tell())
        stream.seek(0)
        numbers = np.lib.format.read_array(stream, allow_pickle=False)
    if numbers.ndim != 3:
        raise ValueError(f"its shape is {numbers.shape}")
    return numbers


def _drawings(
    items: Iterable[Numbers | PickleError], part: str, source: Input, reject: Reject
) -> Iterator[Drawing]:
    for row, item in enumerate(items):
        try:
            if isinstance(item, PickleError):
                raise DrawingError(str(item))
            yield _drawing(item).replace(key_id=f"{source.stem}-{part}-{row}")
        except DrawingError as error:
            reject(source.error(str(error), f"{part}, drawing {row}"))


def _drawing(rows: Numbers) -> Drawing:
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "iuf":
        raise DrawingError("the item is not (n, 3) numbers: moves in x and y, ends of strokes")
    if len(rows) == 0:
        return Drawing()
    if len(rows) > MAX_POINTS:
        raise DrawingError(f"the drawing has more than {MAX_POINTS:,} points")
    moves = rows.astype(np.float64)
    if not np.isfinite(moves).all():
        raise DrawingError("the drawing has a number that is NaN or infinite")
    with np.errstate(over="ignore", invalid="ignore"):
        points = np.cumsum(moves[:, :2], axis=0)
        points -= points.min(axis=0)
    if not points.max() <= MAX_COORDINATE:  # nor NaN, from infinity less infinity
        raise DrawingError("the drawing has a coordinate beyond 2^24")
    ends = np.flatnonzero(moves[:, 2] == 1) + 1
    starts = np.unique(np.concatenate([[0], ends, [len(points)]])).astype(np.int64)
    return Drawing.from_points(points.astype(np.float32), starts)


def _stroke3(drawing: Drawing) -> npt.NDArray[np.int16]:
    if len(drawing.points) == 0:
        raise InputError(
            f"drawing {drawing.key_id} has no strokes; a sketch-rnn file holds only strokes"
        )
    rows = np.zeros((len(drawing.points), 3), np.int16)
    rows[:, :2] = np.diff(drawing.points, axis=0, prepend=np.zeros((1, 2), np.float32))
    rows[drawing.stroke_starts[1:] - 1, 2] = 1
    return rows
