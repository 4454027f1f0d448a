"""Where a service keeps what belongs to its gallery."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from garabato.service.state import state_folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize(
    "uri",
    ["http://h:19530/c?ef=800", "milvus://h:19530/c", "http://h/c", "http://h:19530/c/"],
)
def test_a_collection_has_one_folder_however_its_address_is_written(uri: str) -> None:
    assert state_folder(uri) == state_folder("http://h:19530/c")


@pytest.mark.parametrize(
    "uri", ["http://h:19530/d", "http://i:19530/c", "http://h:19531/c", "https://h:19530/c"]
)
def test_other_collections_and_servers_have_other_folders(uri: str) -> None:
    assert state_folder(uri) != state_folder("http://h:19530/c")


def folder_by_the_whole_address(tmp_path: Path, uri: str) -> Path:
    """Where garabato kept it that took each way of writing an address for another gallery."""
    digest = hashlib.sha256(uri.encode()).hexdigest()[:16]
    folder = tmp_path / "garabato" / "service" / digest
    folder.mkdir(parents=True)
    return folder


def test_a_state_folder_named_after_the_whole_address_is_found(tmp_path: Path) -> None:
    uri = "milvus://h:19530/c?ef=800"
    (folder_by_the_whole_address(tmp_path, uri) / "hidden.json").write_text("[]")
    assert (state_folder(uri) / "hidden.json").read_text() == "[]"
    assert (state_folder("http://h:19530/c?ef=200") / "hidden.json").exists()


def test_an_existing_state_folder_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    uri = "milvus://h:19530/c"
    kept = state_folder(uri)
    kept.mkdir(parents=True)
    (folder_by_the_whole_address(tmp_path, uri) / "hidden.json").write_text("[]")
    assert state_folder(uri) == kept
    assert list(kept.iterdir()) == []
