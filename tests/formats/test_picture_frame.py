"""Drawings on paper of four kinds in four lights, in every kind of frame."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from sketches import sketch

from garabato.formats.picture.ink import find_ink

Picture = npt.NDArray[np.uint8]  # (H, W, 3)

WIDTH, HEIGHT = 600, 450
DRAWINGS = ("house", "star", "spiral")
#: Colour of the paper and of the ink on it.
PAPERS = {
    "white": ((250, 250, 248), (40, 40, 45)),
    "cream": ((240, 228, 200), (30, 60, 160)),
    "grey": ((170, 168, 165), (60, 60, 60)),
    "black": ((45, 45, 50), (235, 235, 230)),
}
LIGHTS = ("even", "falling", "lamp", "shadow")


def ink_of(category: str) -> npt.NDArray[np.float32]:
    large = np.zeros((4 * HEIGHT, 4 * WIDTH), np.uint8)
    for stroke in sketch(category, 0).strokes:
        points = (stroke.T * (300 / 255) + (140, 70)) * 4
        cv2.polylines(large, [np.rint(points).astype(np.int32)], False, 255, 4 * 4)
    small = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def light_of(name: str) -> npt.NDArray[np.float32]:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32) / WIDTH
    if name == "falling":
        return 1 - 0.12 * xs
    if name == "lamp":
        return 0.65 + 0.35 * np.exp(-((xs - 0.4) ** 2 + (ys - 0.3) ** 2) / 0.3)
    if name == "shadow":
        return 0.75 + 0.25 / (1 + np.exp((ys + 0.3 * xs - 0.5) * 25))
    return np.ones_like(xs)


def page_of(category: str, paper: str, light: str) -> Picture:
    background, pen = (np.array(colour, np.float32) for colour in PAPERS[paper])
    ink = ink_of(category)[:, :, None]
    page = (background * (1 - ink) + pen * ink) * light_of(light)[:, :, None]
    grain = np.random.default_rng(0).standard_normal((HEIGHT, WIDTH, 1)) * 2.5
    return np.clip(np.rint(page + grain), 0, 255).astype(np.uint8)


def bordered(page: Picture, above: int, beside: int, colour: int) -> Picture:
    return cv2.copyMakeBorder(
        page, above, above, beside, beside, cv2.BORDER_CONSTANT, value=(colour,) * 3
    )


def deskewed(page: Picture, colour: int = 255) -> Picture:
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 4, 1)
    matrix[:, 2] += 20
    size = (WIDTH + 40, HEIGHT + 40)
    return cv2.warpAffine(page, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(colour,) * 3)


FRAMES: dict[str, Callable[[Picture], Picture]] = {
    "no frame": lambda page: page,
    "3 px of white": lambda page: bordered(page, 3, 3, 255),
    "3 px of black": lambda page: bordered(page, 3, 3, 0),
    "a white margin": lambda page: bordered(page, 120, 90, 255),
    "a black margin": lambda page: bordered(page, 60, 60, 0),
    "black letterbox bars": lambda page: bordered(page, 80, 0, 0),
    "white corners": deskewed,
}


def shows(found: Picture | None, truth: npt.NDArray[np.float32]) -> bool:
    """Whether both have ink at the same places of their boxes, give or take 4 px of 200."""
    if found is None:
        return False
    boxes = []
    for ink in (found.astype(np.float32) / 255, truth):
        mask = ink > 0.4
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)
        boxes.append(cv2.resize(cut, (200, 200), interpolation=cv2.INTER_NEAREST))
    near = [cv2.dilate(box, np.ones((9, 9), np.uint8)) for box in boxes]
    return all((a <= b).mean() > 0.995 for a, b in ((boxes[0], near[1]), (boxes[1], near[0])))


@pytest.mark.parametrize("frame", FRAMES)
def test_the_drawing_is_found_in_every_frame_on_every_paper_in_every_light(frame: str) -> None:
    wrong = []
    for category in DRAWINGS:
        truth = ink_of(category)
        if frame == "white corners":
            truth = 1 - deskewed(np.repeat(1 - truth[:, :, None], 3, axis=2) * 255)[:, :, 0] / 255
        for paper in PAPERS:
            for light in LIGHTS:
                found = find_ink(FRAMES[frame](page_of(category, paper, light)))
                if not shows(found, truth):
                    wrong.append((category, paper, light))
    assert wrong == []


def compressed(picture: Picture, quality: int) -> Picture:
    """What is left of a picture in a JPEG file."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, content = cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), settings)
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[:, :, ::-1]


