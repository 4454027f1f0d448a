"""The service behind a reverse proxy that rewrites Host, as nginx does, and serves a subpath."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin

import pytest
import urllib3
from running import Answer, Running

from garabato.service.settings import Settings

LINE = {"drawing": [[[0, 9, 30], [0, 9, 7]]]}
TOKEN = "0123456789abcdef"
PUBLIC_URL = "https://example.org/draw"
OTHER_SITE = "https://app.example:8443"


class Proxy:
    """Passes `/draw/...` on to a service, with or without `/draw`; all else is 404."""

    def __init__(self, service: Running, *, strips_prefix: bool) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=60.0)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                if self.path.partition("?")[0] != "/draw" and not self.path.startswith("/draw/"):
                    self.send_error(404)
                    return
                path = self.path.removeprefix("/draw") if strips_prefix else self.path
                length = int(self.headers.get("content-length", 0))
                hops = ("host", "connection", "content-length")
                headers = {k: v for k, v in self.headers.items() if k.lower() not in hops}
                headers["host"] = f"127.0.0.1:{service.port}"  # nginx: $proxy_host
                answer = pool.request(
                    self.command,
                    f"{service.url}{path}",
                    body=self.rfile.read(length) or None,
                    headers=headers,
                    redirect=False,
                    decode_content=False,
                )
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name not in ("date", "connection", "content-length"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(answer.data)))
                self.end_headers()
                self.wfile.write(answer.data)

            do_GET = do_HEAD = do_POST = do_DELETE = do_OPTIONS = pass_on  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._pool = urllib3.PoolManager(retries=False, timeout=60.0)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def ask(self, method: str, path: str, json: object = None, **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {} if json is None else {"json": json}
        answer = self._pool.request(
            method, self.url + path, headers=given, redirect=False, timeout=60.0, **body
        )
        return Answer(answer.status, answer.headers, answer.data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def proxied(gallery_uri: str) -> Iterator[Running]:
    settings = Settings(
        gallery=gallery_uri, host="0.0.0.0", token=TOKEN, public_url=(PUBLIC_URL, OTHER_SITE)
    )
    with Running(settings) as running:
        running.wait_until("/readyz")
        yield running


@pytest.fixture(scope="module", params=[True, False], ids=["prefix stripped", "prefix kept"])
def proxy(request: pytest.FixtureRequest, proxied: Running) -> Iterator[Proxy]:
    proxy = Proxy(proxied, strips_prefix=request.param)
    yield proxy
    proxy.close()


def test_the_page_at_the_public_url_may_change_things(proxy: Proxy) -> None:
    own = {"origin": "https://example.org", "authorization": f"Bearer {TOKEN}"}
    added = proxy.ask("POST", "/draw/v1/drawings", LINE, **own)
    assert added.status == 201, added.body
    (key_id,) = added.json["key_ids"]
    assert proxy.ask("GET", f"/draw/v1/drawings/{key_id}").status == 200
    assert proxy.ask("DELETE", f"/draw/v1/drawings/{key_id}", **own).status == 204


@pytest.mark.parametrize("origin", ["https://evil.example", "http://example.org", "null"])
def test_other_pages_change_nothing_and_the_error_names_the_setting(
    proxy: Proxy, origin: str
) -> None:
    token = f"Bearer {TOKEN}"
    refused = proxy.ask("POST", "/draw/v1/drawings", LINE, origin=origin, authorization=token)
    assert refused.status == 403
    assert "GARABATO_PUBLIC_URL" in refused.json["detail"]
    assert repr(origin) in refused.json["detail"]
    assert "access-control-allow-origin" not in refused.headers


def test_pages_of_an_allowed_site_may_use_the_api(proxy: Proxy) -> None:
    preflight = proxy.ask(
        "OPTIONS",
        "/draw/v1/drawings",
        origin=OTHER_SITE,
        access_control_request_method="POST",
        access_control_request_headers="authorization, content-type",
    )
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == OTHER_SITE
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    found = proxy.ask("POST", "/draw/v1/search", LINE, origin=OTHER_SITE)
    assert found.status == 200
    assert found.headers["access-control-allow-origin"] == OTHER_SITE
    refused = proxy.ask("POST", "/draw/v1/drawings", LINE, origin=OTHER_SITE)
    assert refused.status == 401, "it needs the token like everybody else"
    assert refused.headers["access-control-allow-origin"] == OTHER_SITE, "so its page can read why"


def test_the_page_and_all_it_loads_is_there(proxy: Proxy) -> None:
    page = proxy.ask("GET", "/draw/")
    assert page.status == 200
    links = re.findall(r'(?:src|href)="(?!https?:)([^"#]+)"', page.body.decode())
    assert any(link.endswith("main.js") for link in links)
    for link in links:
        assert proxy.ask("GET", urljoin("/draw/", link)).status == 200, link


def test_the_openapi_document_names_the_subpath(proxy: Proxy) -> None:
    document = proxy.ask("GET", "/draw/v1/openapi.json").json
    assert document["servers"] == [{"url": "/draw"}]
    assert "/v1/search" in document["paths"]


def test_the_subpath_without_a_slash_is_redirected(proxied: Running) -> None:
    proxy = Proxy(proxied, strips_prefix=False)
    redirect = proxy.ask("GET", "/draw")
    assert (redirect.status, redirect.headers["location"]) == (307, "/draw/")
    redirect = proxy.ask("GET", "/draw?gallery=icons")
    assert (redirect.status, redirect.headers["location"]) == (307, "/draw/?gallery=icons")
    proxy.close()
