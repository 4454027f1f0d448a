"""The wheel and the sdist hold what they need: tried outside the checkout."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: What a build reads; not .git, .venv or data.
BUILT_FROM = ("src", "tests", "docs", "tools", "benchmarks", "examples", "packages")
HOUSE = (
    '<svg xmlns="http://www.w3.org/2000/svg" fill="none" stroke="black">'
    '<path d="M10 90V40H90V90Z"/><path d="M5 42L50 5L95 42"/></svg>'
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy to build from: a build leaves files behind."""
    copy = tmp_path_factory.mktemp("checkout")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules")
    for name in BUILT_FROM:
        shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    return copy


@pytest.fixture(scope="module")
def installed(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel and nothing else."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", target, checkout], check=True, cwd=target)
    return target


def run(installed: Path, folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_classifies_a_drawing(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "house.svg").write_text(HOUSE)
    where = "import garabato; print(garabato.__file__)"
    assert run(installed, tmp_path, "-c", where).startswith(str(installed))
    assert "house" in run(installed, tmp_path, "-m", "garabato", "classify", "house.svg", "-k", "1")


def test_the_long_description_has_no_relative_links(installed: Path) -> None:
    (metadata,) = installed.glob("garabato-*.dist-info/METADATA")
    text = metadata.read_text()
    assert "# garabato" in text
    assert "Description-Content-Type: text/markdown" in text
    assert not re.findall(r"\]\((?!https?:)[^)]*\)", text)


def test_links_become_absolute_once_the_package_names_its_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    long_description = importlib.import_module("setup").long_description
    readme = "![A page](docs/page.png)\n[Guide](docs/guide.md#top) [a](https://a.example) [x](#x)"
    assert long_description(readme, "https://git.example/g/") == (
        "![A page](https://git.example/g/raw/main/docs/page.png)\n"
        "[Guide](https://git.example/g/blob/main/docs/guide.md#top) [a](https://a.example) [x](#x)"
    )
    assert long_description(readme, None) == "\nGuide [a](https://a.example) [x](#x)"


def test_the_wheel_holds_every_file_of_the_package(installed: Path) -> None:
    def files(package: Path) -> set[str]:
        found = (path for path in package.rglob("*") if path.is_file())
        return {str(p.relative_to(package)) for p in found if "__pycache__" not in p.parts}

    assert files(installed / "garabato") == files(ROOT / "src" / "garabato")


def test_the_sdist_holds_the_tests_and_what_they_read(checkout: Path, tmp_path: Path) -> None:
    build = f"from setuptools import build_meta as b; print(b.build_sdist({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", build], cwd=checkout, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for name in ("tests/conftest.py", "docs/cli.md", "tools/setup.sh", "Makefile", "README.md"):
        assert name in names, name
    read = [
        *(ROOT / "tests" / "gallery" / "fixtures").rglob("*"),
        *(ROOT / "packages" / "garabato" / "src").rglob("*"),
        *(ROOT / "examples").glob("*.ipynb"),
        *(ROOT / "packages" / "garabato").glob("*.*"),
    ]
    missing = {str(p.relative_to(ROOT)) for p in read if p.is_file()} - names
    assert not missing
