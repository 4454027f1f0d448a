"""What the page asks again and again: how far things are, and what one may do; always 200."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from running import Running

from garabato.service.settings import Settings

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
            assert not state["status"].startswith("not yet")
        assert running.get("/v1/map").status == 200
