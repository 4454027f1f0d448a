"""The notebooks in `examples/` run, and are kept without outputs."""

from __future__ import annotations

import json
import re
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
    assert [path.stem for path in NOTEBOOKS] == ["find_and_clean", "train_and_compare"]


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


@pytest.mark.slow
def test_train_and_compare_measures_three_encoders_on_the_same_drawings():
    pytest.importorskip("torch")
    printed = executed("train_and_compare")
    assert "5 categories, 200 training and 100 test drawings" in printed
    top1 = dict(re.findall(r"^(.+?) +[\d,]+ weights +top-1 +([\d.]+)%", printed, re.MULTILINE))
    assert list(top1) == ["5 drawings each", "random weights", "shipped weights"]
    # One of five categories would be right by chance in 20%.
    assert all(float(share) > 75 for share in top1.values()), top1
    assert "['switch " in printed
