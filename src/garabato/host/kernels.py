"""`@kernel`: a function on arrays that numba compiles when it is first called.

numba is imported then as well, which takes as long as everything else that `garabato classify`
does. Little work is done sooner by `Kernel.interpreted`, the same function run by Python.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

#: Held while dispatchers are made. numba has a lock of its own for compiling.
_MAKING_DISPATCHER = threading.RLock()
#: The attribute of an inner kernel that holds its options.
INNER_OPTIONS = "_inner_kernel_options"


class Kernel:
    """A function that is compiled when it is called first.

    `interpreted` is the function itself. It gives the same results only if its source says which
    precision each step has: NumPy's and numba's rules for mixed types differ.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.interpreted = function
        self._options = options
        self._dispatcher: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return self.dispatcher(*arguments)

    @property
    def dispatcher(self) -> Any:
        """numba's dispatcher. Imports numba."""
        if self._dispatcher is None:
            from garabato.host.compiler import make_dispatcher

            with _MAKING_DISPATCHER:
                if self._dispatcher is None:
                    self._dispatcher = make_dispatcher(self.interpreted, self._options)
        return self._dispatcher

    @property
    def is_compiled(self) -> bool:
        """Whether machine code for some signature is in memory."""
        return self._dispatcher is not None and bool(self._dispatcher.signatures)

    @property
    def was_cached(self) -> bool:
        """Whether all machine code in memory came from the cache on disk."""
        return self.is_compiled and not any(self._dispatcher.stats.cache_misses.values())


class InterpretedWork:
    """How much work Python does, so that the first drawings need not wait for `kernel`.

    The amount is counted for the whole process, in any unit.
    """

    def __init__(self, kernel: Kernel, amount: int) -> None:
        self.amount = self._left = amount
        self._kernel = kernel
        #: Another thread is loading or compiling the kernel.
        self.is_loading = False

    def allows(self, amount: float) -> bool:
        """Whether to interpret the kernel for work of this amount."""
        if self._kernel.is_compiled or amount > self._left:
            return False
        if not self.is_loading:
            self._left -= int(amount)
        return True


def kernel(function: Any = None, **options: Any) -> Any:
    """Compile `function` with numba: no Python objects, the GIL released, cached on disk.

    Use it as `@kernel` or, with numba's options, as `@kernel(fastmath=True)`. Division by zero
    gives inf or nan, as in NumPy. Each signature is compiled separately, so always pass the same
    dtypes.
    """
    return partial(kernel, **options) if function is None else Kernel(function, options)


def inner_kernel(function: Any = None, **options: Any) -> Any:
    """Like `kernel`, for functions that only kernels of the same file call.

    numba builds no Python entry point for them and caches them with the kernels that call them,
    which saves much of their compile time.
    """
    if function is None:
        return partial(inner_kernel, **options)
    setattr(function, INNER_OPTIONS, options)
    return function
