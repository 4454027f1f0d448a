"""Compiled kernels and their cache."""

import os
import shutil
import subprocess
import sys

import pytest

#: Marks the corners of a line with three points: its ends.
_PROGRAM = """
import sys
import numpy as np
from garabato.drawing._simplify import mark_corners
print("numba" in sys.modules, mark_corners.is_compiled)
points = np.array([[0, 0], [5, 5], [10, 10]], np.float32)
print(mark_corners(points, np.array([0, 3]), np.array([1.0])).tolist())
print("numba.np.arraymath" in sys.modules, bool(mark_corners.dispatcher.stats.cache_hits))
"""


def run(program, cache):
    command = [sys.executable, "-c", program]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """The folder of the machine code that the first run stored, and what that run printed."""
    folder = tmp_path_factory.mktemp("machine code")
    return folder, run(_PROGRAM, folder)


@pytest.fixture
def cache(first_run, tmp_path):
    """A copy of the stored machine code."""
    return shutil.copytree(first_run[0], tmp_path / "cache")


def test_cached_machine_code_is_used_without_preparing_the_compiler(first_run, cache):
    assert first_run[1] == ["False False", "[True, False, True]", "True False"]
    assert run(_PROGRAM, cache) == ["False False", "[True, False, True]", "False True"]


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_damaged_machine_code_is_compiled_again(cache, suffix):
    damaged = list(cache.rglob(f"*{suffix}"))
    assert damaged
    for file in damaged:
        file.write_bytes(b"")
    assert run(_PROGRAM, cache) == ["False False", "[True, False, True]", "True False"]
    assert run(_PROGRAM, cache) == ["False False", "[True, False, True]", "False True"]


def test_kernels_run_although_their_machine_code_cannot_be_stored(cache):
    for file in list(cache.rglob("*.nbi")):
        file.unlink()
        file.mkdir()
    for _ in range(2):
        assert run(_PROGRAM, cache) == ["False False", "[True, False, True]", "True False"]


def test_a_new_signature_is_compiled_after_cached_machine_code_was_loaded(cache):
    more = _PROGRAM + (
        "points = points.astype(np.float64)\n"
        "print(mark_corners(points, np.array([0, 3]), np.array([1.0])).tolist())\n"
        "print(len(mark_corners.dispatcher.signatures))\n"
    )
    assert run(more, cache)[2:] == ["False True", "[True, False, True]", "2"]


def test_machine_code_of_another_signature_is_compiled_again(cache):
    """Two processes that store it at the same time may choose the same file."""
    of_float64 = _PROGRAM.replace("np.float32", "np.float64")
    assert run(of_float64, cache)[2] == "True False"
    first, second = sorted(cache.rglob("*.nbc"))
    shutil.copy(first, second)
    assert run(of_float64, cache) == ["False False", "[True, False, True]", "True False"]
    assert run(of_float64, cache) == ["False False", "[True, False, True]", "False True"]
    assert run(_PROGRAM, cache) == ["False False", "[True, False, True]", "False True"]


def test_numbas_own_variable_leaves_all_kernels_to_python(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    program = _PROGRAM[: _PROGRAM.rindex("print(")] + "print('numba' in sys.modules)\n"
    assert run(program, tmp_path) == ["False False", "[True, False, True]", "False"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("line.ndjson", '{"drawing": [[[0, 10], [0, 20]]]}\n'),
        ("shape.svg", '<svg xmlns="http://www.w3.org/2000/svg"><path d="M1 1Q9 1 9 9Z"/></svg>'),
        ("line.inkml", "<ink><trace>0 0, 5 9, 10 20</trace></ink>"),
    ],
)
def test_classifying_a_few_strokes_needs_no_compiler(tmp_path, name, text):
    query = tmp_path / name
    query.write_text(text)
    program = (
        "import sys\n"
        "from garabato.cli import main\n"
        f"main(['classify', {str(query)!r}, '--json'], standalone_mode=False)\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


def test_a_command_says_that_it_compiles(tmp_path):
    query = tmp_path / "line.svg"
    zigzag = "L0 0L9 9" * 200  # too long for Python
    query.write_text(f'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 9{zigzag}"/></svg>')
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "garabato", "classify", str(query)]

    def messages():
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stderr

    message = "compiling for this machine; only the first time, up to half a minute\n"
    assert messages() == message
    assert messages() == ""
