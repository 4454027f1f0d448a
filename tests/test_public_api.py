"""What `import garabato` promises."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import garabato
import garabato.errors

#: Public functions and their arguments that were opened before: galleries, encoders, data sets.
OPENED_BEFORE = [
    pytest.param(function, argument, id=f"{name}, {argument.name}")
    for name in garabato.__all__
    if inspect.isfunction(function := getattr(garabato, name))
    for argument in inspect.signature(function).parameters.values()
    if argument.name in ("dataset", "encoder", "gallery", "source")
    if not re.search("PathLike|ChosenSource", argument.annotation)
]

HEAVY = ("torch", "numba", "pyarrow", "lancedb", "cv2", "matplotlib", "rich", "numpy")


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running `code`."""
    shown = "import sys\nprint('\\n', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{shown}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", garabato.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(garabato, name) is not None


@pytest.mark.parametrize(("function", "argument"), OPENED_BEFORE)
def test_a_path_where_an_opened_object_is_wanted_is_refused(
    function: Callable[..., object], argument: inspect.Parameter
) -> None:
    parameters = inspect.signature(function).parameters.values()
    given: dict[str, Any] = {
        one.name: [] for one in parameters if one.default is one.empty and one.name != "card"
    }
    with pytest.raises(garabato.InputError, match=f"^{argument.name} must be opened: garabato"):
        function(**{**given, argument.name: "mine"})


def test_every_error_is_public() -> None:
    raised = {n for n, c in vars(garabato.errors).items() if isinstance(c, type) and n[0] != "_"}
    own = {n for n in raised if getattr(garabato.errors, n).__module__ == "garabato.errors"}
    assert own <= set(garabato.__all__)


def test_public_names_are_in_dir() -> None:
    assert set(garabato.__all__) <= set(dir(garabato))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        garabato.nonsense  # noqa: B018


def test_importing_garabato_loads_nothing_heavy() -> None:
    assert not modules_after("import garabato") & set(HEAVY)


def test_the_help_of_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "from garabato.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert stop.code == 0"
    )
    loaded = modules_after(code)
    assert "click" in loaded
    assert not loaded & set(HEAVY)


def test_reading_and_rendering_drawings_never_loads_torch() -> None:
    code = (
        "import garabato\n"
        "drawing = garabato.Drawing([[[0, 9], [0, 9]]])\n"
        "batch = garabato.DrawingBatch.from_drawings([drawing])\n"
        "assert garabato.render_batch(batch, garabato.RenderSpec()).any()\n"
        "garabato.read_drawings, garabato.open_source"
    )
    assert "torch" not in modules_after(code)
