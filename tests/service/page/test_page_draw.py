"""Draw on the page, and it says what it is and finds the like."""

from __future__ import annotations

import contextlib
import io

import pytest
from pens import draw, guess, hits, key_ids, places, touch, until, wait_for_hits
from PIL import Image, ImageDraw
from playwright.sync_api import expect
from sketches import sketch

from garabato import load_encoder

STAR, STAIRS = sketch("star", 900), sketch("stairs", 901)


def test_a_drawing_made_with_the_mouse_gets_its_category_and_hits(page):
    draw(page, STAR)
    wait_for_hits(page)
    assert guess(page) == "star"
    assert len(hits(page)) == 24
    assert hits(page)[:8] == ["star"] * 8
    first = page.locator("#guess .bars li").first.inner_text().split("\n")
    assert first[0] == "star"
    assert int(first[-1].strip("><% ")) > 90
    assert page.locator("#hits .hit").first.locator("svg path").count() >= 1


@pytest.mark.parametrize("width_px", [390, 700, 950, 1240, 1700])
def test_the_name_of_the_category_is_not_broken_within_a_word(new_page, width_px):
    page = new_page(viewport={"width": width_px, "height": 800})
    draw(page, STAR)
    wait_for_hits(page)
    name = page.locator("#guess .name a")
    height_px = name.evaluate("a => a.getBoundingClientRect().height")
    # the longest word of all 345 categories
    name.evaluate("a => { a.firstChild.textContent = 'rollerskates'; }")
    assert name.evaluate("a => a.getBoundingClientRect().height") == height_px


def test_more_shows_the_next_24_hits_and_a_new_stroke_starts_over(page):
    draw(page, STAR)
    wait_for_hits(page)
    first = key_ids(page)
    page.get_by_role("button", name="More", exact=True).click()
    expect(page.locator("#hits .hit")).to_have_count(48)
    assert key_ids(page)[:24] == first
    draw(page, STAIRS)
    expect(page.locator("#hits .hit")).to_have_count(24)


def test_results_come_while_the_pen_is_still_down(page):
    (stroke,) = places(page, STAR)
    page.mouse.move(*stroke[0])
    page.mouse.down()
    for point in stroke[1:]:
        page.mouse.move(*point)
    expect(page.locator("#guess .name a")).to_have_text("star")
    expect(page.locator("#hits .hit")).to_have_count(24)
    page.mouse.up()


def test_drawing_with_a_finger_does_not_scroll_the_page(new_page):
    page = new_page(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844})
    touch(page, STAIRS)
    wait_for_hits(page)
    assert guess(page) == "stairs"
    assert page.evaluate("scrollY") == 0  # drawing does not scroll


def test_a_pen_that_presses_draws_broader(page):
    ink = """(pressures) => {
      const canvas = document.getElementById("pad");
      const {left, top} = canvas.getBoundingClientRect();
      const at = (type, x, pressure) => canvas.dispatchEvent(new PointerEvent(type, {
        pointerId: 1, pointerType: "pen", clientX: left + x, clientY: top + 90, pressure}));
      canvas.setPointerCapture = () => {};
      at("pointerdown", 50, pressures);
      at("pointermove", 250, pressures);
      at("pointerup", 250, 0);
      return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        document.getElementById("undo").click();
        done(data.filter((value, i) => i % 4 === 3 && value > 128).length);
      })));
    }"""
    assert page.evaluate(ink, 0.9) > 1.5 * page.evaluate(ink, 0.2)


def test_undo_redo_and_clear_change_the_drawing_and_its_hits(page):
    house = sketch("house", 905)
    draw(page, house)
    wait_for_hits(page)
    whole = guess(page)
    assert whole == "house"
    for _ in house.strokes:
        page.locator("#undo").click()
    expect(page.locator("#invitation")).not_to_have_class("gone")
    expect(page.locator("#undo")).to_be_disabled()
    for _ in house.strokes:
        page.keyboard.press("Control+Shift+Z")
    wait_for_hits(page)
    assert guess(page) == whole
    page.locator("#clear").click()
    expect(page.locator("#found")).to_be_hidden()
    page.locator("#undo").click()  # clearing can be undone
    wait_for_hits(page)
    assert guess(page) == whole