@pytest.mark.parametrize("quality", [50, 75, 92])
@pytest.mark.parametrize(("n_px", "colour"), [(2, 0), (3, 0), (5, 255)])
def test_a_thin_frame_is_found_after_compression(n_px: int, colour: int, quality: int) -> None:
    wrong = []
    for paper in PAPERS:
        for light in LIGHTS:
            photo = bordered(page_of("house", paper, light), n_px, n_px, colour)
            if not shows(find_ink(compressed(photo, quality)), ink_of("house")):
                wrong.append((paper, light))
    assert wrong == []


@pytest.mark.parametrize("paper", ["white", "cream", "grey"])
def test_small_dark_corners_around_a_scan_are_found(paper: str) -> None:
    """Each edge has more of the paper's colour than of theirs."""
    inside = np.s_[30:-30, 30:-30]
    ink = deskewed(np.repeat(1 - ink_of("house")[:, :, None], 3, axis=2) * 255)[inside]
    scan = deskewed(page_of("house", paper, "even"), 0)[inside]
    assert shows(find_ink(compressed(scan, 60)), 1 - ink[:, :, 0] / 255)


@pytest.mark.parametrize("sides", [(45, 45, 55, 55), (0, 60, 0, 0)])
@pytest.mark.parametrize(
    ("paper", "pen", "fall"),
    [
        pytest.param((181, 144, 100), (40, 35, 35), 0, id="kraft"),
        pytest.param((120, 120, 120), (35, 35, 35), 0, id="grey card"),
        pytest.param((120, 120, 120), (35, 35, 35), 0.1, id="grey card in falling light"),
        pytest.param((50, 75, 62), (225, 225, 215), 0, id="chalkboard"),
    ],
)
def test_a_desk_beside_grainy_paper_is_no_ink(
    paper: tuple[int, int, int],
    pen: tuple[int, int, int],
    fall: float,
    sides: tuple[int, int, int, int],
) -> None:
    ink = ink_of("house")[:, :, None]
    photo = cv2.copyMakeBorder(
        np.array(paper, np.float32) * (1 - ink) + np.array(pen, np.float32) * ink,
        *sides,
        cv2.BORDER_CONSTANT,
        value=(238, 236, 232),
    )
    height, width, _ = photo.shape
    light = 1 - fall * np.mgrid[0:height, 0:width][1][:, :, None] / width
    grain = np.random.default_rng(0).standard_normal((height, width, 1)) * 3
    found = find_ink(np.clip(np.rint(photo * light + grain), 0, 255).astype(np.uint8))
    assert shows(found, ink_of("house"))


@pytest.mark.parametrize(("grain", "quality"), [(2, 60), (2, 75), (0, None)])
@pytest.mark.parametrize("fall", [0.08, 0.1, 0.16])
def test_light_that_falls_over_paper_makes_no_page(
    grain: float, quality: int | None, fall: float
) -> None:
    """Compression smooths the grain away, so that half of the paper has about one colour."""
    ink = ink_of("house")[:, :, None]
    light = 215 * (1 - fall * np.mgrid[0:HEIGHT, 0:WIDTH][1][:, :, None] / WIDTH)
    grains = np.random.default_rng(0).standard_normal((HEIGHT, WIDTH, 1)) * grain
    photo = np.clip(np.rint(light * (1 - 0.8 * ink) + grains), 0, 255).astype(np.uint8)
    photo = photo.repeat(3, axis=2)
    assert shows(find_ink(compressed(photo, quality) if quality else photo), ink_of("house"))


@pytest.mark.parametrize("paper", [(240, 228, 200), (200, 220, 255), (255, 255, 204)])
def test_a_pale_canvas_with_uneven_margins_is_not_blank(paper: tuple[int, int, int]) -> None:
    ink = ink_of("house")[:, :, None]
    canvas = np.rint(np.array(paper) * (1 - ink)).astype(np.uint8)
    assert shows(find_ink(bordered(canvas, 150, 110, 255)), ink_of("house"))


