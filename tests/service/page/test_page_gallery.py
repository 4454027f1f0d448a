"""Add to the gallery, find it again, remove it, hide what should not be seen."""

from __future__ import annotations

from pens import draw, key_ids, until, wait_for_hits
from playwright.sync_api import expect
from sketches import sketch

STAR, STAIRS = sketch("star", 910), sketch("stairs", 911)
#: Drawings that an empty pad offers to start from.
N_SAMPLES = 6


def add(page, category: str) -> str:
    """Add what is on the pad as `category`; its key_id."""
    page.locator("#add").click()
    page.locator("dialog input[name=category]").fill(category)
    page.locator("dialog").get_by_role("button", name="Add it").click()
    expect(page.locator("dialog")).to_have_count(0)
    return key_ids(page, "#mine")[0]


def remove(page, key_id: str) -> None:
    page.locator(f"#mine [data-key='{key_id}'] .act").click()
    expect(page.locator(f"[data-key='{key_id}']")).to_have_count(0)


def test_a_drawing_added_on_the_page_is_found_at_once_and_gone_when_removed(page):
    draw(page, STAR)
    wait_for_hits(page)
    key_id = add(page, "my star")
    expect(page.locator("#hits .hit").first).to_have_attribute("data-key", key_id)
    assert page.locator("#hits .hit .about a").first.inner_text() == "my star"
    remove(page, key_id)
    wait_for_hits(page)
    assert key_id not in key_ids(page)
    expect(page.locator("#mine")).to_be_hidden()


def test_the_category_is_completed_from_all_that_are_known(page):
    draw(page, STAR)
    wait_for_hits(page)
    page.locator("#add").click()
    field = page.locator("dialog input[name=category]")
    assert field.input_value() == "star"  # the guess is offered
    names = page.locator(f"#{field.get_attribute('list')} option")
    assert names.count() >= 345
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_added_drawings_are_found_after_a_restart_of_the_server(new_page, server):
    page = new_page()
    draw(page, STAIRS)
    wait_for_hits(page)
    key_id = add(page, "my stairs")
    server.stop()
    server.start()
    page.reload()
    until(page, "document.getElementById('category-names').options.length > 0")
    assert key_ids(page, "#mine") == [key_id]
    draw(page, STAIRS)
    wait_for_hits(page)
    assert key_ids(page)[0] == key_id
    remove(page, key_id)


def test_two_tabs_agree_on_what_was_added(new_page):
    first = new_page()
    second = first.context.new_page()
    second.goto(first.url)
    until(second, "document.getElementById('category-names').options.length > 0")
    draw(first, STAR)
    draw(second, STAIRS)
    wait_for_hits(first)
    wait_for_hits(second)
    key_id = add(first, "of the first tab")
    expect(second.locator(f"#mine [data-key='{key_id}']")).to_have_count(1)
    assert second.locator("#guess .name a").inner_text() == "stairs"  # each has its own drawing
    remove(second, key_id)
    expect(first.locator(f"[data-key='{key_id}']")).to_have_count(0)


def test_a_hidden_drawing_leaves_all_results_and_an_operator_restores_it(new_page):
    page = new_page()
    draw(page, STAR)
    wait_for_hits(page)
    bad = key_ids(page)[0]
    page.locator(f"#hits [data-key='{bad}']").hover()
    page.locator(f"#hits [data-key='{bad}'] .act").click()
    page.get_by_label("Wrong category").check()
    page.get_by_role("button", name="Hide it").click()
    expect(page.locator(f"[data-key='{bad}']")).to_have_count(0)
    other = new_page()
    draw(other, STAR)
    wait_for_hits(other)
    assert bad not in key_ids(other)
    other.get_by_role("link", name="Hidden drawings").click()
    card = other.locator(f"#operator [data-key='{bad}']")
    expect(card).to_contain_text("star: Wrong category")
    card.get_by_role("button", name="Restore this star").click()
    expect(card).to_have_count(0)
    page.locator("#undo").click()
    page.locator("#redo").click()
    wait_for_hits(page)
    assert key_ids(page)[0] == bad


def test_an_empty_pad_searches_by_words(page):
    words = page.get_by_label("Or search by words")
    found = page.locator("#welcome .hit")
    expect(found).to_have_count(N_SAMPLES)
    words.fill("STA")
    expect(found).to_have_count(24)  # stars and stairs
    assert {name[:3] for name in found.locator(".about a").all_inner_texts()} == {"sta"}
    expect(page.locator("#welcome h3")).to_have_text("24 drawings with “STA”")
    words.fill("zeppelin")
    expect(found).to_have_count(0)
    expect(page.locator("#welcome h3")).to_have_text("No drawing has the words “zeppelin”")
    words.fill("")
    expect(found).to_have_count(N_SAMPLES)
    words.fill("stairs")
    expect(found).to_have_count(12)
    found.first.locator(".look").click()  # searches from it
    wait_for_hits(page)
    expect(page.locator("#welcome")).to_be_hidden()


def test_a_category_of_a_new_drawing_is_a_filter_at_once(page):
    draw(page, STAR)
    wait_for_hits(page)
    key_id = add(page, "Comet")
    categories = page.get_by_label("Only these categories")
    categories.fill("Comet")
    categories.press("Enter")
    expect(page.locator("#hits .hit")).to_have_count(1)
    assert key_ids(page) == [key_id]
    remove(page, key_id)


def test_a_drawing_is_added_where_the_browser_has_no_room_to_list_it(page):
    page.evaluate("""() => {
      for (let size = 2 ** 23; size >= 1; size /= 2) {
        try {
          while (true) localStorage.setItem(`full-${localStorage.length}`, "x".repeat(size));
        } catch {}
      }
    }""")
    draw(page, STAR)
    wait_for_hits(page)
    key_id = add(page, "star")
    expect(page.locator("#mine .hit")).to_have_count(1)
    remove(page, key_id)


def test_the_page_works_in_a_browser_that_refuses_storage(page):
    page.add_init_script("""
      for (const name of ["localStorage", "sessionStorage"]) {
        const get = () => {
          throw new DOMException("refused", "SecurityError");
        };
        Object.defineProperty(window, name, {get});
      }
    """)
    page.reload()
    added = []
    for drawing in (STAIRS, STAR):
        draw(page, drawing)
        wait_for_hits(page)
        added.insert(0, add(page, "mine"))
    assert key_ids(page, "#mine") == added
    for key_id in added:
        remove(page, key_id)


def test_hidden_drawings_are_listed_once_however_often_they_are_asked_for(page):
    key_id = page.evaluate("""async () => {
      const {drawings} = await (await fetch("v1/drawings?limit=1")).json();
      await fetch(`v1/drawings/${drawings[0].key_id}/hide`, {method: "POST"});
      return drawings[0].key_id;
    }""")
    page.get_by_role("link", name="Hidden drawings").click()
    card = page.locator(f"#operator [data-key='{key_id}']")
    expect(card).to_have_count(1)
    page.evaluate(
        "for (let i = 0; i < 3; i++) document.querySelector('#operator .token').requestSubmit()"
    )
    page.wait_for_load_state("networkidle")
    expect(card).to_have_count(1)
    card.get_by_role("button", name="Restore").click()
    expect(card).to_have_count(0)