def test_a_stroke_undone_while_the_button_is_down_stays_undone(page):
    (stroke,) = places(page, STAR)
    draw(page, STAIRS)
    wait_for_hits(page)
    page.mouse.move(*stroke[0])
    page.mouse.down()
    page.mouse.move(*stroke[1])
    page.keyboard.press("Control+Z")
    for point in stroke[2:]:
        page.mouse.move(*point)
    page.mouse.up()
    wait_for_hits(page)
    assert guess(page) == "stairs"
    page.locator("#undo").click()
    expect(page.locator("#undo")).to_be_disabled()
    draw(page, STAIRS)  # the mouse draws as before
    wait_for_hits(page)
    assert guess(page) == "stairs"


def test_undoing_a_stroke_lifts_the_keyboard_pen(page):
    page.locator("#pad").focus()
    for key in ("Space", "Shift+ArrowRight", "Control+Z", "Shift+ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("#spoken")).to_have_text("Pen up")
    expect(page.locator("#invitation")).not_to_have_class("gone")
    for key in ("Space", "Shift+ArrowDown", "Space"):  # down and up again, not up and down
        page.keyboard.press(key)
    expect(page.locator("#spoken")).to_have_text("Pen up")
    page.locator("#undo").click()
    expect(page.locator("#undo")).to_be_disabled()


def test_a_picture_pasted_in_mid_stroke_replaces_the_drawing(page):
    stroke = places(page, STAIRS)[0]
    page.mouse.move(*stroke[0])
    page.mouse.down()
    page.mouse.move(*stroke[1])
    page.evaluate(HAND_OVER, ["paste", "star.svg", "image/svg+xml", list(svg_of(STAR))])
    expect(page.locator("#guess .name a")).to_have_text("star")
    for point in stroke[2:]:
        page.mouse.move(*point)
    page.mouse.up()
    wait_for_hits(page)
    assert guess(page) == "star"


def test_replay_draws_the_drawing_again(page):
    draw(page, STAR)
    wait_for_hits(page)
    inked = """() => {
      const {width, height} = document.getElementById("pad");
      const context = document.getElementById("pad").getContext("2d");
      const {data} = context.getImageData(0, 0, width, height);
      return data.filter((value, i) => i % 4 === 3 && value).length;
    }"""
    whole = page.evaluate(inked)
    page.evaluate(f"""() => {{
      window.least = Infinity;  // a busy machine may look again only when the replay is over
      const look = () => {{
        window.least = Math.min(window.least, ({inked})());
        requestAnimationFrame(look);
      }};
      look();
    }}""")
    page.locator("#replay").click()
    until(page, f"least < {whole} * 0.8")
    until(page, f"({inked})() === {whole}")


def test_an_unsure_prediction_is_shown_as_unsure(page):
    draw(page, sketch("lollipop", 900))  # which could be many things
    wait_for_hits(page)
    assert page.locator("#guess .says").inner_text() == "Not sure yet. Perhaps"
    shares = page.locator("#guess .bars .share").all_inner_texts()
    assert int(shares[0].strip("><% ")) < 100 * load_encoder().unsure_below
    page.locator("#clear").click()
    draw(page, STAR)
    expect(page.locator("#guess .says")).to_have_text("Looks like")


def test_a_drawing_that_shows_nothing_known_is_shown_as_such(page):
    for kind in ("triangle", "smiley face"):  # one over the other
        draw(page, sketch(kind, 900))
    wait_for_hits(page)
    expect(page.locator("#guess .says")).to_have_text("Nothing I know. Closest:")


@contextlib.contextmanager
def hold_the_first(page, url):
    """Hold the first request to `url`. The block must cause it, so that it is the right one."""
    held = []

    def hold(route):
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route(url, hold)
    with page.expect_request(url):
        yield held


def release(page, held):
    """Let the held request continue, and give the page time to show its response."""
    held[0].continue_()
    page.unroute_all(behavior="wait")
    page.wait_for_timeout(300)


def test_the_response_to_an_older_query_is_not_shown(page):
    with hold_the_first(page, "**/v1/search") as held:
        draw(page, STAR)
    page.locator("#clear").click()
    draw(page, STAIRS)
    expect(page.locator("#guess .name a")).to_have_text("stairs")
    release(page, held)
    assert guess(page) == "stairs"


def test_choosing_a_hit_searches_for_similar_drawings(page):
    draw(page, STAR)
    wait_for_hits(page)
    chosen = key_ids(page)[3]
    page.locator("#hits .hit .look").nth(3).click()
    until(page, f"document.querySelector('#hits .hit').dataset.key === '{chosen}'")
    page.locator("#undo").click()  # and back to the drawing of one's own
    until(page, f"document.querySelector('#hits .hit').dataset.key !== '{chosen}'")


#: Animations stay at their start: they are over soon, and a busy machine looks late.
PAUSE_ANIMATIONS = """() => {
  const {animate} = Element.prototype;
  Element.prototype.animate = function (...how) {
    const animation = animate.apply(this, how);
    animation.pause();
    return animation;
  };
}"""


def test_a_hit_draws_itself_while_pointed_at_unless_motion_is_unwelcome(new_page):
    for motion, animated in (("no-preference", True), ("reduce", False)):
        page = new_page(reduced_motion=motion)
        draw(page, STAIRS)
        wait_for_hits(page)
        page.evaluate(PAUSE_ANIMATIONS)
        page.locator("#hits .hit .look").first.hover()
        running = "document.querySelector('#hits .hit svg').getAnimations({subtree: true}).length"
        assert (page.evaluate(running) > 0) == animated


def test_only_drawings_that_pass_the_filters_are_shown(page):
    draw(page, STAR)
    wait_for_hits(page)
    categories = page.get_by_label("Only these categories")
    categories.fill("zigzag")
    categories.press("Enter")
    until(page, "document.querySelector('#hits .about a').textContent === 'zigzag'")
    assert set(hits(page)) == {"zigzag"}
    page.locator("#filters select").select_option("DE")
    until(page, "document.querySelectorAll('#hits .hit').length < 12")
    titles = [look.get_attribute("title") for look in page.locator("#hits .look").all()]
    assert titles
    assert all("Germany" in title for title in titles)
    page.get_by_role("button", name="Remove filter: zigzag").click()
    page.get_by_role("button", name="Remove filter: Germany").click()
    until(page, "document.querySelector('#hits .about a').textContent === 'star'")


def picture_of(drawing, kind: str) -> bytes:
    image = Image.new("L", (300, 300), 255)
    pen = ImageDraw.Draw(image)
    for stroke in drawing.normalised().strokes:
        pen.line([(20 + x, 20 + y) for x, y in stroke.T.tolist()], fill=0, width=5, joint="curve")
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def svg_of(drawing) -> bytes:
    lines = [
        " ".join(f"{x:.0f},{y:.0f}" for x, y in stroke.T.tolist())
        for stroke in drawing.normalised().strokes
    ]
    shapes = "".join(f'<polyline points="{line}" fill="none" stroke="black"/>' for line in lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 255 255">{shapes}</svg>'.encode()


def ndjson_of(drawing) -> bytes:
    from sketches import simplified_line

    return simplified_line(drawing).encode() + b"\n"


FILES = {
    "star.png": ("image/png", picture_of(STAR, "PNG")),
    "star.jpg": ("image/jpeg", picture_of(STAR, "JPEG")),
    "star.svg": ("image/svg+xml", svg_of(STAR)),
    "star.ndjson": ("", ndjson_of(STAR)),
}
#: Dispatches an event with a file in it: ("paste" or "drop", name, type, bytes).
HAND_OVER = """([event, name, type, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
  const given = event === "paste" ? {clipboardData: transfer} : {dataTransfer: transfer};
  const kind = event === "paste" ? ClipboardEvent : DragEvent;
  document.body.dispatchEvent(new kind(event, {...given, bubbles: true, cancelable: true}));
}"""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_picture_is_a_query_when_it_is_pasted_or_dropped(page, event, name):
    kind, content = FILES[name]
    page.evaluate(HAND_OVER, [event, name, kind, list(content)])
    wait_for_hits(page)
    assert guess(page) == "star"


def test_svg_code_is_pasted_as_a_drawing(page):
    page.evaluate(
        """(code) => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", code);
          document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true}));
        }""",
        svg_of(STAIRS).decode(),
    )
    wait_for_hits(page)
    assert guess(page) == "stairs"


def test_a_file_is_opened_with_the_button(page):
    with page.expect_file_chooser() as chooser:
        page.locator("#open").click()
    chooser.value.set_files(
        {"name": "star.png", "mimeType": "image/png", "buffer": FILES["star.png"][1]}
    )
    wait_for_hits(page)
    assert guess(page) == "star"


def test_a_shared_address_opens_with_the_drawing(new_page):
    page = new_page()
    draw(page, STAIRS)
    wait_for_hits(page)
    page.locator("#share").click()
    until(page, "location.hash.startsWith('#d=')")
    expect(page.locator("#toasts")).to_contain_text("Anyone who opens it sees your drawing")
    fragment = page.evaluate("location.hash")
    assert len(fragment) < 1000
    friend = new_page(fragment)
    wait_for_hits(friend)
    assert guess(friend) == "stairs"
    assert key_ids(friend) == key_ids(page)


def test_the_page_reports_an_incomplete_drawing_in_its_address(new_page):
    page = new_page("#d=AQUAAAAA")
    assert "incomplete" in page.locator("#error").inner_text()


def test_a_drawing_that_was_shared_and_drawn_on_stays_on_the_way_back(page):
    draw(page, STAIRS)
    wait_for_hits(page)
    page.locator("#share").click()
    until(page, "location.hash.startsWith('#d=')")
    shared = page.evaluate("location.hash")
    draw(page, STAR)
    wait_for_hits(page)
    assert page.evaluate("location.hash") == "#/"
    page.get_by_role("link", name="Explore").click()
    page.go_back()
    page.locator("#share").click()
    until(page, "location.hash.startsWith('#d=')")
    assert len(page.evaluate("location.hash")) > len(shared)  # stairs and star


def test_a_file_that_takes_long_does_not_replace_a_later_one(page):
    with hold_the_first(page, "**/v1/classify") as held:
        page.evaluate(HAND_OVER, ["paste", "star.png", "image/png", list(FILES["star.png"][1])])
    page.evaluate(HAND_OVER, ["paste", "stairs.svg", "image/svg+xml", list(svg_of(STAIRS))])
    expect(page.locator("#guess .name a")).to_have_text("stairs")
    release(page, held)
    assert guess(page) == "stairs"


def test_what_is_drawn_while_a_file_is_read_stays(page):
    with hold_the_first(page, "**/v1/classify") as held:
        page.evaluate(HAND_OVER, ["drop", "star.png", "image/png", list(FILES["star.png"][1])])
    draw(page, STAIRS)
    expect(page.locator("#guess .name a")).to_have_text("stairs")
    release(page, held)
    assert guess(page) == "stairs"


def lose(page, url):
    """Answer requests to `url` with half a document, as if the connection broke."""
    page.route(url, lambda route: route.fulfill(content_type="application/json", body='{"hits": ['))


def test_an_error_about_a_drawing_goes_with_it(page):
    lose(page, "**/v1/search")
    draw(page, STAR)
    expect(page.locator("#error")).to_contain_text("The server does not respond")
    page.locator("#clear").click()
    expect(page.locator("#error")).to_be_hidden()


def test_a_drawing_is_searched_again_after_the_connection_was_lost(page):
    lose(page, "**/v1/search")
    draw(page, STAR)
    expect(page.locator("#error")).to_have_text(
        "The server does not respond. Your drawing is safe here. Trying again …"
    )
    page.unroute_all(behavior="wait")
    expect(page.locator("#guess .name a")).to_have_text("star")
    expect(page.locator("#error")).to_be_hidden()


def test_a_dropped_picture_is_sent_again_after_the_connection_was_lost(page):
    lose(page, "**/v1/classify")
    page.evaluate(HAND_OVER, ["drop", "star.png", "image/png", list(FILES["star.png"][1])])
    expect(page.locator("#error")).to_contain_text("Trying again")
    page.unroute_all(behavior="wait")
    expect(page.locator("#guess .name a")).to_have_text("star")
    expect(page.locator("#error")).to_be_hidden()


def test_a_dropped_folder_is_refused(page, tmp_path):
    folder = tmp_path / "sketches"
    folder.mkdir()
    (x, y), *_ = places(page, STAR)[0]
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
    expect(page.locator("#error")).to_have_text(
        "“sketches” cannot be read. If it is a folder, open one of its files."
    )
