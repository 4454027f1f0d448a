"""Arrays out of a pickle, and nothing else: no code of the file's choosing is ever run.

sketch-rnn's files hold arrays of arrays, which NumPy can only keep pickled. Here the few names such
pickles use lead to harmless stand-ins that take notes; any other name is refused. The pure Python
unpickler is used because the compiled one lets a few bytes claim gigabytes for its memo.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.number[Any]]

_DTYPES = {"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class PickleError(Exception):
    """What was in the pickle instead of an array of arrays of numbers."""


def load_arrays(data: bytes) -> list[Numbers | PickleError]:
    """The arrays of numbers a pickled array of objects (N,) holds; unfit ones as their fault.

    Raises PickleError where the pickle holds anything else.
    """
    try:
        loaded = _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except PickleError:
        raise
    except Exception as error:  # a damaged pickle may raise whatever there is
        raise PickleError(f"the pickle is damaged ({error or type(error).__name__})") from error
    if not isinstance(loaded, _Array) or not isinstance(loaded.content, list):
        raise PickleError("the pickle holds no array of arrays")
    return [_numbers(item) for item in loaded.content]


def _numbers(item: Any) -> Numbers | PickleError:
    try:
        return _checked_numbers(item)
    except PickleError as error:
        return error


def _checked_numbers(item: Any) -> Numbers:
    if not isinstance(item, _Array) or not isinstance(item.content, bytes | str):
        raise PickleError("the item is no array of numbers")
    content = item.content.encode("latin1") if isinstance(item.content, str) else item.content
    kind = item.dtype.kind if isinstance(item.dtype, _Dtype) else None
    if kind not in _DTYPES:
        raise PickleError("the item is no array of numbers")
    dtype = np.dtype(kind).newbyteorder(">" if item.dtype.order == ">" else "<")
    shape = item.shape
    if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
        raise PickleError("the item has no shape")
    if len(shape) != 2 or len(content) != shape[0] * shape[1] * dtype.itemsize:
        raise PickleError("the item's data are not of its shape")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape, order="F" if item.is_fortran is True else "C")


class _Array:
    """Stands in for a NumPy array: keeps what the pickle says of it."""

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


def _encode(text: str, _: str = "latin1") -> bytes:
    return text.encode("latin1")


_STAND_INS = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _STAND_INS.get((module, name))
        if found is None:
            raise PickleError(f"the pickle asks for {module}.{name}, which is no array")
        return found
