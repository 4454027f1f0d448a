"""Every mistake of a request is a problem document that names the field."""

from __future__ import annotations

import gzip
import io
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import Answer, Running

from garabato.service.settings import Settings

LINE = [[[0, 9], [0, 9]]]


@pytest.fixture(scope="module")
def strict(gallery_uri: str) -> Iterator[Running]:
    """A service with low limits."""
    limits = {"max_body_bytes": 20_000, "max_strokes": 5, "max_points": 50, "max_pixels": 10_000}
    with Running(Settings(gallery=gallery_uri, **limits)) as running:
        running.wait_until("/readyz")
        yield running


def problem(answer: Answer, status: int) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json
    assert document["status"] == status
    assert {"type", "title", "detail"} <= set(document)
    return document


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"k": 3}, "drawing", "Field required"),
        ({"drawing": []}, "drawing", "draw at least one stroke"),
        ({"drawing": [[]]}, "drawing.0", "at least 2"),
        ({"drawing": [[[1], [2]], [[1]]]}, "drawing.1", "at least 2"),
        ({"drawing": [[[], []]]}, "drawing.0.0", "at least 1"),
        ({"drawing": [[[1, 2], [3]]]}, "drawing", "stroke 1 has 2 xs but 1 ys"),
        ({"drawing": [[["1"], [2]]]}, "drawing.0.0.0", "number"),
        ({"drawing": [[[True], [2]]]}, "drawing.0.0.0", "number"),
        ({"drawing": [[[1e9], [2]]]}, "drawing.0.0.0", "less than or equal"),
        ({"drawing": {"x": 1}}, "drawing", "valid array"),
        ({"drawing": "cat"}, "drawing", "a drawing is [[[x, ...], [y, ...]], ...]"),
        ({"drawing": [[[0, 0], [9, 0], [5, 7]]]}, "drawing.0", "a stroke is [[x, ...], [y, ...]]"),
        ({"drawing": [{"points": []}]}, "drawing.0", "a stroke is [[x, ...], [y, ...]]"),
        ({"drawing": [[1, 2], [3, 4]]}, "drawing.0.0", "a stroke is [[x, ...], [y, ...]]"),
        ({"drawing": [[{"x": 1, "y": 2}] * 2]}, "drawing.0.0", "a stroke is [[x, ...], [y, ...]]"),
        ({"drawing": LINE, "among": ["a" * 65_537]}, "among.0", "at most 65536 characters"),
        ({"drawing": LINE, "k": 0}, "k", "greater than or equal to 1"),
        ({"drawing": LINE, "k": 1e9}, "k", ""),
        ({"drawing": LINE, "k": "3"}, "k", "integer"),
        ({"drawing": LINE, "colour": 3}, "colour", "there is no such field"),
    ],
)
def test_the_error_for_a_bad_classify_request_names_the_field(
    service: Running, body: Any, field: str, text: str
) -> None:
    document = problem(service.post("/v1/classify", body), 422)
    assert document["errors"][0]["field"] == field
    assert text in document["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"k": 3}, "drawing"),
        ({"drawing": LINE, "key_id": "5"}, "drawing"),
        ({"drawing": LINE, "where": {"categry": ["cat"]}}, "where.categry"),
        ({"drawing": LINE, "where": {"category": "cat"}}, "where.category"),
        ({"drawing": LINE, "where": {"recognized": "yes"}}, "where.recognized"),
        ({"drawing": LINE, "where": {"timestamp": "2017"}}, "where.timestamp"),
        ({"drawing": LINE, "where": {"timestamp": {}}}, "where.timestamp"),
        ({"drawing": LINE, "where": {"timestamp": {"after": "today"}}}, "where.timestamp.after"),
        ({"drawing": LINE, "where": {"timestamp": {"since": "2017"}}}, "where.timestamp.since"),
        ({"drawing": LINE, "where": {"key_id": ["5"] * 501}}, "where.key_id"),
        ({"drawing": LINE, "predictions": -1}, "predictions"),
        ({"key_id": ""}, "key_id"),
        ({"drawing": LINE, "traced": "yes"}, "traced"),
        ({"key_id": "5", "traced": True}, "traced"),
    ],
)
def test_the_error_for_a_bad_search_request_names_the_field(
    service: Running, body: Any, field: str
) -> None:
    assert problem(service.post("/v1/search", body), 422)["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"category": "line"}, "drawing"),
        ({"drawings": []}, "drawings"),
        ({"drawings": [{"drawing": LINE}, {"drawing": []}]}, "drawings.1.drawing"),
        ({"drawings": [{"drawing": [[[1, 2], [3]]]}]}, "drawings.0.drawing"),
        ({"drawings": [{"drawing": LINE}], "key_id": "5"}, "key_id"),
        ({"drawings": [{"drawing": LINE}], "tags": ["a"]}, "tags"),
        ({"drawing": LINE, "key_id": ""}, "key_id"),
        ({"drawing": LINE, "key_id": 5}, "key_id"),
        ({"drawing": LINE, "country": 5}, "country"),
        ({"drawing": LINE, "recognized": "yes"}, "recognized"),
        ({"drawing": LINE, "timestamp": ""}, "timestamp"),
        ({"drawings": [{"drawing": LINE, "timestamp": "2017-13"}]}, "drawings.0.timestamp"),
    ],
)
def test_the_error_for_a_bad_new_drawing_names_the_field(
    service: Running, body: Any, field: str
) -> None:
    assert problem(service.post("/v1/drawings", body), 422)["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("key_id", "words"),
    [
        ("..", "between slashes"),
        ("a/../b", "between slashes"),
        ("/a", "between slashes"),
        ("a/", "between slashes"),
        ("a/report", "may not end in /report"),
        ("a\nb", "control characters are not allowed"),
    ],
)
def test_an_invalid_new_key_id_says_what_is_wrong(
    service: Running, key_id: str, words: str
) -> None:
    document = problem(service.post("/v1/drawings", {"drawing": LINE, "key_id": key_id}), 422)
    (error,) = document["errors"]
    assert error["field"] == "key_id"
    assert words in error["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "key_ids"),
        ({"key_ids": ["5"], "where": {"category": ["cat"]}}, "key_ids"),
        ({"key_ids": "5"}, "key_ids"),
        ({"key_ids": ["5"] * 501}, "key_ids"),
        ({"where": {}}, "where"),
        ({"where": {"category": None}}, "where"),
    ],
)
def test_a_bad_delete_request_names_the_field_and_deletes_nothing(
    service: Running, body: Any, field: str
) -> None:
    before = service.get("/v1/drawings?limit=500").json
    assert problem(service.post("/v1/drawings/delete", body), 422)["errors"][0]["field"] == field
    assert service.get("/v1/drawings?limit=500").json == before