def test_a_band_blurred_by_reduction_is_no_outline_of_thin_ink() -> None:
    canvas = np.full((768, 1024, 3), (250, 243, 224), np.uint8)
    for stroke in sketch("house", 0).strokes:
        points = np.rint((stroke.T * (500 / 255) + 120) * 16).astype(np.int32)
        cv2.polylines(canvas, [points], False, (60, 40, 20), 1, cv2.LINE_AA, 4)
    truth = 1 - canvas[:, :, 0].astype(np.float32) / 250
    window = cv2.copyMakeBorder(canvas, 60, 20, 30, 30, cv2.BORDER_CONSTANT, value=(60, 60, 60))
    assert shows(find_ink(window), cv2.dilate(truth, np.ones((3, 3), np.uint8)))


@pytest.mark.parametrize("colour", [0, 128, 204])
@pytest.mark.parametrize("n_px", [1, 2])
def test_the_border_of_a_canvas_is_no_ink(colour: int, n_px: int) -> None:
    ink = ink_of("house")
    canvas = np.repeat(np.rint(255 * (1 - ink)).astype(np.uint8)[:, :, None], 3, axis=2)
    assert shows(find_ink(bordered(canvas, n_px, n_px, colour)), ink)


@pytest.mark.parametrize("n_px", [1, 2, 4])
@pytest.mark.parametrize("dash_px", [2, 8])
def test_the_dashed_border_of_a_canvas_is_no_ink(dash_px: int, n_px: int) -> None:
    ink = ink_of("star")
    canvas = np.repeat(np.rint(255 * (1 - ink)).astype(np.uint8)[:, :, None], 3, axis=2)
    is_dash = np.arange(WIDTH) // dash_px % 2 == 0
    for edge in (canvas[:n_px], canvas[-n_px:]):
        edge[:, is_dash] = 153
    for edge in (canvas[:, :n_px], canvas[:, -n_px:]):
        edge[is_dash[:HEIGHT]] = 153
    assert shows(find_ink(canvas), ink)


def test_a_white_canvas_on_a_grey_page_is_the_page() -> None:
    ink = ink_of("house")
    canvas = np.repeat(np.rint(255 * (1 - ink)).astype(np.uint8)[:, :, None], 3, axis=2)
    assert shows(find_ink(bordered(canvas, 70, 50, 204)), ink)


@pytest.mark.parametrize("fill", [0, 120, 255])
def test_a_drawn_rectangle_is_no_frame(fill: int) -> None:
    """A window, outlined or filled, with a cross in it."""
    page = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    cv2.rectangle(page, (60, 40), (540, 410), (fill,) * 3, -1)
    cv2.rectangle(page, (60, 40), (540, 410), (0,) * 3, 8)
    cv2.line(page, (300, 40), (300, 410), (0,) * 3, 8)
    found = find_ink(page)
    assert found is not None
    assert found.shape[1] / found.shape[0] == pytest.approx(488 / 378, rel=0.02)


def test_overexposed_paper_is_no_frame() -> None:
    page = page_of("house", "white", "falling").astype(np.float32) + 25
    clipped = np.clip(page, 0, 255).astype(np.uint8)
    assert (clipped == 255).all(axis=2).mean() > 0.2
    assert shows(find_ink(clipped), ink_of("house"))


def grainy(height: int, width: int, colour: tuple[int, int, int], seed: int = 1) -> Picture:
    grain = np.random.default_rng(seed).standard_normal((height, width, 1)) * 6
    return np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("paper", "table_colour"),
    [
        ("white", (60, 40, 25)),
        ("cream", (60, 40, 25)),
        ("grey", (60, 40, 25)),
        ("white", (198, 188, 172)),
    ],
)
@pytest.mark.parametrize("turn", [0, 9, -20])
def test_a_small_sheet_on_a_table_is_the_page(
    paper: str, table_colour: tuple[int, int, int], turn: int
) -> None:
    page = page_of("house", paper, "even")
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, 0.8)
    matrix[:, 2] += (200, 150)
    table = grainy(HEIGHT + 350, WIDTH + 400, table_colour)
    size = table.shape[1], table.shape[0]
    is_page = cv2.warpAffine(np.full((HEIGHT, WIDTH), 255, np.uint8), matrix, size) > 250
    table[is_page] = cv2.warpAffine(page, matrix, size)[is_page]
    truth = cv2.warpAffine(ink_of("house"), matrix, size)
    assert shows(find_ink(table), truth)


