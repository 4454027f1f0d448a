"""How far things are and what one may do; where a service keeps what belongs to its gallery."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Running

from garabato.service.settings import Settings
from garabato.service.state import state_folder

TOKEN = "0123456789abcdef"


def test_the_state_is_200_while_the_service_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    class NothingThereError(Exception):
        message = "no drawings: none were given"

    def choose(fetched: Path) -> object:
        raise NothingThereError

    with Running(Settings(), choose) as running:
        state = running.wait_until("/v1/state").json
        assert (state["ready"], state["counted"]) == (False, False)
        while state["status"] in ("loading the encoder", "building gallery"):
            state = running.wait_until("/v1/state").json
        assert state["status"] == "cannot start; the operator's log says why"
        assert running.get("/readyz").status == 503
        on_map = running.get("/v1/map/state")
        assert (on_map.status, on_map.json["ready"], on_map.json["failed"]) == (200, False, True)


def test_the_state_has_ready_and_counted(service: Running) -> None:
    assert service.get("/v1/state").json == {
        "status": "ready",
        "ready": True,
        "counted": True,
        "may": {"change": True, "hide": True},
    }


@pytest.mark.parametrize(
    ("more", "given", "may"),
    [
        ({"token": TOKEN}, None, {"change": False, "hide": False}),
        ({"token": TOKEN}, TOKEN, {"change": True, "hide": True}),
        ({"token": TOKEN}, "wrong", {"change": False, "hide": False}),
        ({"token": TOKEN, "visitors_may_hide": True}, None, {"change": False, "hide": True}),
        ({"host": "0.0.0.0"}, None, {"change": False, "hide": False}),
        ({}, None, {"change": True, "hide": True}),
    ],
)
def test_the_state_has_the_permissions(
    gallery_uri: str, more: dict[str, object], given: str | None, may: dict[str, bool]
) -> None:
    headers = {} if given is None else {"authorization": f"Bearer {given}"}
    with Running(Settings(gallery=gallery_uri, **more)) as running:
        assert running.wait_until("/healthz").status == 200
        assert running.get("/v1/state", headers=headers).json["may"] == may


def test_requesting_the_state_of_the_map_starts_making_it(make_gallery: Callable[[], str]) -> None:
    with Running(Settings(gallery=make_gallery())) as running:
        running.wait_until("/v1/categories")
        state = running.get("/v1/map/state").json
        assert not state["ready"]
        while not state["ready"]:
            state = running.get("/v1/map/state").json
            assert "failed" not in state
            assert not state["status"].startswith("not ready")
        assert running.get("/v1/map").status == 200


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    "uri",
    ["http://h:19530/c?ef=800", "milvus://h:19530/c", "http://h/c", "http://h:19530/c/"],
)
def test_a_collection_has_one_folder_however_its_address_is_written(uri: str) -> None:
    assert state_folder(uri) == state_folder("http://h:19530/c")


@pytest.mark.usefixtures("cache")
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


@pytest.mark.usefixtures("cache")
def test_a_state_folder_named_after_the_whole_address_is_found(tmp_path: Path) -> None:
    uri = "milvus://h:19530/c?ef=800"
    (folder_by_the_whole_address(tmp_path, uri) / "hidden.json").write_text("[]")
    assert (state_folder(uri) / "hidden.json").read_text() == "[]"
    assert (state_folder("http://h:19530/c?ef=200") / "hidden.json").exists()


@pytest.mark.usefixtures("cache")
def test_an_existing_state_folder_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    uri = "milvus://h:19530/c"
    kept = state_folder(uri)
    kept.mkdir(parents=True)
    (folder_by_the_whole_address(tmp_path, uri) / "hidden.json").write_text("[]")
    assert state_folder(uri) == kept
    assert list(kept.iterdir()) == []
