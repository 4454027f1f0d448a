"""Compiled kernels and their cache."""

import os
import pty
import subprocess
import sys

import pytest

#: Scales a line from (0, 0) to (10, 20) into a box of 60 px.
_PROGRAM = """
import sys
import numpy as np
from garabato.render._raster import fit_to_box
points = np.array([[0, 0], [10, 20]], np.float32)
print(fit_to_box(points, np.array([0, 2]), np.array([0, 1]), 64, 2.0).tolist())
print("numba.np.arraymath" in sys.modules, sum(fit_to_box.stats.cache_hits.values()))
"""


@pytest.fixture
def run(tmp_path):
    def run(program):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    return run


def test_cached_machine_code_is_used_without_preparing_the_compiler(run):
    compiled, cached = run(_PROGRAM), run(_PROGRAM)
    assert compiled == ["[[17.0, 2.0], [47.0, 62.0]]", "True 0"]
    assert cached == ["[[17.0, 2.0], [47.0, 62.0]]", "False 1"]


def test_a_new_signature_is_compiled_after_cached_machine_code_was_loaded(run):
    run(_PROGRAM)
    more = _PROGRAM + (
        "points = points.astype(np.float64)\n"
        "moved = fit_to_box(points, np.array([0, 2]), np.array([0, 1]), 64, 2.0)\n"
        "print(moved.tolist(), moved.dtype)\n"
    )
    assert run(more)[2] == "[[17.0, 2.0], [47.0, 62.0]] float64"


def test_a_command_in_a_terminal_says_that_it_compiles(tmp_path):
    query = tmp_path / "line.ndjson"
    query.write_text('{"drawing": [[[0, 10], [0, 20]]]}\n')
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "garabato", "classify", str(query)]

    def messages():
        ours, theirs = pty.openpty()
        subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=theirs, check=True
        )
        os.write(theirs, b"the end")
        text = ""
        while not text.endswith("the end"):
            text += os.read(ours, 10_000).decode()
        os.close(theirs)
        os.close(ours)
        return text

    message = "compiling for this machine; only the first time, up to half a minute\r\n"
    assert messages() == f"{message}the end"
    assert messages() == "the end"