def test_a_sheet_on_a_table_of_little_grain_is_the_page() -> None:
    table = np.full((HEIGHT + 160, WIDTH + 200, 3), (60, 60, 65), np.float32)
    ink = ink_of("house")[:, :, None]
    table[80:-80, 100:-100] = np.array(PAPERS["cream"][0]) * (1 - 0.8 * ink)
    matrix = cv2.getRotationMatrix2D((WIDTH / 2 + 100, HEIGHT / 2 + 80), 6, 1)
    size = table.shape[1], table.shape[0]
    turned = cv2.warpAffine(table, matrix, size, borderValue=(60, 60, 65))
    grain = np.random.default_rng(1).standard_normal((*turned.shape[:2], 1)) * 0.4
    photo = np.clip(np.rint(turned + grain), 0, 255).astype(np.uint8)
    truth = cv2.warpAffine(np.pad(ink[:, :, 0], ((80, 80), (100, 100))), matrix, size)
    assert shows(find_ink(photo), truth)


def test_the_frame_of_a_whiteboard_on_a_wall_is_no_ink() -> None:
    board = bordered(page_of("house", "white", "falling"), 20, 20, 60)
    wall = grainy(HEIGHT + 140, WIDTH + 140, (180, 170, 150))
    wall[50:-50, 50:-50] = board
    assert shows(find_ink(wall), ink_of("house"))


def test_a_box_drawn_with_a_thick_pen_on_a_photo_is_ink() -> None:
    photo = page_of("house", "white", "falling")
    cv2.rectangle(photo, (40, 30), (560, 420), (40, 40, 45), 18)
    found = find_ink(photo)
    assert found is not None
    assert found.shape[1] / found.shape[0] == pytest.approx(538 / 408, rel=0.03)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("n_px", [4, 12, 40])
def test_an_even_frame_in_the_colour_of_the_ink_is_no_ink(colour: int, n_px: int) -> None:
    ink = ink_of("house")
    grey = np.rint(colour + (255 - 2 * colour) * (1 - ink))
    canvas = np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    assert shows(find_ink(bordered(canvas, n_px, n_px, colour)), ink)


@pytest.mark.parametrize("colour", [0, 200])
def test_the_outline_of_a_canvas_inside_a_page_is_no_ink(colour: int) -> None:
    ink = ink_of("house")
    canvas = np.repeat(np.rint(255 * (1 - ink)).astype(np.uint8)[:, :, None], 3, axis=2)
    page = bordered(bordered(canvas, 1, 1, colour), 80, 120, 255)
    assert shows(find_ink(page), ink)


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize("inset", [8, 30])
def test_a_ruled_border_as_thick_as_the_pen_is_no_ink_unless_it_is_not_ruled(
    inset: int, is_turned: bool
) -> None:
    """Turned by half a degree, it may have been drawn by hand."""
    border = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.rectangle(border, (inset, inset), (WIDTH - 1 - inset, HEIGHT - 1 - inset), 1, 4)
    if is_turned:
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0.5, 1)
        border = cv2.warpAffine(border, matrix, (WIDTH, HEIGHT))
    ink = ink_of("house")
    together = np.maximum(ink, border)
    page = np.rint(255 * (1 - together)).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    assert shows(find_ink(page), together if is_turned else ink)


def rounded(page: Picture, inset: int, radius: int, n_px: int) -> Picture:
    """A page with a black border that has round corners."""
    edges = np.full(page.shape[:2], 255, np.uint8)
    left, top = inset, inset
    right, bottom = page.shape[1] - 1 - inset, page.shape[0] - 1 - inset
    for x, y, angle in (
        (left, top, 180),
        (right, top, 270),
        (right, bottom, 0),
        (left, bottom, 90),
    ):
        at = x + radius * (1 if x == left else -1), y + radius * (1 if y == top else -1)
        cv2.ellipse(edges, at, (radius, radius), angle, 0, 90, 0, n_px, cv2.LINE_AA)
    for y in (top, bottom):
        cv2.line(edges, (left + radius, y), (right - radius, y), 0, n_px)
    for x in (left, right):
        cv2.line(edges, (x, top + radius), (x, bottom - radius), 0, n_px)
    return np.minimum(page, edges[:, :, None])


@pytest.mark.parametrize("radius", [8, 30])
@pytest.mark.parametrize("n_px", [1, 2])
def test_the_round_outline_of_a_canvas_inside_a_page_is_no_ink(radius: int, n_px: int) -> None:
    ink = ink_of("house")
    canvas = np.repeat(np.rint(255 * (1 - ink)).astype(np.uint8)[:, :, None], 3, axis=2)
    page = bordered(canvas, 60, 60, 255)
    assert shows(find_ink(rounded(page, 50, radius, n_px)), ink)