@pytest.mark.parametrize("body", [b"", b"{", b"[", b"null", b"3", b'{"drawing": NaN}', b"\xff\xfe"])
def test_a_body_that_is_not_a_json_object_is_refused(service: Running, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = service.ask("POST", "/v1/classify", body=body, headers=headers)
    assert answer.status in (400, 422)
    problem(answer, answer.status)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"drawing":[[[' + b'"",' * 900_000 + b"0],[0]]]}", "drawing.0.0.0: Input should be a"),
        (b'{"drawing":[' + b"[]," * 190_000 + b"0]}", "drawing.0: List should have at least 2"),
        (
            b'{"where":{"category":[' + b"0," * 900_000 + b"0]}}",
            "where.category.0: Input should be a valid string",
        ),
        (
            b"{" + b",".join(b'"%d":0' % n for n in range(200_000)) + b"}",
            "200,000 fields are invalid",
        ),
    ],
    ids=["points", "strokes", "filter", "unknown fields"],
)
def test_of_very_many_errors_in_a_body_not_all_are_listed(
    service: Running, body: bytes, detail: str
) -> None:
    """It took minutes and gigabytes."""
    path = "/v1/drawings/delete" if b"where" in body else "/v1/drawings"
    headers = {"content-type": "application/json"}
    document = problem(service.ask("POST", path, body=body, headers=headers), 422)
    assert document["detail"].startswith(detail)
    assert len(document.get("errors", [])) <= 1


def test_a_body_of_the_wrong_media_type_is_refused(service: Running) -> None:
    answer = service.ask("POST", "/v1/classify", body=b"a=1", headers={"content-type": "text/csv"})
    assert "application/json" in problem(answer, 415)["detail"]


def test_a_compressed_body_is_refused_as_such(service: Running) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    body = gzip.compress(json.dumps({"drawing": LINE}).encode())
    answer = service.ask("POST", "/v1/classify", body=body, headers=headers)
    assert "must not be compressed" in problem(answer, 415)["detail"]


def test_deeply_nested_json_is_refused(service: Running) -> None:
    body = b'{"drawing":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    headers = {"content-type": "application/json"}
    problem(service.ask("POST", "/v1/classify", body=body, headers=headers), 400)


def test_a_method_that_a_path_lacks_names_those_it_has_and_the_route_to_use(
    service: Running,
) -> None:
    answer = service.ask("DELETE", "/v1/drawings")
    assert problem(answer, 405)["detail"] == (
        "/v1/drawings does not support DELETE; "
        "use POST /v1/drawings/delete or DELETE /v1/drawings/{key_id}"
    )
    assert answer.headers["allow"] == "GET, POST"
    answer = service.ask("PATCH", "/v1/drawings/a/b")
    assert problem(answer, 405)["detail"] == "/v1/drawings/a/b does not support PATCH"
    assert answer.headers["allow"] == "DELETE, GET"


def test_unknown_places_and_methods_are_problems(service: Running) -> None:
    problem(service.get("/v1/nothing"), 404)
    problem(service.get("/v1/classify"), 405)
    problem(service.get("/v1/drawings/nothing"), 404)
    problem(service.post("/v1/search", {"key_id": "nothing"}), 404)
    document = problem(service.get("/v1/categories?gallery=nothing"), 404)
    assert document["errors"] == [
        {"field": "gallery", "detail": "there is no gallery 'nothing'; there are: drawings"}
    ]
    document = problem(service.get("/v1/categories/nothing"), 404)
    assert document["errors"][0]["field"] == "category"
    for field, text in (("limit", "0"), ("timestamp_after", "today"), ("timestamp_before", "5")):
        document = problem(service.get(f"/v1/drawings?{field}={text}"), 422)
        assert document["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/v1/drawings?category=cat&tag=mine", "tag"),
        ("/v1/drawings/5?key_id=6", "key_id"),
        ("/v1/categories?country=DE", "country"),
        ("/v1/categories/cat?limit=5", "limit"),
        ("/v1/hidden?limit=5", "limit"),
        ("/v1/reported?limit=5", "limit"),
        ("/v1/state?since=5", "since"),
        ("/v1/map?category=cat", "category"),
    ],
)
def test_unknown_parameters_are_refused(service: Running, address: str, field: str) -> None:
    document = problem(service.get(address), 422)
    assert document["errors"][0]["field"] == field


