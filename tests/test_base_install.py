"""What works where only the base dependencies are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sketches import write_source

BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "safetensors", "onnx", "matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from garabato.cli import main
main()
"""


def garabato_without_extras(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`garabato ARGUMENTS` where only the base dependencies can be imported."""
    command = [sys.executable, "-c", BLOCKED, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_base_install_classifies_indexes_and_searches(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", ["circle", "star"], per_category=3, seed=0)
    query = source / "star.ndjson"
    gallery = tmp_path / "gallery"
    commands = [
        ("classify", query, "--json"),
        ("index", "--source", source, "--gallery", gallery),
        ("search", query, "--gallery", gallery, "-k", 1, "--picture", tmp_path / "hits.png"),
        ("gallery", "info", "--gallery", gallery),
        ("evaluate", "--source", source, "--json"),
    ]
    for command in commands:
        done = garabato_without_extras(*command)
        assert done.returncode == 0, (command, done.stderr)
    assert (tmp_path / "hits.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("train", "--data", "data", "--out", "run"), "train"),
        (("evaluate", "--source", "source", "--report", "report"), "report"),
        (("export", "hub", "repository"), "train"),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    arguments: tuple[str, ...], extra: str, tmp_path: Path
) -> None:
    write_source(tmp_path / "source", ["circle"], per_category=1, seed=0)
    done = garabato_without_extras(*(tmp_path / a if a == "source" else a for a in arguments))
    assert done.returncode == 1
    assert f"pip install 'garabato[{extra}]'\n" in done.stderr  # no ONNX file would do instead
    assert "Traceback" not in done.stderr
