"""Classify hand-drawn sketches and find similar ones.

`__init__.pyi` lists everything public. A name is imported when it is first used, so
`import garabato` is quick. Only training, and encoders in their safetensors form, import PyTorch
(the extra `train`).
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

_STUB = Path(__file__).with_suffix(".pyi").read_text()
#: Public name -> the module that defines it.
_MODULE_OF = {
    name: module for module, name in re.findall(r"^from (\S+) import (\S+) as", _STUB, re.MULTILINE)
}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("garabato")
    elif name in _MODULE_OF:
        try:
            value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            from garabato.errors import MissingExtraError

            raise MissingExtraError(f"garabato.{name}", "train") from None
    else:
        raise AttributeError(f"module 'garabato' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