def test_probes_and_files_of_the_page_may_be_asked_with_any_parameters(service: Running) -> None:
    for address in ("/?utm=5", "/static/icon.svg?v=2", "/healthz?t=5", "/readyz?t=5"):
        assert service.get(address).status == 200


def test_too_many_strokes_points_and_bytes_are_refused(strict: Running) -> None:
    many = {"drawing": LINE * 6}
    assert "5 strokes" in problem(strict.post("/v1/classify", many), 422)["detail"]
    long = {"drawing": [[[1.0] * 51, [1.0] * 51]]}
    assert "50 points" in problem(strict.post("/v1/classify", long), 422)["detail"]
    huge = {"drawing": [[[1.0] * 9_000, [1.0] * 9_000]]}
    assert "20,000 bytes" in problem(strict.post("/v1/classify", huge), 413)["detail"]


def test_json_with_too_many_lists_is_refused_before_it_is_parsed(service: Running) -> None:
    def refused(n_strokes: int) -> tuple[int, Any]:
        body = {"drawing": [[[0], [0]]] * n_strokes}  # 2 + 3 for each stroke
        answer = service.post("/v1/drawings", body)
        return answer.status, answer.json["detail"]

    assert refused(66_666) == (422, "drawing: more than 2,000 strokes")
    status, detail = refused(66_667)
    assert status == 413
    assert detail.startswith("the body has more than 200,000 lists and objects")


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/search", "/v1/drawings/5/report"])
def test_json_with_too_many_values_is_refused_before_it_is_parsed(
    service: Running, path: str
) -> None:
    """Parsing 8 MB of them holds up all other requests for a second."""
    body = "{" + ",".join(f'"{n}":1' for n in range(60_002)) + "}"
    answer = service.ask("POST", path, body=body, headers={"content-type": "application/json"})
    assert "values" in problem(answer, 413)["detail"]


def test_a_query_may_have_as_many_values_as_a_drawing_and_20_000_more(service: Running) -> None:
    def refused(n_points: int) -> tuple[int, str]:
        answer = service.post("/v1/classify", {"drawing": [[[0] * n_points, [0] * n_points]]})
        return answer.status, answer.json["detail"]

    assert refused(30_000) == (422, "drawing: more than 20,000 points")
    assert refused(30_001) == (413, "the body has more than 60,000 values; send fewer")


