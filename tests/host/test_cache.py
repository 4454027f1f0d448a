"""Where files are cached, and what happens where nothing can be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import garabato
from garabato.errors import StorageError
from garabato.host.machine import cache_folder

PACKAGE = Path(garabato.__file__).parent


def test_xdg_cache_home_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "garabato"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("value", [None, "", "relative"])
def test_without_xdg_cache_home_the_cache_is_in_the_home_folder(monkeypatch, tmp_path, value):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "garabato"


def _without_a_home(monkeypatch, tmp_path) -> Path:
    """HOME is a file, so that nobody can write in it, root included."""
    (tmp_path / "home").touch()
    (tmp_path / "tmp").mkdir()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_a_home_that_cannot_be_written_falls_back_to_a_private_temporary_folder(
    monkeypatch, tmp_path
):
    temporary = _without_a_home(monkeypatch, tmp_path)
    folder = cache_folder()
    assert folder.parent == temporary
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache_folder() == folder


def test_a_temporary_folder_that_others_may_write_is_not_used(monkeypatch, tmp_path):
    temporary = _without_a_home(monkeypatch, tmp_path)
    folder = temporary / f"garabato-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(StorageError, match="XDG_CACHE_HOME"):
        cache_folder()


def test_a_link_in_the_temporary_folder_is_not_followed(monkeypatch, tmp_path):
    temporary = _without_a_home(monkeypatch, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (temporary / f"garabato-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="XDG_CACHE_HOME"):
        cache_folder()


SIMPLIFY = """
import garabato
there_and_back = [0, 10] * 300  # too long for Python
print(garabato.Drawing([[there_and_back, there_and_back]]).simplified().to_lists())
"""


@pytest.mark.parametrize("has_temporary_folder", [True, False])
def test_kernels_run_from_a_read_only_installation_without_a_home(tmp_path, has_temporary_folder):
    """Files stand where folders should be created: root's rights don't help against these."""
    installed = tmp_path / "site" / "garabato"
    shutil.copytree(PACKAGE, installed, ignore=shutil.ignore_patterns("__pycache__", "pretrained"))
    for folder in [installed, *(path for path in installed.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    (tmp_path / "home").touch()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    if not has_temporary_folder:
        (temporary / f"garabato-{os.getuid()}").touch()
    done = subprocess.run(
        [sys.executable, "-c", SIMPLIFY],
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(installed.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(tmp_path / "home"),
            "TMPDIR": str(temporary),
        },
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[[[0, 255], [0, 255]]]"
    assert any(temporary.rglob("*.nbi")) == has_temporary_folder
