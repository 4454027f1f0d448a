"""How the page's files are sent."""

from __future__ import annotations

import gzip
import re
from importlib import resources

import pytest
from running import Running

PAGE = resources.files("garabato.service") / "page"


def test_the_page_is_there_with_everything_it_names(service: Running) -> None:
    answer = service.get("/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="/?(static/[^"]+)"', answer.body.decode())
    assert named
    for path in named:
        assert service.get(f"/{path}").status == 200, path


def test_nothing_but_the_services_own_files_may_run(service: Running) -> None:
    policy = service.get("/").headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy
    for file in PAGE.iterdir():
        if not file.name.endswith(".html"):
            continue
        text = file.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", text), "an inline script"
        assert not re.search(r"\son\w+=", text), "an inline event handler"
        assert not re.search(r"\sstyle=|<style", text), "inline style"
        loaded = r"<(script|link|img|iframe)\b[^>]*\b(src|href)=\"(https?:)?//"
        assert not re.search(loaded, text), "something from elsewhere"


def test_the_dialog_for_files_leaves_out_no_format() -> None:
    (dialog,) = re.findall(r'<input type="file"[^>]*>', (PAGE / "index.html").read_text())
    assert "accept" not in dialog  # files are recognised by their content


@pytest.mark.parametrize("path", ["/", "/v1/categories", "/nothing", "/metrics"])
def test_every_response_has_security_headers(service: Running, path: str) -> None:
    headers = service.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_a_file_that_the_browser_has_is_not_sent_again(service: Running) -> None:
    first = service.get("/")
    again = service.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["content-security-policy"]
    assert service.get("/", headers={"if-none-match": '"other"'}).status == 200


def test_files_are_compressed_for_clients_that_accept_gzip(service: Running) -> None:
    plain = service.get("/", headers={"accept-encoding": "identity"})
    zipped = service.get("/", headers={"accept-encoding": "gzip"}, decode_content=False)
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