def test_a_body_without_a_length_is_cut_off_at_the_limit(strict: Running) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1_000):
            yield b" " * 1_000

    headers = {"content-type": "application/json", "transfer-encoding": "chunked"}
    answer = strict.ask("POST", "/v1/classify", body=endless(), headers=headers)
    problem(answer, 413)


@pytest.mark.parametrize(("path", "status"), [("/v1/classify", 413), ("/v1/nowhere", 404)])
def test_a_client_that_is_still_sending_gets_the_whole_answer(
    service: Running, path: str, status: int
) -> None:
    """The service closes the connection; closed on unread bytes, it would be reset."""
    body = b" " * (9_000_000 if status == 413 else 8_000_000)  # 8 MiB are allowed
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:300_000])
        time.sleep(0.3)
        client.sendall(body[300_000:])
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == status


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(strict: Running) -> None:
    packed = io.BytesIO()
    Image.fromarray(np.full((2_000, 2_000), 255, np.uint8)).save(packed, "png")
    assert len(packed.getvalue()) < 20_000
    answer = strict.ask("POST", "/v1/classify", fields={"file": ("a.png", packed.getvalue())})
    assert problem(answer, 413)["errors"][0]["field"] == "file"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"\x00\x01\x02", 415),
        (b"hello", 415),
        (b"<svg", 422),
        (b"\x89PNG\r\n\x1a\n", 422),
        (b"\x1f\x8b\x08\x00", 422),
        (b'{"drawing": []}', 422),
        (b"#!/bin/sh\nrm -rf /", 415),
    ],
)
def test_a_file_without_a_drawing_is_an_error(
    service: Running, content: bytes, status: int
) -> None:
    answer = service.ask("POST", "/v1/search", fields={"file": ("cat.ndjson", content)})
    assert problem(answer, status)["errors"][0]["field"] == "file"
    assert "/tmp" not in answer.body.decode(), "names of our files are nobody's business"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"k": "3"}, "file"),
        ({"file": ("a", b'{"drawing": [[[1, 2], [3, 4]]]}'), "k": "three"}, "k"),
        ({"file": ("a", b'{"drawing": [[[1, 2], [3, 4]]]}'), "k": "0"}, "k"),
        ({"file": ("a", b'{"drawing": [[[1, 2], [3, 4]]]}'), "where": '{"x": 1}'}, "where.x"),
        ({"file": ("a", b'{"drawing": [[[1, 2], [3, 4]]]}'), "drawing": "[]"}, "file"),
    ],
)
def test_the_error_for_a_bad_form_names_the_field(
    service: Running, fields: Any, field: str
) -> None:
    answer = service.ask("POST", "/v1/search", fields=fields)
    assert problem(answer, 422)["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"--b\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=file"),
        ("multipart/form-data; boundary=b", b"\x00" * 1_000),
        ("multipart/form-data; boundary=" + "b" * 500, b"--b"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xff"\r\n\r\nx\r\n'
            b"--b--",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="k"\r\n\r\n1\r\n' * 100 + b"--b--\r\n",
        ),
    ],
)
def test_malformed_forms_are_problems(service: Running, kind: str, body: bytes) -> None:
    answer = service.ask("POST", "/v1/classify", body=body, headers={"content-type": kind})
    assert 400 <= answer.status < 500, answer.body
    problem(answer, answer.status)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../settings.py",
        "/static/..%2f..%2fsettings.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/script/..",
        "/..%2f..%2fetc/passwd",
    ],
)
def test_no_path_reaches_the_file_system(service: Running, path: str) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("GET", path)  # as it is: urllib3 would tidy it up
    answer = connection.getresponse()
    assert answer.status == 404
    assert json.loads(answer.read())["status"] == 404
    connection.close()


def test_a_full_disk_is_reported_without_details(
    make_gallery: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from garabato.errors import StorageError

    with Running(Settings(gallery=make_gallery())) as running:
        running.wait_until("/readyz")

        def refuse(*_: object, **__: object) -> None:
            raise StorageError("cannot write /secret/place: the disk is full")

        monkeypatch.setattr(running.service.gallery().gallery, "add", refuse)
        answer = running.post("/v1/drawings", {"drawing": LINE})
        assert "/secret" not in json.dumps(problem(answer, 507))
