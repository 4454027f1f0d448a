"""A hit's details: the query laid over it, and what can be copied."""

from __future__ import annotations

from pens import draw, wait_for_hits
from playwright.sync_api import expect
from sketches import sketch

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


def test_a_drawing_of_a_category_page_has_details_without_a_query(new_page):
    page = new_page("#/category/star")
    first = page.locator("#category .hit").first
    first.hover()
    first.get_by_role("button", name="Details of this star").click()
    expect(page.locator("dialog .overlay path.query")).to_have_count(0)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("dialog")).to_have_count(0)
