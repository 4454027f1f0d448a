"""The folder of a gallery: what a change flushes to disk."""

from __future__ import annotations

import pytest

from garabato.errors import GalleryError
from garabato.gallery.lance import folder
from garabato.gallery.lance.folder import TABLE, is_gallery, lance_errors, writing


def test_a_change_flushes_the_files_of_the_table_and_waits_for_no_others(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(folder, "sync", synced.append)
    data = tmp_path / f"{TABLE}.lance" / "data"
    data.mkdir(parents=True)
    (data / "old").write_bytes(b"1")
    with writing(tmp_path):
        (data / "new").write_bytes(b"2")
        (tmp_path / ".hidden.json.tmp").write_bytes(b"[]")  # another thread's, renamed soon
    assert synced == [data / "new", data]


@pytest.mark.parametrize("fault", [MemoryError, AttributeError])
def test_too_little_memory_and_faults_of_the_code_are_not_called_damage(fault, tmp_path):
    with pytest.raises(fault), lance_errors(str(tmp_path)):
        raise fault


def test_a_folder_of_drawings_is_no_gallery(tmp_path):
    (tmp_path / "cat.ndjson").touch()
    with pytest.raises(GalleryError, match=r"holds cat\.ndjson; give a gallery, or a new or empty"):
        is_gallery(tmp_path)
