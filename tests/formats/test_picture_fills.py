"""Filled shapes in flat pictures: their edges and lines are ink, not their silhouette."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from garabato.formats import read_drawings
from garabato.formats.picture.ink import find_ink

Picture = npt.NDArray[np.uint8]  # (H, W, 3)

SIDE = 400
WALL = np.array([[100, 180], [300, 180], [300, 340], [100, 340]])
ROOF = np.array([[80, 180], [200, 60], [320, 180]])
DOOR = np.array([[170, 240], [230, 240], [230, 340], [170, 340]])
ZIGZAG = np.array([[60, 300], [140, 100], [200, 260], [330, 80]])
HOUSE = (WALL, ROOF, DOOR)
PASTELS = ((255, 249, 219), (255, 214, 214), (231, 220, 205))
STRONG = ((255, 213, 79), (200, 30, 40), (120, 80, 60))
SMOOTH = {"lineType": cv2.LINE_AA, "shift": 4}


def house(
    colours: tuple[tuple[int, int, int], ...], outline: tuple[int, int, int] | None = None
) -> Picture:
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for shape, colour in zip(HOUSE, colours, strict=True):
        cv2.fillPoly(page, [shape * 16], colour, **SMOOTH)
        if outline:
            cv2.polylines(page, [shape * 16], True, outline, 6, **SMOOTH)
    return page


def lines_of(*shapes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    page = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(page, list(shapes), True, 1, 3)
    return page > 0


def shows(found: npt.NDArray[np.uint8] | None, truth: npt.NDArray[np.bool_]) -> bool:
    """Whether both have ink at the same places of their boxes, give or take 4 px of 200."""
    if found is None:
        return False
    boxes = []
    for mask in (found > 100, truth):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)
        boxes.append(cv2.resize(cut, (200, 200), interpolation=cv2.INTER_NEAREST))
    near = [cv2.dilate(box, np.ones((9, 9), np.uint8)) for box in boxes]
    return all((a <= b).mean() > 0.995 for a, b in ((boxes[0], near[1]), (boxes[1], near[0])))


def compressed(picture: Picture, quality: int) -> Picture:
    """What is left of a picture in a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("quality", [None, 75])
@pytest.mark.parametrize("outline", [None, (0, 0, 0), (93, 64, 55)])
@pytest.mark.parametrize("colours", [PASTELS, STRONG])
def test_a_coloured_drawing_shows_its_lines_and_the_edges_of_its_fills(
    colours: tuple[tuple[int, int, int], ...],
    outline: tuple[int, int, int] | None,
    quality: int | None,
) -> None:
    page = house(colours, outline)
    found = find_ink(compressed(page, quality) if quality else page)
    assert shows(found, lines_of(*HOUSE))


@pytest.mark.parametrize("side", [48, 96])
def test_small_icons_show_the_edges_of_their_fills(side: int) -> None:
    icon = cv2.resize(house(STRONG), (side, side), interpolation=cv2.INTER_AREA)
    assert shows(find_ink(icon), lines_of(*HOUSE))


def test_a_pale_shape_beside_a_dark_one_that_does_not_touch_it_is_found() -> None:
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    cv2.fillPoly(page, [ROOF * 16], (235, 240, 245), **SMOOTH)
    rain = [np.array([[x, 230], [x - 20, 300]]) for x in (140, 200, 260)]
    cv2.polylines(page, rain, False, (30, 60, 200), 8, cv2.LINE_AA)
    assert shows(find_ink(page), lines_of(ROOF, *rain))


@pytest.mark.parametrize("colour", [(245, 245, 240), (255, 255, 238), (242, 242, 242)])
def test_a_shape_hardly_darker_than_the_page_is_found(colour: tuple[int, int, int]) -> None:
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    cv2.fillPoly(page, [ROOF], colour)
    found = find_ink(page)
    assert found is not None
    assert found.shape[1] / found.shape[0] == pytest.approx(241 / 121, rel=0.03)
    assert (found > 100).mean() == pytest.approx(0.5, abs=0.03)  # filled: tracing outlines it


