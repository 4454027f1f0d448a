"""Hands for the tests: draw a drawing on the page with the mouse or a finger."""

from __future__ import annotations

import time

from garabato import Drawing

TIMEOUT_S = 45


PAD = "#pad"


def draw(page, drawing: Drawing, *, strokes: slice = slice(None), pad: str = PAD) -> None:
    """Draw with the mouse, in the middle of the pad."""
    for points in places(page, drawing, pad)[strokes]:
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()


def touch(page, drawing: Drawing, *, pad: str = PAD) -> None:
    """Draw with a finger: touches as the browser's own driver makes them."""
    session = page.context.new_cdp_session(page)

    def finger(kind: str, points: list[tuple[float, float]]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    for points in places(page, drawing, pad):
        finger("touchStart", points[:1])
        for point in points[1:]:
            finger("touchMove", [point])
        finger("touchEnd", [])


def places(page, drawing: Drawing, pad: str = PAD) -> list[list[tuple[float, float]]]:
    """Where the points of the drawing's strokes are on the screen."""
    box = visible_box(page.locator(pad))
    scale, left, top = (
        0.7 * box["width"] / 255,
        box["x"] + 0.15 * box["width"],
        box["y"] + 0.15 * box["height"],
    )
    return [
        [(left + scale * x, top + scale * y) for x, y in stroke.T.tolist()]
        for stroke in drawing.normalised().strokes
    ]


def visible_box(locator) -> dict[str, float]:
    """Where an element is, once it is visible. (Playwright's own call doesn't wait for that.)"""
    locator.wait_for()
    return locator.bounding_box()


def guess(page) -> str:
    """The category in large letters."""
    return str(page.locator("#guess .name a").inner_text())


def hits(page) -> list[str]:
    """The categories of the hits, best first."""
    return list(page.locator("#hits .hit .about a").all_inner_texts())


def key_ids(page, place: str = "#hits") -> list[str]:
    """The key_ids of the drawings in a grid, in order."""
    return [hit.get_attribute("data-key") for hit in page.locator(f"{place} .hit").all()]


def wait_for_hits(page) -> None:
    """Wait until the answer to the last stroke is on the page."""
    page.wait_for_selector("#found[aria-busy=false] .hit")


def until(page, condition: str) -> None:
    """Wait until a JavaScript expression is true. (Playwright's own wait needs eval, which the
    page's content security policy forbids.)"""
    end = time.monotonic() + TIMEOUT_S
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"still not so after {TIMEOUT_S} s: {condition}"
        page.wait_for_timeout(30)
