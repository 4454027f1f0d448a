"""sketch-rnn's `.npz`: arrays `train`, `valid` and `test` of drawings in stroke-3 form.

A drawing is (n, 3) int16: how far the pen moved in x and y since the last point (the first one from
the origin), and 1 where the stroke ends. In stroke-5 form it is (n, 5): moves, and one 1 of three:
pen down, stroke ends, drawing ends. Training adds a first row that is not a point. Source: https://github.com/magenta/magenta
(models/sketch_rnn) and the quickdraw-dataset's README, "Sketch-RNN QuickDraw Dataset".
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import IO, Any, BinaryIO, ClassVar, cast

import numpy as np
import numpy.typing as npt

from garabato.drawing import MAX_COORDINATE, MAX_POINTS, Drawing, DrawingBatch
from garabato.errors import DrawingError, FormatError, InputError
from garabato.formats.bitmap import read_header
from garabato.formats.stream import Input, Writable, in_batches, most_expanded

MAGIC = b"PK\x03\x04"
PARTS = ("train", "valid", "test")
#: Google's largest file has 75,000 drawings and expands to 30 MB, one with all drawings of a
#: category to 150 MB.
MAX_PART_BYTES = 512 * 2**20
#: NumPy writes no others; the code that expands them may take any memory and raise anything.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_EXPECTED = "a sketch-rnn file with arrays train, valid and test was expected"

#: The row that sketch-rnn's DataLoader.pad_batch puts before each drawing.
_START_TOKEN = [0, 0, 1, 0, 0]

Numbers = npt.NDArray[np.number[Any]]

# NumPy stores arrays of arrays as pickles. They are read without running any code that a file
# names: the few names in such pickles are replaced by harmless stand-ins that record what they are
# given, and any other name is refused. The pure Python unpickler is used because the compiled one
# lets a few bytes claim gigabytes for its memo. Opcodes are counted, since every byte of a pickle
# may create an object of a hundred.

#: Opcodes a pickle may have. A drawing takes 23 to 34, Google's largest category has 340,000.
MAX_OPCODES = 12 * 10**6
#: Bytes of numbers handed out; an array named several times counts each time.
MAX_NUMBERS_BYTES = 512 * 2**20
#: The opcodes in pickled arrays of arrays, of any version, and those of other texts and numbers.
#: None of them reserves more memory than the pickle holds.
_OPCODES = {
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.GLOBAL, pickle.STACK_GLOBAL,
    pickle.REDUCE, pickle.BUILD, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT,
    pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG, pickle.LONG1, pickle.FLOAT,
    pickle.BINFLOAT, pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.UNICODE,
    pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8, pickle.BINBYTES,
    pickle.SHORT_BINBYTES, pickle.BINBYTES8, pickle.LIST, pickle.EMPTY_LIST, pickle.APPEND,
    pickle.APPENDS, pickle.TUPLE, pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3,
    pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.GET, pickle.BINGET,
    pickle.LONG_BINGET,
}  # fmt: skip
#: A file in a zip archive -> the document that the archive is.
_DOCUMENTS = {
    "[Content_Types].xml": "an Office document",
    "META-INF/manifest.xml": "an OpenDocument file",
    "Document.archive": "a Procreate file",
    "canvas.fig": "a Figma file",
    "maindoc.xml": "a Krita file",
    "mergedimage.png": "an OpenRaster file",
    "meta.json": "a Sketch file",
    "index.notes.pb": "a GoodNotes file",
}
_DTYPES = {"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
_Load = Callable[[Any], None]  # of an unpickler


def read(source: Input) -> Iterator[DrawingBatch]:
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
            for name, kind in _DOCUMENTS.items():
                if name in names:
                    raise source.error(f"this is {kind}; export the drawing as SVG or PNG")
            shown = ", ".join(sorted(names)[:5])
            raise source.error(
                f"this is a zip archive with {shown or 'nothing'}: unpack it and give what is in "
                f"it, if those are drawings; {_EXPECTED}"
            )
        for part in parts:
            try:
                items = _load_part(source, archive, part)
            except FormatError as error:
                source.reject(error)
            else:
                yield from in_batches(_drawings(items, part, source))


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


class PickleError(Exception):
    """A pickle does not hold an array of arrays of numbers."""


def load_arrays(file: BinaryIO, n_bytes: int) -> Iterable[Numbers | PickleError]:
    """The arrays of numbers in a pickled array of objects (N,); for other objects, an error.

    They may be iterated over more than once. The pickle is the next `n_bytes` of `file`. Raises
    PickleError, before the first array, if it holds anything but an array of objects.
    """
    try:
        loaded = _Unpickler(file, n_bytes).load()
    except PickleError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise PickleError(f"the pickle is damaged ({error or type(error).__name__})") from error
    if not isinstance(loaded, _Array) or not isinstance(loaded.content, list):
        raise PickleError("the pickle holds no array of arrays")
    return _Arrays(loaded.content)


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
    most = min(MAX_PART_BYTES, most_expanded(n_compressed))
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of Python 2, which take longer
        _, _, dtype = read_header(stream)
        if dtype.hasobject:
            return load_arrays(stream, len(data) - stream.tell())
        stream.seek(0)
        numbers = np.lib.format.read_array(stream, allow_pickle=False)
    if numbers.ndim != 3:
        raise ValueError(f"its shape is {numbers.shape}")
    return numbers


def _drawings(
    items: Iterable[Numbers | PickleError], part: str, source: Input
) -> Iterator[Drawing]:
    n_skipped = int(
        all(isinstance(i, PickleError) or i[:1].ravel().tolist() == _START_TOKEN for i in items)
    )
    for row, item in enumerate(items):
        try:
            if isinstance(item, PickleError):
                raise DrawingError(str(item))
            yield _drawing(item[n_skipped:]).replace(key_id=f"{source.stem}-{part}-{row}")
        except DrawingError as error:
            source.reject(source.error(str(error), f"{part}, drawing {row}"))


def _drawing(rows: Numbers) -> Drawing:
    if rows.ndim == 2 and rows.shape[1] == 5 and _are_pen_states(rows[:, 2:]):
        ended = np.flatnonzero(rows[:, 4] == 1)  # padding follows
        rows = rows[: ended[0] if len(ended) else None, [0, 1, 3]]
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "iuf":
        raise DrawingError(
            "the item is neither stroke-3, (n, 3) numbers (moves in x and y, whether the pen is "
            "lifted), nor stroke-5, (n, 5) numbers (moves in x and y, and one of three pen states)"
        )
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


def _are_pen_states(columns: Numbers) -> bool:
    return bool(np.isin(columns, (0, 1)).all() and (columns.sum(axis=1) == 1).all())


def _stroke3(drawing: Drawing) -> npt.NDArray[np.int16]:
    if len(drawing.points) == 0:
        raise InputError(
            f"drawing {drawing.key_id} has no strokes; a sketch-rnn file holds only strokes"
        )
    rows = np.zeros((len(drawing.points), 3), np.int16)
    rows[:, :2] = np.diff(drawing.points, axis=0, prepend=np.zeros((1, 2), np.float32))
    rows[drawing.stroke_starts[1:] - 1, 2] = 1
    return rows


def _counted(load: _Load) -> _Load:
    def counted(unpickler: Any) -> None:
        unpickler.n_opcodes_left -= 1
        if unpickler.n_opcodes_left < 0:
            raise PickleError(f"the pickle has more than {MAX_OPCODES:,} opcodes")
        load(unpickler)

    return counted


def _refuse(_: Any) -> None:
    raise PickleError("the pickle holds something other than arrays")


class _Unpickler(pickle._Unpickler):
    dispatch: ClassVar[dict[int, _Load]] = {
        code: _counted(load) if bytes([code]) in _OPCODES else _refuse
        for code, load in pickle._Unpickler.dispatch.items()
    }

    def __init__(self, file: BinaryIO, n_bytes: int) -> None:
        super().__init__(file, encoding="latin1")
        self.n_opcodes_left = MAX_OPCODES
        self._n_characters_left = n_bytes

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        found = _STAND_INS.get((module, name))
        if found is None:
            raise PickleError(f"the pickle asks for {module}.{name}, which is not an array")
        return found

    def _encode(self, text: str, _: str = "latin1") -> bytes:
        """Encode a text. NumPy encodes each once, so all may be no longer than the pickle."""
        self._n_characters_left -= len(text)
        if self._n_characters_left < 0:
            raise PickleError("the pickle expands to more than it holds")
        return text.encode("latin1")


class _Array:
    """Stands in for a NumPy array; keeps its state in the pickle."""

    shape: Any = None
    dtype: Any = None
    is_fortran: Any = None
    content: Any = None

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.is_fortran, self.content = state


class _Dtype:
    """Stands in for a NumPy dtype: keeps its name and byte order."""

    def __init__(self, kind: Any, *_: Any) -> None:
        self.kind = kind if isinstance(kind, str) else None
        self.order: Any = "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


_STAND_INS = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array(),
}


class _Arrays:
    """Makes each array when it is asked for: a pickle may name one array a million times."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Numbers | PickleError]:
        n_bytes_left = MAX_NUMBERS_BYTES
        for item in self._items:
            content = item.content if isinstance(item, _Array) else None
            n_bytes_left -= len(content) if isinstance(content, bytes | str) else 0
            if n_bytes_left < 0:
                most = MAX_NUMBERS_BYTES // 2**20
                yield PickleError(f"the arrays expand to more than {most} MiB")
                return
            try:
                yield _numbers(item)
            except PickleError as error:
                yield error


def _numbers(item: Any) -> Numbers:
    content = item.content if isinstance(item, _Array) else None
    if isinstance(content, str):
        with suppress(UnicodeEncodeError):
            content = content.encode("latin1")
    if not isinstance(content, bytes) or getattr(item.dtype, "kind", None) not in _DTYPES:
        raise PickleError("the item is not an array of numbers")
    dtype = np.dtype(item.dtype.kind).newbyteorder(">" if item.dtype.order == ">" else "<")
    shape = item.shape
    if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
        raise PickleError("the item has no shape")
    if len(shape) != 2 or len(content) != shape[0] * shape[1] * dtype.itemsize:
        raise PickleError("the item's data do not fit its shape")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape, order="F" if item.is_fortran is True else "C")
