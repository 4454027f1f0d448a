"""The notebooks in `examples/` run, and are kept without outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def executed(name: str) -> str:
    """Everything the notebook's cells print and show as text."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(
        output["text"] if "text" in output else output.get("data", {}).get("text/plain", "")
        for output in outputs
    )


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["find_and_clean"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    for cell in json.loads(path.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_find_and_clean_finds_the_faults_it_made():
    printed = executed("find_and_clean")
    assert "62 drawings, 1 unreadable" in printed
    assert "2 drawings are identical to another one" in printed
    assert "circle-copy" in printed
    assert "triangle-99 is labelled square; its neighbours are mostly triangle" in printed
    assert "['triangle', 'triangle', 'triangle', 'triangle', 'triangle']" in printed
