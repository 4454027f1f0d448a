"""What is written is whole or not there."""

import os
import signal
import subprocess
import sys

import pytest

from garabato.errors import StorageError
from garabato.host.atomic import replacing, replacing_folder, write_bytes


def test_a_file_written_whole_replaces_the_old_one(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def half_written(target, error):
    with replacing(target) as temporary:
        temporary.write_bytes(b"half")
        raise error


def test_an_interrupted_write_leaves_the_old_file_and_no_leftovers(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        half_written(target, KeyboardInterrupt())
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


_WRITER = """
import os, signal, sys
from garabato.host.atomic import replacing

with replacing(sys.argv[1]) as temporary:
    temporary.write_bytes(b"half of something long")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_gone_after_the_next_one(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", _WRITER, str(target)], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert len(os.listdir(tmp_path)) == 2
        assert target.read_bytes() == b"old"
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_file_of_the_temporary_name_that_leads_elsewhere_is_not_written(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"of somebody else")
    (tmp_path / ".a.bin.tmp").symlink_to(elsewhere)
    write_bytes(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert elsewhere.read_bytes() == b"of somebody else"


@pytest.fixture
def one_pid(monkeypatch):
    """Writers as in containers that share a folder: each is process 7."""
    monkeypatch.setattr(os, "getpid", lambda: 7)


@pytest.mark.usefixtures("one_pid")
def test_two_writers_of_one_file_with_the_same_pid_do_not_interfere(tmp_path):
    target = tmp_path / "a.bin"
    with replacing(target) as temporary:
        temporary.write_bytes(b"first")
        write_bytes(target, b"second")
        assert target.read_bytes() == b"second"
    assert target.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_file_is_flushed_before_it_gets_its_name_and_its_folder_after(tmp_path, monkeypatch):
    flushed = []

    def note(descriptor):
        flushed.append((os.readlink(f"/proc/self/fd/{descriptor}"), os.listdir(tmp_path)))

    monkeypatch.setattr(os, "fsync", note)
    write_bytes(tmp_path / "a.bin", b"new")
    (temporary, before), last = flushed
    assert before == [os.path.basename(temporary)]
    assert last == (str(tmp_path), ["a.bin"])


def test_a_full_disk_is_a_storage_error_that_names_the_file(tmp_path):
    def fill(target):
        with replacing(target) as temporary:
            temporary.unlink(missing_ok=True)
            temporary.symlink_to("/dev/full")
            temporary.write_bytes(b"more")

    with pytest.raises(StorageError, match=r"a\.bin: the disk is full; free some space"):
        fill(tmp_path / "a.bin")
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_a_storage_error_that_names_it(tmp_path):
    with pytest.raises(StorageError, match=r"there is no folder .*nowhere; create it"):
        write_bytes(tmp_path / "nowhere" / "a.bin", b"new")


def test_a_folder_in_the_way_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="it is a folder; give a file name"):
        write_bytes(tmp_path, b"new")


def test_a_link_stays_and_the_file_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    for link in (tmp_path / "a.bin", tmp_path / "disk" / "a.bin"):
        link.symlink_to(tmp_path / "disk" / "real.bin")
        write_bytes(link, b"new")
        assert link.is_symlink()
        assert (tmp_path / "disk" / "real.bin").read_bytes() == b"new"
        (tmp_path / "disk" / "real.bin").write_bytes(b"old")


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(pipe, b"new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)
    assert os.listdir(tmp_path) == ["pipe"]
    assert pipe.is_fifo()


def fill(target, *, error=None):
    with replacing_folder(target) as folder:
        (folder / "new").write_text("new")
        if error:
            raise error


def test_a_folder_filled_whole_replaces_the_old_one(tmp_path):
    target = tmp_path / "a"
    target.mkdir()
    (target / "old").write_text("old")
    fill(target)
    assert os.listdir(target) == ["new"]
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_to_a_folder_stays_and_the_folder_is_replaced(tmp_path):
    (tmp_path / "disk" / "a").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk" / "a")
    for _ in range(2):
        fill(link)
        assert link.is_symlink()
        assert os.listdir(tmp_path / "disk" / "a") == ["new"]
    assert sorted(os.listdir(tmp_path)) == ["disk", "link"]


def test_an_interrupted_folder_leaves_the_old_one_and_no_leftovers(tmp_path):
    target = tmp_path / "a"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fill(target, error=KeyboardInterrupt())
    assert os.listdir(target) == ["old"]
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.usefixtures("one_pid")
def test_two_writers_of_one_folder_with_the_same_pid_do_not_interfere(tmp_path):
    target = tmp_path / "a"
    with replacing_folder(target) as folder:
        (folder / "mine").write_text("mine")
        fill(target)
        assert os.listdir(target) == ["new"]
    assert os.listdir(target) == ["mine"]
    assert os.listdir(tmp_path) == ["a"]


def test_an_old_folder_moved_aside_by_a_kill_is_restored(tmp_path):
    target = tmp_path / "a"
    (tmp_path / ".a.old").mkdir()
    (tmp_path / ".a.old" / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fill(target, error=KeyboardInterrupt())
    assert os.listdir(target) == ["old"]
    assert os.listdir(tmp_path) == ["a"]


def test_an_old_folder_left_beside_the_new_one_by_a_kill_is_removed(tmp_path):
    fill(tmp_path / "a")
    (tmp_path / ".a.old").mkdir()
    fill(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]


def test_leftovers_of_other_folders_are_kept(tmp_path):
    for name in (".b.1.unfinished", ".ab.1.unfinished", ".a[1].1.unfinished"):
        (tmp_path / name).mkdir()
    fill(tmp_path / "a")
    assert len(os.listdir(tmp_path)) == 4
    fill(tmp_path / "a[1]")
    assert ".a[1].1.unfinished" not in os.listdir(tmp_path)
