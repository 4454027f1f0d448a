"""Explore: the map of the gallery and the pages of its categories."""

from __future__ import annotations

import numpy as np
import pytest
from pens import draw, key_ids, until, visible_box, wait_for_hits
from playwright.sync_api import expect
from sketches import sketch

#: Colours on the map that are not its paper.
N_COLOURS = """() => {
  const canvas = document.querySelector("#explore canvas");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


def open_map(page) -> None:
    page.get_by_role("link", name="Explore").click()
    expect(page.locator(".chart .progress")).to_be_hidden()
    until(page, f"({N_COLOURS})() > 4")


def place_of(page, key_id: str) -> tuple[float, float]:
    """Where a drawing is on the screen, seeing the whole map."""
    x, y = page.evaluate(
        """async (id) => {
          const map = await (await fetch("v1/map")).json();
          const row = map.key_id.indexOf(id);
          return [map.x, map.y].map((all) => {
            const low = Math.min(...all);
            return (all[row] - low) / (Math.max(...all) - low);
          });
        }""",
        key_id,
    )
    box = visible_box(page.locator(".chart .over"))
    width = 0.92 * min(box["width"], 1.8 * box["height"])
    height = 0.92 * min(box["height"], 1.8 * box["width"])
    return (
        box["x"] + box["width"] / 2 + (x - 0.5) * width,
        box["y"] + box["height"] / 2 + (y - 0.5) * height,
    )


def some_key_id(page, category: str) -> str:
    return page.evaluate(
        "(name) => fetch(`v1/drawings?category=${name}&limit=1`).then((a) => a.json())"
        ".then(({drawings}) => drawings[0].key_id)",
        category,
    )


def test_the_map_shows_every_category_in_its_colour(page):
    open_map(page)
    assert page.evaluate(N_COLOURS) >= 8 + 1
    assert "96 drawings" in page.locator(".explore-head").inner_text()
    names = page.locator(".index li a span:first-of-type").all_inner_texts()
    assert "star" in names
    fills = {dot.get_attribute("fill") for dot in page.locator(".index circle").all()}
    assert len(fills) == len(names) == 8


def test_pointing_at_the_map_shows_the_drawing_and_choosing_searches_from_it(page):
    open_map(page)
    zigzag = some_key_id(page, "zigzag")
    page.mouse.move(*place_of(page, zigzag))
    expect(page.locator(".peek")).to_contain_text("zigzag")
    expect(page.locator(".peek svg path").first).to_be_attached()
    page.mouse.down()
    page.mouse.up()
    page.get_by_role("button", name="Search with it").click()
    wait_for_hits(page)
    assert key_ids(page)[0] == zigzag


def test_nearby_points_of_the_map_become_drawings(page):
    open_map(page)
    whole = page.evaluate(N_COLOURS)
    with page.expect_request("**/v1/drawings/*"):
        page.mouse.move(*place_of(page, some_key_id(page, "house")))
        for _ in range(6):
            page.mouse.wheel(0, -200)
    until(page, f"({N_COLOURS})() !== {whole}")
    before = page.evaluate(N_COLOURS)
    page.locator(".chart .over").focus()
    for _ in range(12):
        page.keyboard.press("-")
    until(page, f"({N_COLOURS})() !== {before}")


def test_drawings_on_the_map_do_not_overlap(new_page):
    page = new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_map(page)
    page.wait_for_load_state("networkidle")
    shown = [url.rpartition("/")[2] for url in asked if "/v1/drawings/" in url]
    places = np.array([place_of(page, key_id) for key_id in shown])
    gaps = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(len(places), 1)]
    assert 8 <= len(shown) < 96
    assert gaps.min() > 34  # the least side of a drawing


def test_a_search_marks_its_neighbours_on_the_map(page):
    open_map(page)
    rings = """() => {
      const canvas = document.querySelector(".chart .over");
      const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let n = 0;  // pixels in red pencil
      for (let i = 0; i < data.length; i += 4) {
        n += data[i] > 160 && data[i + 1] < 70 && data[i + 3] > 200;
      }
      return n;
    }"""
    assert page.evaluate(rings) == 0
    expect(page.locator(".chart .legend")).to_be_hidden()
    page.get_by_role("link", name="Draw", exact=True).click()
    draw(page, sketch("star", 920))
    wait_for_hits(page)
    page.get_by_role("link", name="Explore").click()
    until(page, f"({rings})() > 200")
    expect(page.locator(".chart .legend")).to_contain_text("24 drawings most like yours")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_ring_is_cut_at_the_edge_of_the_map(new_page, width):
    page = new_page(viewport={"width": width, "height": 800})
    open_map(page)
    page.get_by_role("link", name="Draw", exact=True).click()
    draw(page, sketch("star", 920))
    wait_for_hits(page)
    for n in (48, 72, 96):  # rings all over the map
        page.get_by_role("button", name="More").click()
        expect(page.locator("#hits .hit")).to_have_count(n)
    page.evaluate("""() => {
      window.rings = [];
      const {arc, stroke} = CanvasRenderingContext2D.prototype;
      let room = 0;
      CanvasRenderingContext2D.prototype.arc = function (x, y, radius, ...rest) {
        const {clientWidth, clientHeight} = this.canvas;
        room = Math.min(x, y, clientWidth - x, clientHeight - y) - radius - this.lineWidth / 2;
        return arc.call(this, x, y, radius, ...rest);
      };
      CanvasRenderingContext2D.prototype.stroke = function (...path) {
        if (!path.length) window.rings.push(room);
        return stroke.apply(this, path);
      };
    }""")
    page.get_by_role("link", name="Explore").click()
    until(page, "rings.length >= 96")
    assert min(page.evaluate("rings")) >= 0


def test_the_map_fills_the_view_and_moving_it_never_loses_its_points(page):
    open_map(page)
    extent = """() => {
      const canvas = document.querySelector("#explore canvas");
      const {width, height} = canvas;
      const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
      const pixels = new Uint32Array(data.buffer);
      const [xs, ys] = [[], []];
      pixels.forEach((pixel, i) => {
        if (pixel === pixels[0]) return;
        xs.push(i % width);
        ys.push(Math.floor(i / width));
      });
      const share = (all, size) =>
        (all.reduce((a, b) => Math.max(a, b)) - all.reduce((a, b) => Math.min(a, b))) / size;
      return xs.length ? [share(xs, width), share(ys, height)] : [0, 0];
    }"""
    whole = page.evaluate(extent)
    assert min(whole) > 0.85
    chart = page.locator(".chart .over")
    box = visible_box(chart)
    for _ in range(8):
        page.get_by_role("button", name="Zoom in").click()
    for start, end in ((0.9, 0.1), (0.1, 0.9)):
        for _ in range(12):
            page.mouse.move(box["x"] + start * box["width"], box["y"] + start * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + end * box["width"], box["y"] + end * box["height"], steps=4)
            page.mouse.up()
        until(page, f"({N_COLOURS})() > 1")
    page.get_by_role("button", name="Show all").click()
    until(page, f"(({extent})()).every((share, i) => Math.abs(share - {whole}[i]) < 0.02)")


def test_a_name_on_the_map_stands_at_a_drawing_of_its_category(page):
    centres = page.evaluate("""async () => {
      const {Positions} = await import("./static/script/map/positions.js");
      const map = {x: [0, 10, 5], y: [10, 0, 5], category: [0, 0, 1], categories: ["a", "b"]};
      return new Positions({...map, key_id: ["1", "2", "3"]}).centres;
    }""")
    assert centres == [
        {"x": 0, "y": 1, "n": 2},  # not (1, 1), the two medians
        {"x": 0.5, "y": 0.5, "n": 1},
    ]


def test_hiding_categories_numbers_no_list_anew(page):
    # Chromium takes half a minute to hide 7,000 items that are numbered.
    open_map(page)
    page.get_by_role("searchbox", name="Find a category").fill("sta")
    shown = page.locator(".index li:not([hidden])")
    expect(shown).to_have_count(2)  # stairs, star
    displays = page.evaluate(
        "[...document.querySelectorAll('li')].map((item) => getComputedStyle(item).display)"
    )
    assert len(displays) >= 8
    assert "list-item" not in displays


def test_a_late_failure_does_not_show_on_another_category_page(page):
    page.evaluate("""() => {
      const ask = fetch;
      window.fetch = (path, options) => path.endsWith("/house")
        ? new Promise((_, refuse) => (window.failLate = () => refuse(new TypeError("away"))))
        : ask(path, options);
    }""")
    for name in ("house", "star"):
        page.evaluate("(name) => { location.hash = `#/category/${name}` }", name)
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.locator("#category .back")).to_have_count(1)
    page.evaluate("failLate()")
    page.wait_for_timeout(200)
    assert page.locator("#category .back").count() == 1
    assert "drawings in this gallery" in page.locator("#category header").inner_text()


def test_the_page_of_a_category_has_typical_odd_and_confused(page):
    about = page.request.get(page.url + "v1/categories/star").json()
    page.goto(page.url + "#/category/star")
    view = page.locator("#category")
    expect(view.get_by_role("heading", name="star")).to_be_visible()
    for title in ("Typical", "Confused with"):
        expect(view.get_by_role("heading", name=title)).to_be_visible()
    expect(view.get_by_role("heading", name="Odd")).to_have_count(1 if about["odd"] else 0)
    expect(view.locator(".hit")).to_have_count(len(about["typical"]) + len(about["odd"]))
    view.get_by_role("button", name="See all 12").click()
    expect(view.locator(".every .hit")).to_have_count(12)
    expect(view.get_by_role("button", name="More")).to_be_hidden()
    view.locator(".hit .look").first.click()
    wait_for_hits(page)
    expect(page.locator("#guess .name a")).to_have_text("star")


def test_a_category_whose_drawings_are_all_shown_calls_none_of_them_typical(page):
    server = page.url.partition("#")[0]
    added = page.request.post(
        f"{server}v1/drawings",
        data={"key_id": "only", "drawing": sketch("star", 5).to_lists(), "category": "only one"},
    )
    assert added.status == 201
    try:
        page.goto(f"{server}#/category/only%20one")
        view = page.locator("#category")
        expect(view.locator(".hit")).to_have_count(1)
        expect(view.get_by_role("heading", level=2).first).to_have_text("All")
        expect(view.get_by_role("heading", name="Typical")).to_have_count(0)
    finally:
        page.request.delete(f"{server}v1/drawings/only")


def test_a_drawing_that_was_hidden_stays_hidden_when_more_are_shown(page):
    page.route(
        "**/v1/drawings?category=star&limit=48*",
        lambda route: route.continue_(url=route.request.url.replace("limit=48", "limit=5")),
    )
    page.goto(page.url + "#/category/star")
    view = page.locator("#category")
    view.get_by_role("button", name="See all 12").click()
    expect(view.locator(".every .hit")).to_have_count(5)
    hidden = key_ids(page, "#category .every")[0]
    view.locator(f".every [data-key='{hidden}'] .act").click()
    page.get_by_role("button", name="Hide it").click()
    expect(view.locator(".every .hit")).to_have_count(4)
    view.get_by_role("button", name="More").click()
    expect(view.locator(".every .hit")).to_have_count(9)
    assert hidden not in key_ids(page, "#category .every")
    page.request.post(f"{page.url.partition('#')[0]}v1/drawings/{hidden}/restore")


def test_pages_of_categories_leave_nothing_behind(page):
    session = page.context.new_cdp_session(page)

    def n_nodes_after_visits() -> int:
        for name in ("star", "house", "star"):
            page.evaluate("(name) => { location.hash = `#/category/${name}` }", name)
            expect(page.locator("#category h1")).to_have_text(name)
            expect(page.locator("#category .back")).to_be_attached()
        session.send("HeapProfiler.collectGarbage")
        return session.send("Memory.getDOMCounters")["nodes"]

    n_nodes = n_nodes_after_visits()
    assert n_nodes_after_visits() < n_nodes + 100


def test_a_category_without_drawings_shows_a_message_and_logs_no_error(new_page):
    page = new_page("#/category/teapot")
    expect(page.locator("#category header")).to_contain_text("no drawing of it in this gallery")
    expect(page.get_by_role("link", name="All categories")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_buttons_and_the_legend_stand_below_the_map(new_page, width):
    page = new_page(viewport={"width": width, "height": 800})
    draw(page, sketch("star", 921))
    wait_for_hits(page)
    page.get_by_role("link", name="Explore").click()
    expect(page.locator(".chart .legend")).to_be_visible()
    over = visible_box(page.locator(".chart .over"))
    legend = visible_box(page.locator(".chart .legend"))
    zoom = visible_box(page.locator(".chart .zoom"))
    for box in (legend, zoom):
        assert box["y"] >= over["y"] + over["height"]
    assert legend["x"] + legend["width"] <= zoom["x"]
    assert page.locator(".chart .legend").evaluate("(one) => one.scrollHeight <= one.clientHeight")


def test_a_drawing_that_did_not_arrive_is_fetched_again(page):
    page.route(  # before the map asks for what it shows
        "**/v1/drawings/*",
        lambda route: route.fulfill(content_type="application/json", body='{"key_id": '),
    )
    open_map(page)
    place = place_of(page, some_key_id(page, "ladder"))
    with page.expect_response("**/v1/drawings/*"):
        page.mouse.move(*place)
    expect(page.locator(".peek")).to_contain_text("ladder")
    page.unroute_all(behavior="wait")
    page.mouse.move(place[0], place[1] - 200)
    expect(page.locator(".peek")).to_be_hidden()
    page.mouse.move(*place)
    expect(page.locator(".peek svg path").first).to_be_attached()


def test_a_chosen_drawing_is_left_behind_when_the_map_moves(page):
    open_map(page)
    place = place_of(page, some_key_id(page, "ladder"))
    page.mouse.click(*place, button="right")
    expect(page.locator(".peek.chosen")).to_have_count(0)
    for move in (
        lambda: page.locator(".chart .over").press("ArrowLeft"),
        lambda: page.get_by_role("button", name="Zoom in").click(),
        lambda: page.get_by_role("button", name="Show all").click(),
    ):
        page.get_by_role("button", name="Show all").click()
        page.mouse.click(*place)
        expect(page.locator(".peek.chosen")).to_be_visible()
        move()
        expect(page.locator(".peek")).to_be_hidden()


def test_skipping_to_the_content_stays_in_the_view(page):
    open_map(page)
    page.locator(".skip").press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    expect(page.locator("#explore")).to_be_visible()
    assert page.evaluate("location.hash") == "#/explore"


def test_a_drawing_without_a_category_has_no_link_to_one(page):
    def without_category(route):
        document = route.fetch().json()
        if "categories" in document:
            document["categories"][document["categories"].index("ladder")] = ""
        else:
            document["category"] = None
        route.fulfill(json=document)

    page.route("**/v1/map", without_category)
    page.route("**/v1/drawings/*", without_category)
    open_map(page)
    page.mouse.click(*place_of(page, some_key_id(page, "ladder")))
    expect(page.locator(".peek.chosen")).to_contain_text("no category")
    expect(page.locator(".peek svg path").first).to_be_attached()
    expect(page.locator(".peek a")).to_have_count(0)
    page.unroute_all(behavior="ignoreErrors")  # other drawings of the map may still come
