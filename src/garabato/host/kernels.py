"""`@kernel`: a function on arrays that numba compiles when it is first called.

numba is imported then as well, which takes as long as everything else that `garabato classify`
does. Little work is done sooner by Python, which runs the same function: see `Kernels`.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

#: Held while dispatchers are made. numba has a lock of its own for compiling.
_MAKING_DISPATCHER = threading.RLock()
#: With numba's own variable, Python runs all kernels, which takes longer but needs no compiler.
COMPILES = os.environ.get("NUMBA_DISABLE_JIT") != "1"
#: The attribute of an inner kernel that holds its options.
INNER_OPTIONS = "_inner_kernel_options"


class Kernel:
    """A function that is compiled when it is called first.

    `interpreted` runs the function in Python. It gives the same results only if its source says
    which precision each step has: NumPy's and numba's rules for mixed types differ.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.interpreted = np.errstate(all="ignore")(function)
        self._options = options
        self._dispatcher: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return (self.dispatcher if COMPILES else self.interpreted)(*arguments)

    @property
    def dispatcher(self) -> Any:
        """numba's dispatcher. Imports numba."""
        if self._dispatcher is None:
            from garabato.host.compiler import make_dispatcher

            with _MAKING_DISPATCHER:
                if self._dispatcher is None:
                    self._dispatcher = make_dispatcher(self._function, self._options)
        return self._dispatcher

    @property
    def is_compiled(self) -> bool:
        """Whether machine code for some signature is in memory."""
        return self._dispatcher is not None and bool(self._dispatcher.overloads)


class Kernels:
    """Kernels that are called together; Python runs them for the first, small work.

    So the first drawings need not wait for the compiler. `interpreted_work` is how much work Python
    does, in any unit, counted for the whole process.
    """

    def __init__(self, *kernels: Kernel, interpreted_work: int) -> None:
        self.compiled = kernels
        self.interpreted = tuple(kernel.interpreted for kernel in kernels)
        self._work_left = interpreted_work
        self._is_loading = False

    def choose(self, work: float) -> tuple[Callable[..., Any], ...]:
        """`interpreted` or `compiled`, depending on how much work they will do."""
        if self.compiled[0].is_compiled or work > self._work_left:
            return self.compiled
        if not self._is_loading:
            self._work_left -= int(work)
        return self.interpreted

    @contextmanager
    def loading(self) -> Iterator[tuple[Callable[..., Any], ...]]:
        """Yields `compiled`, to be called in order to load or compile them.

        Meanwhile, other threads can let Python do any number of small pieces of work.
        """
        self._is_loading = True
        try:
            yield self.compiled
        finally:
            self._is_loading = False


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
