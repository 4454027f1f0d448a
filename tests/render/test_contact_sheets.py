"""Sheets: what is drawn where."""

import cv2
import numpy as np
import pytest

from garabato.drawing import Drawing
from garabato.render.contact_sheets import (
    CELL,
    FRAMES,
    INK,
    PAPER,
    Cell,
    draw_sheet,
    save_png,
)

CROSS = Drawing([[[0, 100], [0, 100]], [[0, 100], [100, 0]]])


def has_colour(image, colour):
    return bool((image == np.array(colour)).all(axis=-1).any())


def test_a_sheet_has_a_cell_for_each_drawing_and_paper_between_them():
    page = draw_sheet([[Cell(CROSS), Cell(CROSS)], [Cell(CROSS)]], cell_px=48)
    # edge 16, gap 6: two cells wide, two rows high.
    assert page.shape == (16 + 48 + 6 + 48 + 16, 16 + 48 + 6 + 48 + 16, 3)
    assert page.dtype == np.uint8
    first, second = page[16:64, 16:64], page[16:64, 70:118]
    np.testing.assert_array_equal(first, second)
    assert (page[16:64, 64:70] == PAPER).all()
    assert (page[70:118, 70:118] == PAPER).all()  # the second row is one cell short


def test_a_cross_meets_in_the_middle_of_its_cell_and_keeps_the_margin():
    page = draw_sheet([[Cell(CROSS)]], cell_px=96)
    cell = page[24:120, 24:120]
    assert (np.abs(cell[47:49, 47:49].astype(int) - INK) <= 2).all()
    assert (cell[40:56, 3] == CELL).all()
    assert (cell[2:8, 2:94] == CELL).all()


def test_one_point_and_bitmap_and_empty_drawings_are_drawn():
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[10:18, 10:18] = 255
    dot, picture, empty = Drawing([[[7], [7]]]), Drawing(bitmap=bitmap), Drawing([])
    page = draw_sheet([[Cell(dot), Cell(picture), Cell(empty)]], cell_px=96)
    cells = [page[24:120, x : x + 96] for x in (24, 128, 232)]
    assert has_colour(cells[0][46:50, 46:50], INK)
    assert has_colour(cells[1][46:50, 46:50], INK)
    assert (cells[2][1:-1, 1:-1] == CELL).all()


@pytest.mark.parametrize(("frame", "badge"), [("right", True), ("wrong", True), ("query", False)])
def test_frames_have_their_colour_and_right_and_wrong_a_badge(frame, badge):
    page = draw_sheet([[Cell(CROSS, frame=frame)]], cell_px=96)
    cell = page[24:120, 24:120]
    assert (cell[0] == FRAMES[frame]).all(axis=-1).sum() > 70
    assert (cell[-2:] == FRAMES[frame]).all()
    corner = cell[4:14, -14:-4]
    assert has_colour(corner, FRAMES[frame]) == badge


def test_right_and_wrong_differ_without_colours():
    right, wrong = (
        draw_sheet([[Cell(CROSS, frame=frame)]])[24:44, 100:120].mean(axis=-1) > 200
        for frame in ("right", "wrong")
    )
    assert (right != wrong).sum() > 10


def test_a_gap_separates_queries_from_hits():
    row = [Cell(CROSS, frame="query"), Cell(CROSS), Cell(CROSS)]
    plain = draw_sheet([[Cell(CROSS)] * 3], cell_px=48)
    apart = draw_sheet([row], cell_px=48)
    assert apart.shape[1] == plain.shape[1] + 16


def test_cells_of_a_group_touch_and_groups_are_separate():
    page = draw_sheet([[Cell(CROSS)] * 4], cell_px=48, together=2)
    paper = (page == PAPER).all(axis=(0, 2))
    left, inside = 16, 2 * 48
    assert not paper[left : left + inside].any()
    assert paper[left + inside : left + inside + 16].all()
    assert not paper[left + inside + 16 : left + 2 * inside + 16].any()


def test_small_captions_hold_more():
    def page(caption):
        return draw_sheet([[Cell(CROSS, caption)]], cell_px=144, caption_px=13)

    assert page("5152802093400064").shape == page("5").shape
    assert (page("5152802093400064") != page("5152802093400065")).any()  # its end is there


def test_captions_have_at_most_two_lines_and_stay_in_their_cell():
    def height(caption):
        return draw_sheet([[Cell(CROSS, caption)]], cell_px=96).shape[0]

    assert height("") < height("cat") < height("The Great Wall of China")
    assert height("The Great Wall of China") == height("word " * 50)
    page = draw_sheet([[Cell(CROSS, "incomprehensibilities" * 3)]], cell_px=96)
    assert (page[:, :24] == PAPER).all()
    assert (page[:, 122:] == PAPER).all()


def test_a_title_is_set_above_and_its_second_line_smaller():
    page = draw_sheet([[Cell(CROSS)]], title="bus")
    assert has_colour(page[:60], INK)
    two = draw_sheet([[Cell(CROSS)]], title="bus\n200 drawings for training")
    assert page.shape[0] < two.shape[0] < page.shape[0] + 35
    assert two.shape[1] > page.shape[1]  # wide enough for the longer line


def test_an_empty_sheet_is_a_page_with_its_title():
    page = draw_sheet([], title="nothing found")
    assert has_colour(page, INK)


def test_a_saved_contact_sheet_has_the_same_pixels(tmp_path):
    page = draw_sheet([[Cell(CROSS, letter) for letter in "abc"]], title="bus")
    save_png(page, tmp_path / "bus.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "bus.png"))[..., ::-1], page)


def test_grey_images_are_saved_too(tmp_path):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    save_png(image, tmp_path / "grey.png")
    found = cv2.imread(str(tmp_path / "grey.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found, image)
