"""A service with two galleries: the choice in the header."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from page_server import PageServer
from pens import draw, hits, until, visible_box, wait_for_hits
from playwright.sync_api import expect
from sketches import make_drawings, sketch

import garabato

STAR = sketch("star", 910)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """Sketches, a gallery of lollipops, and one whose category the encoder doesn't know."""
    folder = tmp_path_factory.mktemp("galleries")
    encoder = garabato.load_encoder()
    for name, categories in {"sketches": ("star", "house"), "shapes": ("lollipop",)}.items():
        drawings = make_drawings(categories, 12, seed=3)
        garabato.open_gallery(folder / name, encoder=encoder).add(drawings)
    signs = [one.replace(category="sign") for one in make_drawings(("lollipop",), 12, seed=3)]
    garabato.open_gallery(folder / "signs", encoder=encoder).add(signs)
    options = [f"--gallery={folder / name}" for name in ("sketches", "shapes", "signs")]
    server = PageServer(options, folder / "server.log")
    server.start()
    yield server
    server.stop()


def choose(page, name: str) -> None:
    with page.expect_navigation():
        page.locator("#galleries").select_option(name)
    until(page, "document.getElementById('category-names').options.length > 0")


def test_the_drawing_is_searched_in_the_gallery_that_is_chosen(page):
    draw(page, STAR)
    wait_for_hits(page)
    assert hits(page)[0] == "star"
    choose(page, "shapes")
    wait_for_hits(page)
    assert set(hits(page)) == {"lollipop"}
    assert page.url.endswith("/?gallery=shapes#/")
    expect(page.locator("#galleries")).to_have_value("shapes")
    choose(page, "sketches")
    wait_for_hits(page)
    assert hits(page)[0] == "star"
    assert "gallery" not in page.url


def test_a_phone_shows_the_whole_name_of_the_gallery(new_page):
    page = new_page(viewport={"width": 390, "height": 844})
    choice = visible_box(page.locator("#galleries"))
    assert choice["width"] > 300
    links = visible_box(page.locator("nav"))
    assert choice["y"] >= links["y"] + links["height"]


def test_the_choice_is_there_although_the_first_request_for_it_failed(page):
    page.route(
        "**/v1/galleries",
        lambda route: route.fulfill(content_type="application/json", body='{"galleries": ['),
        times=1,
    )
    page.reload()
    expect(page.locator("#galleries")).to_be_visible()
    expect(page.locator("#error")).to_be_hidden()


def test_an_address_with_a_gallery_that_is_gone_leads_to_any_other(browser, server):
    page = browser.new_page()
    page.goto(f"{server.url}?gallery=gone")
    expect(page.locator("#error")).to_contain_text("there is no gallery 'gone'")
    expect(page.locator("#galleries")).to_have_value("")
    choose(page, "sketches")
    expect(page.locator("#error")).to_be_hidden()
    page.close()


def test_explore_and_category_pages_show_the_chosen_gallery(new_page):
    page = new_page("?gallery=shapes#/explore")
    expect(page.locator("#explore .index li")).to_have_count(1)
    page.locator("#explore .index a").click()
    expect(page.locator("#category h1")).to_have_text("lollipop")
    expect(page.locator("#category header")).to_contain_text("12 drawings in this gallery")
    choose(page, "sketches")  # which has no such category
    expect(page.locator("#draw")).to_be_visible()
    page.locator("nav [data-view=explore]").click()
    expect(page.locator("#explore .index li")).to_have_count(2)
    choose(page, "shapes")
    expect(page.locator("#explore .index li")).to_have_count(1)


def test_a_drawing_added_to_one_gallery_is_not_listed_in_another(page):
    draw(page, STAR)
    wait_for_hits(page)
    page.locator("#add").click()
    page.locator("dialog").get_by_role("button", name="Add it").click()
    expect(page.locator("#mine .hit")).to_have_count(1)
    choose(page, "shapes")
    expect(page.locator("#mine")).to_be_hidden()
    choose(page, "sketches")
    page.locator("#mine .act").click()
    expect(page.locator("#mine")).to_be_hidden()


def test_where_the_gallery_votes_it_learns_from_a_drawing(new_page):
    page = new_page("?gallery=signs")
    draw(page, STAR)
    expect(page.locator("#guess .name a")).to_have_text("sign")
    page.get_by_role("button", name="No, this is a").click()
    field = page.locator("dialog input[name=category]")
    expect(field).to_have_value("")
    field.fill("spark")
    page.locator("dialog").get_by_role("button", name="Add it").click()
    expect(page.locator("#guess .name a")).to_have_text("spark")
    page.locator("#mine .act").click()
    expect(page.locator("#guess .name a")).to_have_text("sign")
