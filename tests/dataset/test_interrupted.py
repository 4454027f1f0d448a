"""Killed, interrupted, out of space, not permitted: the old data set stays, or nothing is there.

Everything here happens to real processes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sketches import SKETCH_CATEGORIES, write_source

from garabato.dataset import Dataset, prepare

pytestmark = pytest.mark.slow

#: Prepares a data set; stops for ever, saying so, when `stop_at` is reached.
PREPARE = """
import sys, time
from garabato.dataset import prepare
from garabato.errors import GarabatoError

source, out, stop_at = sys.argv[1:]

def progress(stage, done, total):
    if f"{stage} {done}" == stop_at:
        print("reached", flush=True)
        time.sleep(600)

try:
    prepare(source, out, categories=4, n_train=30, n_test=10, progress=progress)
except GarabatoError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def start(source: Path, out: Path, stop_at: str) -> subprocess.Popen[str]:
    """A process that prepares `out` and waits in the midst of it."""
    process = subprocess.Popen(
        [sys.executable, "-c", PREPARE, source, out, stop_at], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reached\n"
    return process


def finish(process: subprocess.Popen[str], number: signal.Signals) -> str:
    try:
        process.send_signal(number)
        said, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    return said


@pytest.mark.parametrize("stop_at", ["read 2", "sheets 2"])
def test_kill_9_leaves_the_old_data_set_and_the_next_run_cleans_up(
    sketch_source, tmp_path, stop_at
):
    out = tmp_path / "data"
    old = prepare(sketch_source, out, categories=2, n_train=5, n_test=2)
    finish(start(sketch_source, out, stop_at), signal.SIGKILL)
    assert len(os.listdir(tmp_path)) == 2  # the old one, and what was unfinished
    Dataset.open(out).verify()
    assert Dataset.open(out).categories == old.categories
    prepare(sketch_source, out, categories=3, n_train=5, n_test=2)
    assert os.listdir(tmp_path) == ["data"]
    assert len(Dataset.open(out).categories) == 3


def test_kill_9_of_a_first_prepare_leaves_no_data_set(sketch_source, tmp_path):
    out = tmp_path / "data"
    finish(start(sketch_source, out, "sheets 1"), signal.SIGKILL)
    assert not out.exists()


def test_ctrl_c_leaves_the_old_data_set_and_nothing_else(sketch_source, tmp_path):
    out = tmp_path / "data"
    old = prepare(sketch_source, out, categories=2, n_train=5, n_test=2)
    said = finish(start(sketch_source, out, "sheets 2"), signal.SIGINT)
    assert said == "interrupted\n"
    assert os.listdir(tmp_path) == ["data"]
    assert Dataset.open(out).categories == old.categories


def test_folders_of_running_processes_are_not_removed(sketch_source, tmp_path):
    out = tmp_path / "data"
    process = start(sketch_source, out, "sheets 2")
    try:
        (unfinished,) = tmp_path.iterdir()
        prepare(sketch_source, out, categories=2, n_train=5, n_test=2)
        assert (unfinished / "train.parquet").exists()
    finally:
        finish(process, signal.SIGKILL)


def run_in_shell(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", script, "bash", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_file_beyond_the_size_limit_is_a_storage_error_and_leaves_nothing(tmp_path):
    source = write_source(tmp_path / "source", SKETCH_CATEGORIES[:4], 40, seed=0)
    out = tmp_path / "data"
    script = 'ulimit -f 8; "$1" -c "$2" "$3" "$4" never'
    done = run_in_shell(script, sys.executable, PREPARE, source, out)
    assert done.stdout.startswith(
        f"StorageError: cannot write {out}: the file exceeds the size limit"
    )
    assert os.listdir(tmp_path) == ["source"]


def test_a_full_disk_is_a_storage_error_and_leaves_the_old_data_set(sketch_source, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = """
        mount -t tmpfs -o size=24k tmpfs "$1" 2>/dev/null || exit 77
        echo old > "$1/old"
        "$2" -c "$3" "$4" "$1/data" never
        ls -A "$1"
    """
    isolated = 'exec unshare --map-root-user --mount bash -c "$0" bash "$@"'
    command = ["bash", "-c", isolated, script, disk, sys.executable, PREPARE, sketch_source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no small disk can be mounted here (needs user namespaces or root)")
    said, *left = done.stdout.splitlines()
    assert said.startswith(f"StorageError: cannot write {disk}/data: the disk is full; free some")
    assert left == ["old"]


#: As PREPARE, but where it runs as root it becomes nobody once everything is imported.
AS_NOBODY = """
import os, sys, tempfile
from garabato.dataset import prepare
from garabato.errors import GarabatoError

source, out = sys.argv[1:]
with tempfile.TemporaryDirectory() as first:
    prepare(source, first, categories=4, n_train=30, n_test=10)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    prepare(source, out, categories=4, n_train=30, n_test=10)
except GarabatoError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


def test_a_read_only_folder_is_a_storage_error_that_says_the_fix():
    # Not under tmp_path, into which nobody but its owner may look.
    folder = Path(tempfile.mkdtemp())
    try:
        source = write_source(folder / "source", SKETCH_CATEGORIES[:4], 40, seed=0)
        folder.chmod(0o555)
        out = folder / "data"
        command = [sys.executable, "-c", AS_NOBODY, source, out]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.startswith(
            f"StorageError: cannot write {out}: permission denied; write somewhere else"
        ), done.stderr
        assert os.listdir(folder) == ["source"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
