"""ONNX Runtime keeps to itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

CLASSIFY = """
import garabato
garabato.load_encoder().classify(garabato.Drawing([[(0, 0), (50, 80), (99, 0)]]))
"""


def test_onnx_runtime_reports_nothing(tmp_path: Path) -> None:
    # Telemetry begins with an identifier of the machine in the cache folder, when the module is
    # imported; these variables switch it off by themselves.
    unwanted = {"CI", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", CLASSIFY], env=environment, check=True, timeout=300)
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name] == []
