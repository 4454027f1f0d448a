"""`@kernel`: a function on arrays that numba compiles, with its machine code cached on disk.

numba caches beside the source or in the user's home, and fails if neither can be written (a
read-only installation run by a user without a home). Kernels then use garabato's cache folder; if
that cannot be written either, they are compiled again in every process.
"""

from __future__ import annotations

import logging
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

from garabato.errors import StorageError
from garabato.host.cache import cache_folder

_log = logging.getLogger(__name__)
_settings: Any = numba.config


def _choose_cache() -> bool:
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


_CACHED = _choose_cache()
#: Kernels need no C entry point and no checks for division by zero, which take time to compile.
_LEAN: dict[str, Any] = {"no_cfunc_wrapper": True, "error_model": "numpy"}
_INNER = {**_LEAN, "no_cpython_wrapper": True}


def kernel(function: Any = None, **options: Any) -> Any:
    """Compile `function` with numba: no Python objects, the GIL released, cached on disk.

    Use it as `@kernel` or, with numba's options, as `@kernel(fastmath=True)`. Division by zero
    gives inf or nan, as in NumPy. Each signature is compiled separately, so always pass the same
    dtypes.
    """
    if function is None:
        return partial(kernel, **options)
    compiled = numba.njit(function, nogil=True, **_LEAN, **options)
    if _CACHED:
        compiled._cache = _QuickCache(function)  # type: ignore[no-untyped-call]
    return compiled


class _QuickCache(FunctionCache):
    """numba's cache, without the preparations for compiling before machine code is loaded.

    They take 0.5 s of processor time, and if there is no machine code, the compiler makes them.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            rtsys.initialize(target_context)  # allocates arrays
            with self._guard_against_spurious_io_errors():
                load: Any = self._load_overload
                machine_code = load(sig, target_context)
        except (AttributeError, TypeError):  # a numba with other internals: load as it does
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        if machine_code is None:
            _announce_compiling()
        return machine_code


@cache
def _announce_compiling() -> None:
    _log.info("compiling for this machine; only the first time, up to half a minute")


def inner_kernel(function: Any = None, **options: Any) -> Any:
    """Like `kernel`, for functions that only kernels of the same file call.

    numba builds no Python entry point for them and caches them with the kernels that call them,
    which saves much of their compile time.
    """
    return numba.njit(function, **_INNER, **options)
