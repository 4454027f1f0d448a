"""Hidden drawings: the list that processes share, old lists, and that nothing publishes them."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from garabato.errors import GalleryError, InputError
from garabato.export.web import WebGallery
from garabato.formats import read_drawings
from garabato.gallery import Hidden, open_gallery
from garabato.gallery.filters import Filter
from garabato.gallery.key_id_list import KeyIdList
from garabato.ingest import copy_gallery


def hidden_list(file: Path) -> KeyIdList[Hidden]:
    file.parent.mkdir(exist_ok=True)
    return KeyIdList(file, Hidden, "the hidden drawings")


def entry(key_id: str, reason: str | None = None) -> Hidden:
    return Hidden(key_id, "2026-01-01T00:00:00+00:00", reason)


def test_changes_by_another_process_are_seen(tmp_path):
    one, other = (hidden_list(tmp_path / "state" / "hidden.json") for _ in range(2))
    assert one.put([entry("a")]) == 1
    assert other.put([entry("a", "later"), entry("b", "why")]) == 1
    assert one.all().keys() == other.all().keys() == {"a", "b"}
    assert one.all()["a"].reason is None
    assert other.remove(["a"]) == 1
    assert one.remove(["a"]) == 0
    assert [hidden.reason for hidden in one.all().values()] == ["why"]


def hide_thirty(file: Path, prefix: str) -> None:
    drawings = hidden_list(file)
    for n in range(30):
        drawings.put([entry(f"{prefix}{n}")])


def test_processes_that_hide_at_the_same_time_lose_nothing(tmp_path):
    file = tmp_path / "state" / "hidden.json"
    processes = multiprocessing.get_context("forkserver")
    hiding = [processes.Process(target=hide_thirty, args=(file, prefix)) for prefix in "ab"]
    for process in hiding:
        process.start()
    for process in hiding:
        process.join()
    assert hidden_list(file).all().keys() == {f"{prefix}{n}" for prefix in "ab" for n in range(30)}


def test_deleting_again_completes_a_delete_that_was_killed(tmp_path, encoder, drawings):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    gallery.add(drawings[:3])
    key_id = drawings[0].key_id
    gallery.hide([key_id])
    gallery._delete([Filter(key_ids=(key_id,))])  # killed here: the list still has it
    assert gallery.delete([key_id]) == 0
    gallery.add(drawings[:1])
    assert len(gallery) == 3


def test_many_hidden_drawings_do_not_take_a_page_each(tmp_path, encoder, drawings, monkeypatch):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    gallery.add(drawings[:60])
    key_ids = sorted(drawing.key_id for drawing in drawings[:60])
    gallery.hide(key_ids[:58])
    read, n_pages = gallery._page, []
    monkeypatch.setattr(gallery, "_page", lambda *args: n_pages.append(args) or read(*args))
    assert [drawing.key_id for drawing in gallery.list(limit=1)] == [key_ids[58]]
    assert len(n_pages) <= 6  # pages of 2, 4, 8, 16 and 32


@pytest.mark.parametrize(
    ("key_id", "reason", "problem"),
    [
        ("a\ud800", None, "the key_id .* is not valid text"),
        ("a", "\ud800", "the reason .* is not valid text"),
        ("a", 5, "a reason must be text, not 5"),
    ],
)
def test_what_cannot_be_written_to_the_list_is_refused(tmp_path, encoder, key_id, reason, problem):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    with pytest.raises(InputError, match=problem):
        gallery.hide([key_id], reason=reason)
    assert gallery.hidden() == []


@pytest.mark.parametrize("content", [b"{", b"[1]", b'[{"key": "a"}]', b"\xff"])
def test_a_damaged_list_is_an_error_and_shows_nothing(tmp_path, encoder, drawings, content):
    uri = str(tmp_path / "g")
    gallery = open_gallery(uri, encoder=encoder)
    gallery.add(drawings)
    (tmp_path / "g" / "hidden.json").write_bytes(content)
    with pytest.raises(GalleryError, match="hidden"):
        gallery.search(drawings[0])
    with pytest.raises(GalleryError, match="hidden"):
        open_gallery(uri, encoder=encoder)


@pytest.fixture
def published(tmp_path, encoder, drawings):
    """A gallery with a hidden drawing, opened through a symlink, and the key_id."""
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    gallery.add(drawings)
    gallery.hide([drawings[0].key_id], reason="rude")
    (tmp_path / "link").symlink_to(tmp_path / "g")
    return open_gallery(tmp_path / "link", encoder=encoder), drawings[0].key_id


def test_exports_leave_hidden_drawings_out(published, drawings, tmp_path):
    gallery, key_id = published
    assert gallery.export(tmp_path / "all.ndjson") == len(drawings) - 1
    assert key_id not in {drawing.key_id for drawing in read_drawings(tmp_path / "all.ndjson")}
    assert gallery.export(tmp_path / "all.parquet") == len(drawings) - 1


def test_a_page_leaves_hidden_drawings_out(published, drawings):
    gallery, key_id = published
    shown = WebGallery.of(gallery, per_category=100, known=()).drawings
    assert {drawing.key_id for drawing in shown} == {d.key_id for d in drawings} - {key_id}


def test_a_copy_hides_what_its_source_hides(published, drawings, tmp_path):
    gallery, key_id = published
    assert copy_gallery(gallery, str(tmp_path / "copy")).n_copied == len(drawings)
    target = open_gallery(tmp_path / "copy")
    assert target.hidden() == gallery.hidden()
    assert target.count() == len(drawings) - 1
    assert target.get([key_id]) == []
    shutil.copytree(tmp_path / "g", tmp_path / "files")
    assert open_gallery(tmp_path / "files").hidden() == gallery.hidden()


def test_drawings_hidden_by_an_older_service_stay_hidden(tmp_path, encoder, drawings):
    open_gallery(tmp_path / "g", encoder=encoder).add(drawings)
    before = tmp_path / "g.service" / "hidden.json"
    hidden_list(before).put([entry(str(drawings[0].key_id), "rude")])
    (tmp_path / "link").symlink_to(tmp_path / "g")
    gallery = open_gallery(tmp_path / "link", encoder=encoder)
    assert [one.reason for one in gallery.hidden()] == ["rude"]
    assert len(gallery) == len(drawings) - 1
    gallery.hide([drawings[1].key_id])
    assert not before.exists()
    assert len(open_gallery(tmp_path / "g", encoder=encoder).hidden()) == 2
