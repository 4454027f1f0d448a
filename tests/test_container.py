"""Dockerfile and compose.yaml name what there is. (They are not built here.)"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from garabato.service.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_VARIABLE = re.compile(r"\bGARABATO_[A-Z]+(?:_[A-Z]+)*\b")


def variables() -> set[str]:
    """All that garabato reads."""
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    settings = {f"GARABATO_{field.name.upper()}" for field in fields(Settings)}
    return settings | set(_VARIABLE.findall(sources))


def listing() -> list[str]:
    """The command of the Dockerfile that lists what the service needs."""
    (command,) = re.findall(r"python (tools/list_requirements\.py [^>]*)>", DOCKERFILE)
    return shlex.split(command.replace("\\\n", " "))


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml"])
def test_every_variable_named_is_one_that_is_read(name: str) -> None:
    named = set(_VARIABLE.findall((ROOT / name).read_text()))
    assert named
    assert named <= variables()


def test_the_page_for_operators_lists_every_variable() -> None:
    page = (ROOT / "docs" / "run_for_others.md").read_text()
    rows = "".join(line for line in page.splitlines() if line.startswith("| `"))
    assert set(_VARIABLE.findall(rows)) == variables()


def test_the_container_runs_as_a_numbered_user() -> None:
    """Kubernetes refuses a name where a pod asks for runAsNonRoot."""
    (user,) = re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)
    (created,) = re.findall(r"useradd .*--uid (\d+)", DOCKERFILE)
    assert user == created


def test_every_extra_named_exists() -> None:
    _, *named = listing()
    assert "serve" in named
    assert set(named) <= set(PROJECT["optional-dependencies"])


def test_what_serves_has_all_that_is_needed_but_pytorch() -> None:
    done = subprocess.run(
        [sys.executable, *listing()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = done.stdout.splitlines()
    assert set(PROJECT["dependencies"]) <= set(listed)
    names = {re.split(r"[^\w-]", one)[0] for one in listed}
    assert {"fastapi", "uvicorn", "onnxruntime", "pymilvus"} <= names
    assert not names & {"torch", "onnx", "garabato"}


def test_every_file_copied_is_sent_to_the_build() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for names in copied for name in names.split()} == allowed
    assert all((ROOT / name).exists() for name in allowed)