def test_a_shape_in_the_colour_of_all_ink_stays_filled() -> None:
    page = house(((0, 0, 0), (0, 0, 0), (255, 255, 255)))
    found = find_ink(page)
    assert found is not None
    silhouette = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(silhouette, [WALL], 1)
    cv2.fillPoly(silhouette, [ROOF], 1)
    cv2.fillPoly(silhouette, [DOOR], 0)
    assert shows(found, silhouette > 0)


def test_lines_in_several_colours_stay_lines() -> None:
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for shape, colour in zip(HOUSE, STRONG, strict=True):
        cv2.polylines(page, [shape * 16], True, colour, 8, **SMOOTH)
    assert shows(find_ink(page), lines_of(*HOUSE))


@pytest.mark.parametrize("pen", [24, 32])
def test_thick_pens_in_several_colours_draw_lines(pen: int) -> None:
    """Where they cross, they are wider than most fills, and cut each other into short pieces."""
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    for shape, colour in zip(HOUSE, STRONG, strict=True):
        cv2.polylines(page, [shape * 16], True, colour, pen, **SMOOTH)
        cv2.polylines(truth, [shape], True, 1, pen)
    assert shows(find_ink(page), truth > 0)


def test_a_bar_along_an_edge_of_a_screenshot_is_no_shape() -> None:
    page = house(STRONG)
    page[:, :24] = (225, 228, 235)
    assert shows(find_ink(page), lines_of(*HOUSE))


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_an_icon_in_several_colours_on_a_transparent_background_shows_its_shapes(
    tmp_path: Path, suffix: str
) -> None:
    """Its alpha alone shows a silhouette, and in the colours of the largest shape it is a card."""
    face = np.zeros((SIDE, SIDE, 4), np.uint8)
    cv2.circle(face, (200, 200), 190, (255, 214, 64, 255), -1)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(truth, (200, 200), 190, 1, 3)
    for page, colour in ((face, (60, 40, 20, 255)), (truth, 1)):
        cv2.ellipse(page, (200, 220), (100, 90), 0, 20, 160, colour, 12)
        for x in (130, 270):
            cv2.circle(page, (x, 150), 10, colour, -1)
    path = tmp_path / f"face.{suffix}"
    Image.fromarray(face).save(path, **({"lossless": True} if suffix == "webp" else {}))
    (drawing,) = read_drawings(path)
    assert drawing.bitmap is not None
    assert shows(drawing.bitmap, truth > 0)


def sticker(border_px: int, *, shadow: bool) -> npt.NDArray[np.uint8]:
    """(H, W, 4): an open zigzag and a dot in black on a white border, on a transparent page."""
    ink, card = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    for page, px in ((ink, 6), (card, 6 + 2 * border_px)):
        cv2.polylines(page, [ZIGZAG * 16], False, 255, px, **SMOOTH)
        cv2.circle(page, (320, 320), px // 2, 255, -1, cv2.LINE_AA)
    below = cv2.GaussianBlur(np.roll(card, 8, (0, 1)), (0, 0), 6) * 0.4 if shadow else 0 * ink
    alpha = card + (1 - card / 255.0) * below
    white = card * (1 - ink / 255.0) / np.maximum(alpha, 1)
    return np.dstack([255 * white] * 3 + [alpha]).astype(np.uint8)


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("border_px", [5, 20])
def test_a_sticker_shows_the_ink_within_its_white_border(border_px: int, shadow: bool) -> None:
    picture = sticker(border_px, shadow=shadow)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(truth, [ZIGZAG], False, 1, 3)
    cv2.circle(truth, (320, 320), 2, 1, -1)
    assert shows(find_ink(picture[:, :, :3], picture[:, :, 3]), truth > 0)


def test_a_white_shape_with_details_on_a_transparent_page_keeps_its_outline() -> None:
    """It is no sticker: its edge does not follow its details."""
    picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    cv2.circle(picture, (200, 200), 120, (255, 255, 255, 255), -1)
    for x in (160, 240):
        cv2.circle(picture, (x, 170), 8, (0, 0, 0, 255), -1)
    found = find_ink(picture[:, :, :3], picture[:, :, 3])
    assert found is not None
    assert found.shape == (241, 241)
