"""Who may change something, from where and how often."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from running import Running

from garabato.service.http import access
from garabato.service.settings import Settings

LINE = {"drawing": [[[0, 9, 30], [0, 9, 7]]]}
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def guarded(gallery_uri: str) -> Iterator[Running]:
    """A service for others: bound to every address, with a token."""
    with Running(Settings(gallery=gallery_uri, host="0.0.0.0", token=TOKEN)) as running:
        running.wait_until("/readyz")
        yield running


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/drawings"),
        ("POST", "/v1/drawings/delete"),
        ("DELETE", "/v1/drawings/x"),
        ("POST", "/v1/drawings/x/hide"),
        ("POST", "/v1/drawings/x/restore"),
        ("GET", "/v1/hidden"),
        ("DELETE", "/v1/drawings/x/report"),
        ("GET", "/v1/reported"),
    ],
)
@pytest.mark.parametrize("given", [None, "Bearer wrong", "Basic 0123456789abcdef", TOKEN])
def test_without_the_token_nothing_is_changed(
    guarded: Running, method: str, path: str, given: str | None
) -> None:
    headers = {} if given is None else {"authorization": given}
    answer = guarded.ask(method, path, LINE if method == "POST" else None, headers=headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_changes_need_the_token_and_reading_does_not(guarded: Running) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    added = guarded.post("/v1/drawings", LINE, headers=headers)
    assert added.status == 201
    (key_id,) = added.json["key_ids"]
    assert guarded.get(f"/v1/drawings/{key_id}").status == 200
    assert guarded.post("/v1/search", LINE).status == 200
    assert guarded.get("/v1/hidden", headers=headers).status == 200
    assert guarded.ask("DELETE", f"/v1/drawings/{key_id}", headers=headers).status == 204


def test_without_a_token_a_public_service_refuses_changes(gallery_uri: str) -> None:
    with Running(Settings(gallery=gallery_uri, host="0.0.0.0")) as running:
        running.wait_until("/readyz")
        answer = running.post("/v1/drawings", LINE)
        assert answer.status == 403
        assert "GARABATO_TOKEN" in answer.json["detail"]
        assert running.post("/v1/search", LINE).status == 200


def test_visitors_may_hide_if_the_operator_allows_it(gallery_uri: str, drawings: list) -> None:
    settings = Settings(gallery=gallery_uri, host="0.0.0.0", token=TOKEN, visitors_may_hide=True)
    key_id = drawings[-1].key_id
    with Running(settings) as running:
        running.wait_until("/readyz")
        assert running.post(f"/v1/drawings/{key_id}/hide", {}).status == 204
        assert running.post(f"/v1/drawings/{key_id}/restore", {}).status == 401
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert running.post(f"/v1/drawings/{key_id}/restore", {}, headers=headers).status == 204


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "10.0.0.1", ""])
def test_a_service_for_this_machine_answers_to_its_own_names_only(
    service: Running, host: str
) -> None:
    answer = service.post("/v1/search", LINE, headers={"host": host})
    assert answer.status in (400, 403)


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_names_of_this_machine_are_accepted(service: Running, host: str) -> None:
    assert service.post("/v1/search", LINE, headers={"host": host}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", ""])
def test_other_sites_pages_change_nothing(service: Running, origin: str) -> None:
    answer = service.post("/v1/drawings", LINE, headers={"origin": origin})
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers
    preflight = service.ask("OPTIONS", "/v1/drawings", headers={"origin": origin or "x"})
    assert preflight.status == 405
    assert "access-control-allow-origin" not in preflight.headers


def test_the_own_page_may_change_things(service: Running) -> None:
    added = service.post("/v1/drawings", LINE, headers={"origin": service.url})
    assert added.status == 201
    service.ask("DELETE", f"/v1/drawings/{added.json['key_ids'][0]}")


def test_a_service_can_be_set_to_refuse_changes(gallery_uri: str) -> None:
    with Running(Settings(gallery=gallery_uri, writes_per_minute=0)) as running:
        running.wait_until("/readyz")
        answer = running.ask("DELETE", "/v1/drawings/none")
        assert (answer.status, answer.json["detail"]) == (403, "this service accepts no changes")


def test_too_many_changes_get_429_with_retry_after(
    gallery_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock stands still: a change more is allowed every 20 s.
    monkeypatch.setattr(access, "time", SimpleNamespace(monotonic=lambda: 0.0))
    with Running(Settings(gallery=gallery_uri, writes_per_minute=3)) as running:
        running.wait_until("/readyz")
        answers = [running.ask("DELETE", "/v1/drawings/none") for _ in range(5)]
        assert [answer.status for answer in answers] == [404, 404, 404, 429, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 21
        assert running.post("/v1/search", LINE).status == 200, "reading goes on"


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "Via"])
def test_a_proxy_does_not_open_a_local_service_to_the_world(
    service: Running, gallery_uri: str, header: str
) -> None:
    through_a_proxy = {header: "203.0.113.5"}
    assert service.post("/v1/search", LINE, headers=through_a_proxy).status == 200
    refused = service.post("/v1/drawings", LINE, headers=through_a_proxy)
    assert (refused.status, "GARABATO_TOKEN" in refused.json["detail"]) == (403, True)
    with Running(Settings(gallery=gallery_uri, public_url=("https://example.org",))) as running:
        running.wait_until("/readyz")
        assert running.post("/v1/drawings", LINE).status == 403
        assert running.get("/v1/state", headers={"host": "example.org"}).json["may"] == {
            "change": False,
            "hide": False,
        }
