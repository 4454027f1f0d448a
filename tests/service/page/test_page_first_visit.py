"""The first visit: nothing is there yet but an invitation to draw, and then the gallery comes."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock
from page_server import START_S, PageServer
from pens import draw, guess, until, wait_for_hits
from playwright.sync_api import Browser, expect
from sketches import sketch, write_source

from garabato import load_encoder
from garabato.gallery.lance.folder import LOCK


def test_the_page_can_be_used_while_the_starter_gallery_is_built(
    browser: Browser, tmp_path: Path
) -> None:
    source = write_source(tmp_path / "simplified", ("star", "stairs"), per_category=30, seed=0)
    options = ["--source", str(source)]
    server = PageServer(options, tmp_path / "log", XDG_CACHE_HOME=str(tmp_path / "cache"))
    gallery = f"cache/garabato/galleries/starter-{load_encoder().fingerprint}"
    (tmp_path / gallery).mkdir(parents=True)
    another_writer = FileLock(tmp_path / gallery / LOCK)
    another_writer.acquire()
    server.start(wait_for=503)
    try:
        said: list[str] = []
        page, explorer = browser.new_page(), browser.new_page()
        for one in (page, explorer):
            one.set_default_timeout(1000 * START_S)
            one.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
            one.on("pageerror", lambda error: said.append(str(error)))
        page.goto(server.url)
        expect(page.locator("#readiness")).to_be_visible()
        explorer.goto(f"{server.url}#/explore")
        expect(page.locator("#invitation")).to_contain_text("Draw something")
        draw(page, sketch("star", 940))
        expect(page.locator("#clear")).to_be_enabled()
        another_writer.release()
        wait_for_hits(page)  # nobody has to draw again once it is ready
        expect(page.locator("#readiness")).to_be_hidden()
        assert guess(page) == "star"
        until(page, "document.getElementById('category-names').options.length > 0")
        expect(explorer.locator(".chart .progress")).to_be_hidden(timeout=1000 * START_S)
        assert said == []
        page.close()
        explorer.close()
    finally:
        another_writer.release()
        server.stop()
