"""Everybody can use the page: by keyboard, with a screen reader, on a phone, in the dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from pens import draw, guess, wait_for_hits
from playwright.sync_api import expect
from sketches import sketch

import garabato

PAGE = Path(garabato.__file__).parent / "service" / "page"
#: Of all scripts and styles, uncompressed.
MAX_BYTES = 125_000


#: Views beside the pad, each with what is there once it is complete.
VIEWS = {
    "#/explore": ".chart .progress[hidden]",
    "#/category/star": "#category .back",
    "#/operator": "#operator form",
    "#/": "#pad",
}


def show(page, view: str) -> None:
    """Go to a view and wait until it is complete."""
    page.evaluate("(view) => { location.hash = view }", view)
    page.wait_for_selector(VIEWS[view], state="attached")


def violations(page) -> list[str]:
    """What axe-core finds on the page as it stands."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [f"{v['id']}: {[node['target'] for node in v['nodes']]}" for v in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(new_page, scheme):
    page = new_page(color_scheme=scheme)
    expect(page.locator("#welcome .hit").first).to_be_visible()
    assert violations(page) == []
    draw(page, sketch("star", 930))
    wait_for_hits(page)
    assert violations(page) == []
    page.locator("#add").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    for view in VIEWS:
        show(page, view)
        assert violations(page) == []


def test_everything_can_be_reached_and_drawn_with_the_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "pad":
            break
    keys = ["Enter", *["Shift+ArrowRight"] * 5, *["Shift+ArrowDown"] * 5, *["Shift+ArrowLeft"] * 5]
    for key in [*keys, *["Shift+ArrowUp"] * 5, "Enter"]:
        page.keyboard.press(key)
    wait_for_hits(page)
    assert guess(page) == "square"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.update(
            page.evaluate("[document.activeElement.id, ...document.activeElement.classList]")
        )
    assert {"undo", "clear", "replay", "add", "share", "open", "look", "act"} <= reached


def test_a_screen_reader_is_told_what_it_looks_like(page):
    draw(page, sketch("star", 931))
    expect(page.locator("#spoken")).to_contain_text("Looks like star")
    first = page.locator("#hits .look").first
    assert first.get_attribute("aria-label") == "star: search with this drawing"


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_a_phone(new_page, width):
    page = new_page(viewport={"width": width, "height": 760})
    draw(page, sketch("star", 932))
    wait_for_hits(page)
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_whole_pad_is_seen_on_a_phone_that_lies(new_page):
    page = new_page(viewport={"width": 844, "height": 390})
    box = page.locator("#pad").bounding_box()
    assert box["width"] == box["height"] == 0.8 * 390
    assert box["y"] + box["height"] <= 390


def test_ink_is_as_fine_as_the_screen(new_page):
    page = new_page(device_scale_factor=3)
    width = "document.getElementById('pad')"
    assert page.evaluate(f"{width}.width") == round(3 * page.evaluate(f"{width}.clientWidth"))


def test_the_page_needs_nothing_from_elsewhere(new_page):
    page = new_page()
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    draw(page, sketch("star", 933))
    wait_for_hits(page)
    here = page.evaluate("location.origin")
    assert asked
    assert all(url.startswith(here) for url in asked)


def test_scripts_and_styles_are_small_and_apart_from_the_markup():
    sizes = [file.stat().st_size for kind in ("js", "css") for file in PAGE.rglob(f"*.{kind}")]
    assert len(sizes) > 20
    assert sum(sizes) <= MAX_BYTES
    markup = (PAGE / "index.html").read_text()
    assert "style=" not in markup
    assert "<style" not in markup
    assert markup.count("<script") == markup.count('<script type="module" src=')
