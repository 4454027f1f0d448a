"""`@kernel`: a function on arrays that numba compiles, with its machine code cached on disk.

numba caches beside the source or in the user's folder, and raises where neither can be written
(a read-only installation run by a user without a home). Kernels fall back to garabato's cache
folder, and without any folder are compiled anew in every process.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numba

from garabato.errors import StorageError
from garabato.host.cache import cache_folder

_settings: Any = numba.config


def _choose_cache() -> bool:
    """Point numba at a folder that can be written; False if there is none."""
    given = _settings.CACHE_DIR
    if _can_write(Path(given) if given else Path(__file__).parent / "__pycache__"):
        return True  # numba itself will choose this one
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
#: What no kernel needs costs compile time: an entry from C, and checks for division by zero.
_LEAN: dict[str, Any] = {"no_cfunc_wrapper": True, "error_model": "numpy"}
_INNER = {**_LEAN, "no_cpython_wrapper": True}


def kernel(function: Any = None, **options: Any) -> Any:
    """Compile `function` with numba: no Python objects, the GIL released, cached on disk.

    Used as `@kernel` or, with numba's options, as `@kernel(fastmath=True)`. Dividing by zero gives
    inf or nan, as in NumPy. Each signature is compiled on its own, so callers pass one dtype only.
    """
    return numba.njit(function, nogil=True, cache=_CACHED, **_LEAN, **options)


def inner_kernel(function: Any = None, **options: Any) -> Any:
    """Like `kernel`, for functions that only kernels of the same file call.

    numba builds no entry from Python for them and caches them within the kernels that call them,
    which saves a good part of their compile time.
    """
    return numba.njit(function, **_INNER, **options)
