"""A hit's details: the query laid over it, and what can be copied."""

from __future__ import annotations

import base64
import io
import re
from urllib.parse import quote

import numpy as np
from pens import draw, until, wait_for_hits
from PIL import Image
from playwright.sync_api import expect
from sketches import sketch

from garabato.drawing import Drawing

STAR = sketch("star", 910)


def test_details_lay_the_query_over_the_hit_and_copy_its_name_and_svg(new_page):
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    draw(page, STAR)
    wait_for_hits(page)
    first = page.locator("#hits .hit").first
    n_strokes = first.locator(".look path").count()
    first.hover()
    first.get_by_role("button", name="Details of this star").click()
    dialog = page.get_by_role("dialog", name="star")
    expect(dialog.locator(".overlay path.query")).to_have_count(len(STAR.strokes))
    expect(dialog.locator(".overlay path")).to_have_count(len(STAR.strokes) + n_strokes)
    expect(dialog).to_contain_text("Your drawing is laid over it, in this colour.")
    dialog.get_by_role("button", name="Copy name").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied the name.")
    assert page.evaluate("navigator.clipboard.readText()") == "star"
    dialog.get_by_role("button", name="Copy SVG").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied the SVG.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert copied.count("<path") == n_strokes
    expect(dialog.get_by_role("button", name="Copy link")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_the_tooltip_of_a_hit_has_its_score_in_the_latest_search(new_page):
    page = new_page()
    draw(page, STAR)
    wait_for_hits(page)
    key_id = page.locator("#hits .hit").first.get_attribute("data-key")
    hit = page.locator(f"#hits [data-key='{key_id}']")
    look = hit.locator(".look")
    before = look.get_attribute("title")
    draw(page, Drawing([[[0, 255, 0, 255], [0, 255, 255, 0]]]))
    expect(look).not_to_have_attribute("title", before)
    wait_for_hits(page)
    hit.hover()
    hit.locator(".details").click()
    score = re.search(r"score ([\d.]+)", look.get_attribute("title"))[1]
    expect(page.get_by_role("dialog")).to_contain_text(f"Score {score}.")


def test_a_drawing_of_a_category_page_has_details_without_a_query(new_page):
    page = new_page("#/category/star")
    first = page.locator("#category .hit").first
    first.hover()
    first.get_by_role("button", name="Details of this star").click()
    expect(page.locator("dialog .overlay path.query")).to_have_count(0)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("dialog")).to_have_count(0)


def test_details_open_at_their_title_on_a_low_screen(new_page):
    page = new_page("#/category/star", viewport={"width": 720, "height": 400})  # 200% zoom
    page.locator("#category .hit").first.hover()
    page.locator("#category .hit .details").first.click()
    dialog = page.get_by_role("dialog", name="star")
    expect(dialog.get_by_role("heading", name="star")).to_be_in_viewport()
    assert dialog.evaluate("dialog => dialog.scrollHeight > dialog.clientHeight")


WHITE_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">
<path d="M2 2h20v20H2z" fill="#fff"/></svg>"""


def test_a_card_shows_strokes_until_its_original_is_loaded_and_a_white_one_is_outlined(new_page):
    page = new_page(color_scheme="dark")
    server = page.url.partition("#")[0]
    drawing = {
        "key_id": "white",
        "drawing": STAR.to_lists(),
        "category": "white",
        "original": base64.b64encode(WHITE_SVG.encode()).decode(),
    }
    held = []
    page.route("**/original", lambda route: held.append(route))
    assert page.request.post(f"{server}v1/drawings", data=drawing).status == 201
    try:
        page.goto(f"{server}#/category/white")
        look = page.locator("#category .look")
        expect(look.locator(".picture")).to_be_visible()
        until(page, "document.querySelector('#category .original') !== null")
        while not held:
            page.wait_for_timeout(20)
        expect(look.locator(".picture")).to_be_visible()
        held[0].continue_()
        expect(look.locator(".picture")).to_be_hidden()
        card = np.array(Image.open(io.BytesIO(look.screenshot())).convert("L"))
        assert np.median(card) == 255  # white paper, although the page is dark
        middle = card.shape[0] // 2
        assert card[middle, 3:-3].min() < 235  # the icon's left and right edges
    finally:
        page.request.delete(f"{server}v1/drawings/white")


HOSTILE = "\"><img src='https://evil.example/' onerror='hacked = 1'><script>hacked = 1</script>"
HOSTILE_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1e30 1e30" onload="evil()">
<script>parent.hacked = 1</script><style>@import url(https://evil.example/c.css);</style>
<image href="https://evil.example/d.png"/><use href="https://evil.example/e.svg#f"/>
<foreignObject width="9" height="9"><iframe src="https://evil.example/"/></foreignObject>
<a href="javascript:hacked = 1"><set attributeName="href" to="javascript:1" onbegin="a()"/></a>
<path d="M0 0h9" fill="url(https://evil.example/f.svg#g)"/></svg>"""


def test_a_hostile_title_category_or_original_runs_and_fetches_nothing(new_page):
    page = new_page(viewport={"width": 390, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    drawing = {
        "key_id": HOSTILE.replace("//", "/ /"),
        "drawing": STAR.to_lists(),
        "category": HOSTILE,
        "title": HOSTILE + "x" * 400,
        "tags": [HOSTILE, "x" * 100, "__proto__"],
        "link": "https://example.org/",
        "original": base64.b64encode(HOSTILE_SVG.encode()).decode(),
    }
    server = page.url.partition("#")[0]
    added = page.request.post(f"{server}v1/drawings", data=drawing)
    assert added.status == 201, added.text()
    try:
        page.reload()
        draw(page, STAR)
        wait_for_hits(page)
        card = page.locator("#hits .hit").filter(has_text="evil.example")
        expect(card).to_be_visible()
        page.wait_for_function("document.querySelector('#hits .original').complete")
        card.locator(".details").click()
        expect(page.locator("dialog")).to_contain_text("x" * 100)
        page.get_by_role("button", name="Close").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.goto(f"{server}#/category/{quote(HOSTILE, safe='')}")
        expect(page.locator("#category .hit")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("typeof hacked") == "undefined"
        assert [url for url in asked if not url.startswith((server, "data:", "blob:"))] == []
    finally:
        page.request.delete(f"{server}v1/drawings/{quote(drawing['key_id'], safe='')}")
