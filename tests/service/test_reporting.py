"""Visitors report drawings, which stay until an operator has looked at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import Running

from garabato.drawing import Drawing
from garabato.gallery import open_gallery
from garabato.service import state
from garabato.service.http import access
from garabato.service.http.problems import ProblemError
from garabato.service.settings import Settings
from garabato.service.state import Reports

TOKEN = "0123456789abcdef"
OPERATOR = {"headers": {"authorization": f"Bearer {TOKEN}"}}


@pytest.fixture
def public(make_gallery: Callable[[], str]) -> Iterator[Running]:
    """A service for others, with a token."""
    settings = Settings(gallery=make_gallery(), host="0.0.0.0", token=TOKEN, writes_per_minute=7)
    with Running(settings) as running:
        running.wait_until("/readyz")
        yield running


def test_a_report_is_counted_and_hides_nothing_until_the_operator_does(
    public: Running, drawings: list[Drawing]
) -> None:
    bad, other = str(drawings[0].key_id), str(drawings[1].key_id)
    assert public.post(f"/v1/drawings/{other}/report").status == 204, "without a body"
    assert public.post(f"/v1/drawings/{bad}/report", {"reason": "rude"}).status == 204
    assert public.post(f"/v1/drawings/{bad}/report", {}).status == 204
    assert public.get(f"/v1/drawings/{bad}").status == 200
    assert public.get("/v1/reported").status == 401
    first, second = public.get("/v1/reported", **OPERATOR).json["reported"]
    assert (first["key_id"], first["n_reports"], first["reason"]) == (bad, 2, "rude")
    assert first["drawing"] == drawings[0].to_lists()
    assert (second["key_id"], second["n_reports"]) == (other, 1)
    assert b'garabato_reported_drawings{gallery="drawings"} 2.0' in public.get("/metrics").body
    assert public.ask("DELETE", f"/v1/drawings/{other}/report").status == 401
    assert public.ask("DELETE", f"/v1/drawings/{other}/report", **OPERATOR).status == 204
    assert public.post(f"/v1/drawings/{bad}/hide", {}, **OPERATOR).status == 204
    assert public.get("/v1/reported", **OPERATOR).json["reported"] == [], "both are settled"
    assert public.get(f"/v1/drawings/{bad}").status == 404


def test_the_reports_of_a_deleted_drawing_are_gone(
    public: Running, drawings: list[Drawing]
) -> None:
    one, other, last = (str(drawing.key_id) for drawing in drawings[:3])
    for key_id in (one, other, last):
        assert public.post(f"/v1/drawings/{key_id}/report", {"reason": "rude"}).status == 204
    assert public.ask("DELETE", f"/v1/drawings/{one}", **OPERATOR).status == 204
    body = {"where": {"key_id": [other]}}
    assert public.post("/v1/drawings/delete", body, **OPERATOR).json == {"n_deleted": 1}
    reported = public.get("/v1/reported", **OPERATOR).json["reported"]
    assert [entry["key_id"] for entry in reported] == [last]
    assert b'garabato_reported_drawings{gallery="drawings"} 1.0' in public.get("/metrics").body
    open_gallery(public.service.galleries[0].gallery.uri).delete(last)
    assert public.get("/v1/reported", **OPERATOR).json["reported"] == []


def test_reports_count_for_the_rate_limit(
    public: Running, drawings: list[Drawing], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock stands still: a change more is allowed every 9 s.
    monkeypatch.setattr(access, "time", SimpleNamespace(monotonic=lambda: 0.0))
    path = f"/v1/drawings/{drawings[0].key_id}/report"
    answers = [public.post(path).status for _ in range(8)]
    assert answers == [204] * 7 + [429]


def test_only_stored_drawings_can_be_reported(service: Running) -> None:
    assert service.post("/v1/drawings/nonsense/report", {}).status == 404
    assert service.ask("DELETE", "/v1/drawings/nonsense/report").status == 404


def test_reports_survive_a_restart_and_are_limited_in_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MAX_REPORTED", 2)
    for key_id in ("a", "b", "a"):
        Reports(tmp_path).report(key_id, None)
    kept = Reports(tmp_path)
    assert [one.n_reports for one in kept.all().values()] == [2, 1]
    with pytest.raises(ProblemError, match="try again later"):
        kept.report("c", None)
    kept.report("b", "why")
    assert kept.all()["b"].reason == "why"
