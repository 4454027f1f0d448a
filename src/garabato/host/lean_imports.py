"""Import a library without those packages it imports that garabato does not use.

LanceDB spends most of its import time on such packages.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any


def import_lean(name: str, unneeded: tuple[str, ...], optional: tuple[str, ...] = ()) -> ModuleType:
    """Import the module `name`; in the command line, without the top-level packages `unneeded`.

    Whatever the module imports from them is an empty class, but the decorator `override` leaves
    methods as they are. `optional` packages seem not to be installed. If the module cannot be
    imported that way, it is imported as usual. Other programs may use the packages themselves, so
    nothing is left out there.
    """
    if (
        not _is_command()
        or name in sys.modules
        or any(package in sys.modules for package in unneeded)
    ):
        return importlib.import_module(name)
    before, finder = set(sys.modules), _PlaceholderFinder(unneeded, optional)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    except Exception:
        for imported in set(sys.modules) - before:
            # Native modules stay: some can be initialised only once.
            is_native = isinstance(
                getattr(sys.modules[imported], "__loader__", None),
                importlib.machinery.ExtensionFileLoader,
            )
            if imported.partition(".")[0] == name and not is_native:
                del sys.modules[imported]
    finally:
        sys.meta_path.remove(finder)
        for imported in set(sys.modules) - before:
            if imported.partition(".")[0] in unneeded:
                del sys.modules[imported]
    return importlib.import_module(name)


def _is_command() -> bool:
    """Whether this process runs the command `garabato` or `python -m garabato`."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    is_module = module is not None and module.name == "garabato.__main__"
    return is_module or os.path.basename(sys.argv[0]) == "garabato"


class _PlaceholderFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds all modules of some packages; each has every name that is asked for.

    The packages `absent` cannot be imported.
    """

    def __init__(self, packages: tuple[str, ...], absent: tuple[str, ...]) -> None:
        self._packages, self._absent = packages, absent

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package = fullname.partition(".")[0]
        if package in self._absent:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        if package not in self._packages:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = _placeholder  # type: ignore[method-assign]


@cache
def _placeholder(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)
    if name == "override":  # a decorator of methods, which remain as they are
        return lambda method: method
    return type(name, (Exception,), {})  # some of them are errors that are caught
