"""Kills, readers beside a writer, full disks and lost permission: the benchmarks in short."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.errors import StorageError
from garabato.gallery import open_gallery
from garabato.gallery import rows as adding

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    """The benchmark scripts can be imported, here and in the processes they start."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in ("harness", "gallery_kills", "gallery_readers"):
        sys.modules.pop(name, None)


def test_kills_lose_nothing_acknowledged_and_leave_nothing_half_written(tmp_path, monkeypatch):
    import gallery_kills

    from garabato.gallery.lance import limits

    monkeypatch.setattr(
        limits, "EXACT_UP_TO", limits.EXACT_UP_TO
    )  # what the check sets is put back
    killer = gallery_kills.Killer(tmp_path, seed=1)
    tally = killer.tally
    # On a busy machine, many kills come too late to interrupt anything.
    while tally.kills.total() < 20 or (tally.amid.total() < 5 and tally.kills.total() < 200):
        killer.kill_once(gallery_kills.KINDS[tally.kills.total() % len(gallery_kills.KINDS)])
    assert tally.problems == []
    assert tally.amid.total() >= 5


def test_the_check_after_a_kill_sees_what_was_lost_or_torn(tmp_path, monkeypatch):
    import gallery_kills

    from garabato.gallery.lance import limits

    monkeypatch.setattr(limits, "EXACT_UP_TO", limits.EXACT_UP_TO)
    killer = gallery_kills.Killer(tmp_path, seed=0)
    gallery = open_gallery(killer.uri, encoder=gallery_kills.Filler())
    gallery_kills.change(gallery, "add", 1)
    state = gallery_kills.after({}, "add", 1)
    killer._check([state], "whole")
    assert killer.tally.problems == []
    gallery.delete(["1-7"])
    killer._check([state], "lost")
    assert killer.tally.problems == ["lost: holds what was never there"]
    (torn,) = gallery.get(["1-8"])
    gallery.add([torn], embeddings=gallery_kills.embeddings_of(2)[:1], tags=["1"])
    killer._check([state], "torn")
    assert "torn: 1-8 is half-written" in killer.tally.problems


def test_concurrent_readers_see_no_errors_and_nothing_stale(tmp_path):
    import gallery_readers

    wrote, readers = gallery_readers.read_while_writing(tmp_path, n_readers=3, seconds=5)
    assert [seen.errors for seen in (wrote, *readers)] == [[], [], [], []]
    assert len(wrote.times_ms) >= 1
    for seen in readers:
        assert len(seen.times_ms) >= 1
        assert (seen.n_stale, seen.n_torn) == (0, 0)


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """As on a full disk: writing more into one file fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def still_holds(uri, encoder, drawings):
    gallery = open_gallery(uri, encoder=encoder)
    found = {key for piece in gallery.scan() for key in piece.drawings.key_ids}
    assert found == {drawing.key_id for drawing in drawings}
    assert len(gallery) == gallery.info().n_drawings == len(drawings)
    assert gallery.search(drawings[0], k=1)[0].key_id == drawings[0].key_id


@pytest.mark.parametrize("change", ["add", "replace", "compact"])
def test_a_disk_that_fills_up_during_a_change_is_reported_and_the_old_state_is_kept(
    tmp_path, encoder, drawings, change
):
    uri = str(tmp_path / "g")
    gallery = open_gallery(uri, encoder=encoder)
    for first in range(0, 200, 50):
        gallery.add(drawings[first : first + 50])
    more = make_drawings(SKETCH_CATEGORIES[:10], 50, seed=100)
    changes = {
        "add": lambda: gallery.add(more),
        "replace": lambda: gallery.add(drawings),
        "compact": gallery.compact,
    }
    with files_of_at_most(8_192), pytest.raises(StorageError, match="cannot write"):
        changes[change]()
    still_holds(uri, encoder, drawings)
    gallery.add(more)
    still_holds(uri, encoder, [*drawings, *more])


@pytest.fixture
def public_folder():
    """A folder that every user may read, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="garabato-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def permission_lost(folder: Path) -> Iterator[None]:
    """Everything in the folder can be read and nothing written, by root neither."""
    if os.geteuid() == 0:
        os.seteuid(65_534)
        try:
            yield
        finally:
            os.seteuid(0)
        return
    places = [folder, *folder.rglob("*")]
    modes = {place: place.stat().st_mode for place in places}
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        yield
    finally:
        for place, mode in modes.items():
            place.chmod(mode)


@pytest.mark.parametrize("change", ["add", "delete", "compact"])
def test_lost_write_permission_is_reported_and_the_old_state_is_kept(
    public_folder, encoder, drawings, change
):
    uri = str(public_folder / "g")
    gallery = open_gallery(uri, encoder=encoder)
    gallery.add(drawings[:100])
    gallery.add(drawings[100:])
    changes = {
        "add": lambda: gallery.add(make_drawings(SKETCH_CATEGORIES[:3], 5, seed=9)),
        "delete": lambda: gallery.delete(where={"category": "circle"}),
        "compact": lambda: gallery.compact(keep_versions_s=0),
    }
    with permission_lost(public_folder):
        with pytest.raises(StorageError, match=r"permission denied|not permitted"):
            changes[change]()
        still_holds(uri, encoder, drawings)  # it can still be read
    still_holds(uri, encoder, drawings)
    gallery.delete([drawings[5].key_id])
    assert len(gallery) == len(drawings) - 1


@pytest.mark.parametrize("trouble", ["disk", "permission"])
def test_an_error_during_many_transactions_keeps_the_stored_ones(
    public_folder, encoder, drawings, trouble, monkeypatch
):
    monkeypatch.setattr(adding, "TRANSACTION", 40)
    uri = str(public_folder / "g")
    gallery = open_gallery(uri, encoder=encoder)
    with ExitStack() as ends:

        def feed():
            yield from drawings[:80]
            ends.enter_context(
                files_of_at_most(4_096) if trouble == "disk" else permission_lost(public_folder)
            )
            yield from drawings[80:]

        with pytest.raises(StorageError, match="cannot write"):
            gallery.add(feed())
    still_holds(uri, encoder, drawings[:80])
    gallery.add(drawings)
    still_holds(uri, encoder, drawings)
