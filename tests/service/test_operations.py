"""What those who look after a service ask it."""

from __future__ import annotations

import pytest
from running import Running

import garabato


def samples(service: Running) -> dict[str, float]:
    """`name{labels}` -> value of all that /metrics says."""
    answer = service.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_healthz_and_readyz_return_200(service: Running) -> None:
    assert service.get("/healthz").json == {"status": "ok"}
    assert service.get("/readyz").json == {"status": "ready"}


@pytest.mark.parametrize(
    "path",
    ["/", "/static/script/main.js", "/favicon.ico", "/healthz", "/readyz", "/metrics", "/v1/state"],
)
def test_head_requests_are_answered_without_a_body(service: Running, path: str) -> None:
    answer = service.ask("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
    assert answer.headers["content-type"] == service.get(path).headers["content-type"]


def test_metrics_name_the_version_and_have_no_creation_times(service: Running) -> None:
    names = samples(service)
    assert names[f'garabato_build_info{{version="{garabato.__version__}"}}'] == 1
    assert not [name for name in names if "_created" in name]


def test_requests_are_counted_by_route_and_status(service: Running) -> None:
    name = 'garabato_requests_total{method="POST",route="/v1/classify",status="%d"}'
    before = samples(service)
    service.post("/v1/classify", {"drawing": [[[0, 1], [0, 1]]]})
    service.post("/v1/classify", {})
    after = samples(service)
    for status in (200, 422):
        assert after[name % status] == before.get(name % status, 0) + 1
    assert after["garabato_ready"] == 1
    assert after['garabato_gallery_drawings{gallery="drawings"}'] == 72


def test_a_fault_of_the_service_is_a_problem_and_is_counted_as_500(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(drawing: object) -> None:
        raise RuntimeError("/secret/place")

    monkeypatch.setattr(service.service.batcher, "encode", fail)
    name = 'garabato_requests_total{method="POST",route="/v1/classify",status="500"}'
    before = samples(service).get(name, 0)
    answer = service.post("/v1/classify", {"drawing": [[[0, 1], [0, 1]]]})
    assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json["detail"] == "a fault in the service; the operator's log says why"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert samples(service)[name] == before + 1


def test_unknown_paths_and_methods_create_no_new_series(service: Running) -> None:
    service.get("/one/nobody/knows")
    series = set(samples(service))
    for n in range(5):
        service.get(f"/nothing/{n}")
        service.get(f"/v1/drawings/nothing{n}")
        service.ask(f"METHOD{n}", "/nothing")
    new = set(samples(service)) - series
    assert not [name for name in new if "nothing" in name or "METHOD" in name]


def test_the_openapi_document_has_examples_of_every_body(service: Running) -> None:
    document = service.get("/v1/openapi.json").json
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for name in ("Classify", "Search", "Add", "Delete", "Hide", "Where", "Classified", "Found"):
        assert schemas[name]["examples"], name
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), f"{method} {path} says nothing"
