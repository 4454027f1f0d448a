"""Reads arrays from pickles without running any code that the file names.

sketch-rnn's files hold arrays of arrays, which NumPy can only store as pickles. The few names in
such pickles are replaced by harmless stand-ins that record what they are given; any other name is
refused. The pure Python unpickler is used because the compiled one lets a few bytes claim gigabytes
for its memo. Opcodes are counted, since every byte of a pickle may create an object of a hundred.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.number[Any]]

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
_DTYPES = {"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class PickleError(Exception):
    """A pickle does not hold an array of arrays of numbers."""


def load_arrays(file: BinaryIO, n_bytes: int) -> Iterator[Numbers | PickleError]:
    """The arrays of numbers in a pickled array of objects (N,); for other objects, an error.

    The pickle is the next `n_bytes` of `file`. Raises PickleError, before the first array, if it
    holds anything but an array of objects.
    """
    try:
        loaded = _Unpickler(file, n_bytes).load()
    except PickleError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise PickleError(f"the pickle is damaged ({error or type(error).__name__})") from error
    if not isinstance(loaded, _Array) or not isinstance(loaded.content, list):
        raise PickleError("the pickle holds no array of arrays")
    return _iter_numbers(loaded.content)


def _iter_numbers(items: list[Any]) -> Iterator[Numbers | PickleError]:
    n_bytes_left = MAX_NUMBERS_BYTES
    for item in items:
        content = item.content if isinstance(item, _Array) else None
        n_bytes_left -= len(content) if isinstance(content, bytes | str) else 0
        if n_bytes_left < 0:
            yield PickleError(f"the arrays expand to more than {MAX_NUMBERS_BYTES // 2**20} MiB")
            return
        yield _numbers(item)


def _numbers(item: Any) -> Numbers | PickleError:
    try:
        return _checked_numbers(item)
    except UnicodeEncodeError:
        return PickleError("the item is not an array of numbers")
    except PickleError as error:
        return error


def _checked_numbers(item: Any) -> Numbers:
    if not isinstance(item, _Array) or not isinstance(item.content, bytes | str):
        raise PickleError("the item is not an array of numbers")
    content = item.content.encode("latin1") if isinstance(item.content, str) else item.content
    kind = item.dtype.kind if isinstance(item.dtype, _Dtype) else None
    if kind not in _DTYPES:
        raise PickleError("the item is not an array of numbers")
    dtype = np.dtype(kind).newbyteorder(">" if item.dtype.order == ">" else "<")
    shape = item.shape
    if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
        raise PickleError("the item has no shape")
    if len(shape) != 2 or len(content) != shape[0] * shape[1] * dtype.itemsize:
        raise PickleError("the item's data do not fit its shape")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape, order="F" if item.is_fortran is True else "C")


class _Array:
    """Stands in for a NumPy array; keeps its state in the pickle."""

    def __init__(self) -> None:
        self.shape: Any = None
        self.dtype: Any = None
        self.is_fortran: Any = None
        self.content: Any = None

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.is_fortran, self.content = state


class _Dtype:
    """Stands in for a NumPy dtype: keeps its name and byte order."""

    def __init__(self, kind: Any, *_: Any) -> None:
        self.kind = kind if isinstance(kind, str) else None
        self.order: Any = "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


def _reconstruct(*_: Any) -> _Array:
    return _Array()


_STAND_INS = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}

_Load = Callable[[Any], None]  # of an unpickler


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
        """Each text in the pickle is encoded once at most: all together are no longer than it."""
        self._n_characters_left -= len(text)
        if self._n_characters_left < 0:
            raise PickleError("the pickle expands to more than it holds")
        return text.encode("latin1")
