"""The page of a service for others: it offers what a visitor may do, and all with the token."""

from __future__ import annotations

from pathlib import Path

from page_server import START_S, PageServer
from pens import draw, key_ids, wait_for_hits
from playwright.sync_api import Browser, expect
from sketches import make_drawings, sketch

import garabato

TOKEN = "0123456789abcdef"


def test_a_visitor_reports_and_the_operator_decides(browser: Browser, tmp_path: Path) -> None:
    uri = str(tmp_path / "stars.gallery")
    garabato.open_gallery(uri, encoder=garabato.load_encoder()).add(
        make_drawings(["star"], 12, seed=3)
    )
    server = PageServer(["--gallery", uri], tmp_path / "log", GARABATO_TOKEN=TOKEN)
    server.start()
    said: list[str] = []
    try:
        page = browser.new_page()
        page.set_default_timeout(1000 * START_S)
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(server.url)
        draw(page, sketch("star", 950))
        wait_for_hits(page)
        expect(page.locator("#add")).to_be_hidden()
        bad = key_ids(page)[0]
        page.locator(f"#hits [data-key='{bad}']").get_by_label("Report this star").click()
        page.get_by_label("Wrong category").check()
        page.get_by_role("button", name="Report it").click()
        expect(page.locator("#toasts")).to_contain_text("Reported")
        assert key_ids(page)[0] == bad  # it stays until an operator has looked at it

        page.get_by_role("link", name="Hidden drawings").click()
        expect(page.locator("#operator")).to_contain_text("Enter the operator’s token")
        page.locator("#operator input[name=token]").fill("“wrong”")  # no header holds “
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#operator")).to_contain_text("Enter the operator’s token")
        page.locator("#operator input[name=token]").fill(TOKEN)
        page.get_by_role("button", name="Use it").click()
        card = page.locator(f"#operator .block [data-key='{bad}']")
        expect(card).to_contain_text("star, Wrong category, once")

        page.get_by_role("link", name="Draw", exact=True).click()
        expect(page.locator("#add")).to_be_visible()
        expect(
            page.locator(f"#hits [data-key='{bad}']").get_by_label("Hide this star")
        ).to_have_count(1)
        page.get_by_role("link", name="Hidden drawings").click()
        card.get_by_role("button", name="Hide this star").click()
        expect(page.locator("#operator .block")).to_have_count(0)
        expect(page.locator(f"#operator [data-key='{bad}']")).to_contain_text("Wrong category")
        expect(page.locator(f"#hits [data-key='{bad}']")).to_have_count(0)
        assert said == []
        page.close()
    finally:
        server.stop()
