"""Teach the encoder a category on the page."""

from __future__ import annotations

from pens import draw, guess, visible_box, wait_for_hits
from playwright.sync_api import expect
from sketches import sketch

import garabato

#: An odd shape that is none of the encoder's categories: a coil on a base.
COILS = [
    garabato.Drawing(
        [
            [[10 + 3 * i for i in range(20)], [60 + (40 + n) * (-1) ** i for i in range(20)]],
            [[5, 75], [125 + n, 125 + n]],
        ]
    )
    for n in range(3)
]


def teach(page, name: str) -> None:
    page.get_by_role("button", name="No, this is a").click()
    page.locator("dialog input[name=category]").fill(name)
    page.locator("dialog").get_by_role("button", name="Teach it").click()


def taught(page):
    return page.locator("#taught .chip")


def test_a_category_is_taught_from_two_drawings_named_at_once_and_removed(page):
    name = "constructor"  # every object of JavaScript has a property of this name
    draw(page, COILS[0])
    wait_for_hits(page)
    before = guess(page)
    teach(page, name)
    expect(page.locator("dialog")).to_have_count(0)
    expect(taught(page)).to_have_text([f"{name}1"])
    expect(page.locator("#guess .name a")).to_have_text(name)
    page.locator("#clear").click()
    draw(page, COILS[1])
    wait_for_hits(page)
    teach(page, name)
    expect(taught(page)).to_have_text([f"{name}2"])
    page.get_by_role("button", name=f"Remove {name}").click()
    expect(page.locator("#taught")).to_be_hidden()
    page.locator("#clear").click()
    draw(page, COILS[0])
    expect(page.locator("#guess .name a")).to_have_text(before)


def test_a_category_of_the_encoder_or_taught_elsewhere_is_not_replaced(new_page):
    page, other = new_page(), new_page()
    draw(page, COILS[2])
    wait_for_hits(page)
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        teach(page, "star of mine")
    draw(other, sketch("star", 910))
    wait_for_hits(other)
    teach(other, "star of mine")
    dialog = other.locator("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("taught elsewhere from 1 drawing")
    page.get_by_role("button", name="Remove star of mine").click()
    expect(page.locator("#taught")).to_be_hidden()


def test_what_was_taught_stays_if_the_list_of_it_does_not_arrive(page):
    draw(page, COILS[2])
    wait_for_hits(page)
    teach(page, "coil of mine")
    expect(taught(page)).to_have_text(["coil of mine1"])
    page.route(
        "**/v1/encoder/categories",
        lambda route: route.fulfill(content_type="application/json", body='{"categories": ['),
    )
    teach(page, "coil of mine")
    dialog = page.locator("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("The server does not respond")
    page.unroute_all(behavior="wait")
    dialog.get_by_role("button", name="Teach it").click()
    expect(taught(page)).to_have_text(["coil of mine2"])
    page.get_by_role("button", name="Remove coil of mine").click()
    expect(page.locator("#taught")).to_be_hidden()


def test_on_a_phone_the_error_of_a_form_stands_above_its_buttons(new_page):
    page = new_page(viewport={"width": 390, "height": 844})
    draw(page, COILS[0])
    wait_for_hits(page)
    page.route("**/v1/encoder/categories", lambda route: route.fulfill(body="{"))
    teach(page, "coil")
    error = visible_box(page.locator("dialog").get_by_role("alert"))
    buttons = visible_box(page.locator("dialog .actions"))
    assert error["y"] + error["height"] <= buttons["y"]