@pytest.mark.parametrize("quality", [None, 50, 75, 92])
@pytest.mark.parametrize("radius", [0, 12, 40])
@pytest.mark.parametrize("n_px", [2, 4, 6])
def test_a_ruled_border_with_round_corners_and_in_jpeg_files_is_no_ink(
    n_px: int, radius: int, quality: int | None
) -> None:
    ink = ink_of("house")
    page = np.rint(255 * (1 - ink)).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    page = rounded(page, 20, radius, n_px)
    assert shows(find_ink(compressed(page, quality) if quality else page), ink)


def test_a_drawn_box_with_uneven_corners_is_ink() -> None:
    """One of its corners is round, the others are not."""
    box = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.polylines(
        box, [np.array([[20, 20], [540, 20], [579, 60], [579, 429], [20, 429]])], True, 1, 4
    )
    together = np.maximum(ink_of("house"), box)
    page = np.rint(255 * (1 - together)).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    assert shows(find_ink(page), together)


def test_a_rectangle_along_all_edges_that_other_ink_touches_is_ink() -> None:
    page = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    cv2.line(page, (0, 0), (300, 200), (0, 0, 0), 10)
    cv2.line(page, (WIDTH, 0), (300, 200), (0, 0, 0), 10)
    found = find_ink(bordered(page, 10, 10, 0))
    assert found is not None
    assert found.shape[1] / found.shape[0] == pytest.approx(620 / 470, rel=0.02)


def canvas_of(category: str, background: int) -> Picture:
    """A flat canvas with ink in the opposite colour."""
    grey = np.rint(background + (255 - 2 * background) * ink_of(category))
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def with_shadow(page: Picture) -> Picture:
    shaded = np.zeros((HEIGHT + 120, WIDTH + 120), np.float32)
    shaded[66:-54, 63:-57] = 0.45
    around = 255 * (1 - cv2.GaussianBlur(shaded, (0, 0), 9))
    whole = np.repeat(np.rint(around).astype(np.uint8)[:, :, None], 3, axis=2)
    whole[60:-60, 60:-60] = page
    return whole


def uneven(page: Picture, colour: int) -> Picture:
    return cv2.copyMakeBorder(page, 10, 60, 30, 6, cv2.BORDER_CONSTANT, value=(colour,) * 3)


@pytest.mark.parametrize("background", [0, 255])
@pytest.mark.parametrize(
    "framed",
    [
        lambda page: uneven(page, 128),
        lambda page: uneven(page, 255 - int(page[0, 0, 0])),
        lambda page: bordered(bordered(page, 30, 30, 200), 15, 15, 60),
        lambda page: bordered(bordered(page, 2, 2, 150), 30, 50, 255 - int(page[0, 0, 0])),
        with_shadow,
        lambda page: cv2.copyMakeBorder(page, 40, 0, 70, 0, cv2.BORDER_CONSTANT, value=(90,) * 3),
    ],
    ids=["uneven", "in the ink's colour", "two frames", "a canvas", "a shadow", "two bars"],
)
def test_bands_around_a_plain_page_are_no_ink(
    framed: Callable[[Picture], Picture], background: int
) -> None:
    assert shows(find_ink(framed(canvas_of("house", background))), ink_of("house"))


def test_a_bar_with_many_buttons_is_no_ink() -> None:
    bar = np.full((80, WIDTH, 3), 240, np.uint8)
    for x in range(20, WIDTH, 45):
        cv2.circle(bar, (x, 40), 17, (60, 150, 220), -1)
    assert shows(find_ink(np.vstack([canvas_of("house", 255), bar])), ink_of("house"))


@pytest.mark.parametrize("light", LIGHTS)
def test_a_page_in_perspective_in_a_black_picture_is_the_page(light: str) -> None:
    corners = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32)
    moved = np.array([[60, 50], [620, 30], [660, 500], [20, 520]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    size = (WIDTH + 90, HEIGHT + 100)
    picture = cv2.warpPerspective(page_of("house", "cream", light), matrix, size)
    truth = cv2.warpPerspective(ink_of("house"), matrix, size)
    assert shows(find_ink(picture), truth)
