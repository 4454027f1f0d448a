"""Compiles kernels with numba; their machine code is cached on disk.

numba caches beside the source or in the user's home, and fails if neither can be written (a
read-only installation run by a user without a home). Kernels then use garabato's cache folder; if
that cannot be written either, they are compiled again in every process. Damaged files are replaced.
"""

from __future__ import annotations

import gc
import logging
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

from garabato.errors import StorageError
from garabato.host.kernels import INNER_OPTIONS, Kernel
from garabato.host.machine import cache_folder

_log = logging.getLogger("garabato.host.kernels")
_settings: Any = numba.config
#: Kernels need no C entry point and no checks for division by zero, which take time to compile.
_LEAN: dict[str, Any] = {"no_cfunc_wrapper": True, "error_model": "numpy"}
_INNER = {**_LEAN, "no_cpython_wrapper": True}
#: The compiler makes millions of objects and hardly any cycles of them.
_GC_THRESHOLDS = (100_000, 50, 1_000)


def make_dispatcher(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """numba's dispatcher for the function of a kernel."""
    compiled = numba.njit(_with_inner(function), nogil=True, **_LEAN, **options)
    if _can_cache():
        compiled._cache = _QuickCache(compiled.py_func)  # type: ignore[no-untyped-call]
    return compiled


def _with_inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of `function` whose globals hold dispatchers for the kernels that it calls."""
    assert isinstance(function, FunctionType)
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = names.get(name)
        if isinstance(value, Kernel):
            names[name] = value.dispatcher
        elif hasattr(value, INNER_OPTIONS):
            names[name] = _inner_dispatcher(value)
    copy = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


@cache
def _inner_dispatcher(function: Callable[..., Any]) -> Any:
    options = getattr(function, INNER_OPTIONS)
    return numba.njit(_with_inner(function), **_INNER, **options)


@cache
def _can_cache() -> bool:
    """Set numba's cache folder to one that can be written; False if there is none."""
    given = _settings.CACHE_DIR
    if _can_write(Path(given) if given else Path(__file__).parent / "__pycache__"):
        return True  # numba's own choice
    try:
        folder = cache_folder() / "kernels"
    except StorageError:
        return False
    _settings.CACHE_DIR = str(folder)
    return _can_write(folder)


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


class _QuickCache(FunctionCache):
    """numba's cache, without the preparations for compiling before machine code is loaded.

    They take 0.5 s of processor time, and if there is no machine code, the compiler makes them.
    """

    _thresholds = gc.get_threshold()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            rtsys.initialize(target_context)  # allocates arrays
            with self._guard_against_spurious_io_errors():
                load: Any = self._load_overload
                machine_code = load(sig, target_context)
        except Exception:  # a numba with other internals, or a damaged file
            machine_code = self._load_as_numba_does(sig, target_context)
        # Two processes that store different signatures at the same time may choose the same file.
        if machine_code is not None and machine_code.signature.args != sig:
            machine_code = None
        if machine_code is None:
            _announce_compiling()
            gc.set_threshold(*_GC_THRESHOLDS)
        return machine_code

    def save_overload(self, sig: Any, data: Any) -> None:
        gc.set_threshold(*self._thresholds)
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except Exception as error:  # a full disk, or a damaged file that cannot be replaced
            _log.warning("cannot cache a kernel in %s: %r", self.cache_path, error)

    def _load_as_numba_does(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception as error:  # unpickling a damaged file can raise anything
            _log.warning("a cached kernel in %s is damaged: %r", self.cache_path, error)
        with suppress(OSError):
            self.flush()  # type: ignore[no-untyped-call]
        return None


@cache
def _announce_compiling() -> None:
    _log.info("compiling for this machine; only the first time, up to half a minute")
