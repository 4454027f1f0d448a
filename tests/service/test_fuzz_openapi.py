"""Requests made up from the service's own OpenAPI document get no 5xx and answers as documented.

benchmarks/serve_rude.py does the same for longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from running import Running
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from garabato.gallery import open_gallery
from garabato.service.settings import Settings

pytestmark = pytest.mark.slow

N_EXAMPLES = 12
OPERATIONS = (
    "POST /v1/classify",
    "POST /v1/search",
    "POST /v1/drawings",
    "POST /v1/drawings/delete",
    "GET /v1/drawings",
    "GET /v1/drawings/{key_id}",
    "DELETE /v1/drawings/{key_id}",
    "GET /v1/drawings/{key_id}/original",
    "POST /v1/drawings/{key_id}/hide",
    "POST /v1/drawings/{key_id}/restore",
    "GET /v1/hidden",
    "POST /v1/drawings/{key_id}/report",
    "DELETE /v1/drawings/{key_id}/report",
    "GET /v1/reported",
    "PUT /v1/encoder/categories/{category}",
    "GET /v1/encoder/categories",
    "DELETE /v1/encoder/categories/{category}",
    "GET /v1/categories",
    "GET /v1/categories/{category}",
)
NOT_FUZZED = {
    "GET /v1/galleries": "takes nothing",
    "GET /v1/map": "answers 503 until the map is made",
    "GET /v1/map/state": "takes nothing",
    "GET /v1/state": "takes nothing",
    "GET /healthz": "takes nothing",
    "GET /readyz": "takes nothing",
    "GET /metrics": "takes nothing",
}


@pytest.fixture(scope="module")
def fuzzed(
    tmp_path_factory: pytest.TempPathFactory, shipped_encoder, drawings
) -> Iterator[Running]:
    """A service that may be changed in any way."""
    uri = str(tmp_path_factory.mktemp("fuzzed") / "drawings.gallery")
    open_gallery(uri, encoder=shipped_encoder).add(drawings)
    with Running(Settings(gallery=uri, writes_per_minute=1_000_000)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        yield running


@pytest.fixture(scope="module")
def operations(fuzzed: Running) -> dict[str, object]:
    document = json.loads(fuzzed.get("/v1/openapi.json").body)
    for path, methods in document["paths"].items():
        if path != "/v1/categories":  # anywhere else an unknown gallery would hide the rest
            for method in methods.values():
                kept = [one for one in method.get("parameters", []) if one["name"] != "gallery"]
                method["parameters"] = kept
    schema = schemathesis.openapi.from_dict(document)
    return {
        f"{result.ok().method.upper()} {result.ok().path}": result.ok()
        for result in schema.get_all_operations()
    }


def test_every_operation_is_fuzzed_or_has_a_reason(operations: dict[str, object]) -> None:
    assert set(operations) == {*OPERATIONS, *NOT_FUZZED}


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_made_up_request_breaks_it(
    fuzzed: Running, operations: dict[str, Callable], name: str
) -> None:
    operation = operations[name]

    @settings(
        max_examples=N_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @cases_of(operation)
    def ask(case: schemathesis.Case) -> None:
        response = case.call(base_url=fuzzed.url, timeout=60)
        checks = [not_a_server_error, content_type_conformance, response_schema_conformance]
        case.validate_response(response, checks=checks)

    ask()
    assert fuzzed.get("/readyz").status == 200


def cases_of(operation) -> Callable:
    """Cases of one operation, right ones and wrong ones."""
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    kinds = [operation.as_strategy(generation_mode=mode) for mode in modes]
    return given(case=strategies.one_of(kinds))
