"""The second view of small bitmaps: their own ink, where their traced lines are."""

from __future__ import annotations

import numpy as np
import pytest

from garabato.drawing import DrawingBatch
from garabato.render import RenderSpec, render_batch
from garabato.render.renderer import with_own_ink


def second_view(bitmap: np.ndarray, spec: RenderSpec) -> np.ndarray:
    bitmaps = bitmap[None]
    view = with_own_ink(render_batch(DrawingBatch.from_bitmaps(bitmaps), spec), bitmaps, spec)
    assert view is not None
    return view


def comb() -> np.ndarray:
    """Five vertical lines, 2 px wide and 2 px apart, grey between them as in Google's bitmaps."""
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[4:24, 5:23] = 90
    for left in range(5, 23, 4):
        bitmap[4:24, left : left + 2] = 255
    return bitmap


@pytest.mark.parametrize(("order", "path"), [(False, False), (True, False), (True, True)])
def test_only_the_ink_changes(order: bool, path: bool) -> None:
    spec = RenderSpec(48, order=order, path=path)
    traced = render_batch(DrawingBatch.from_bitmaps(comb()[None]), spec)
    view = second_view(comb(), spec)
    assert view.shape == traced.shape
    assert view.dtype == np.uint8
    assert not np.array_equal(view, traced)
    if order:
        np.testing.assert_array_equal(view[..., 1:], traced[..., 1:])


def test_lines_stay_apart_and_about_as_thick_as_traced_ones() -> None:
    spec = RenderSpec(48)
    view = second_view(comb(), spec)
    across = view[0, 24] > 127
    assert np.diff(across.astype(int)).clip(0).sum() == 5, "five lines side by side"
    assert across.mean() < 0.5


def test_the_bitmap_lies_where_its_strokes_lie() -> None:
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[13:15, 3:25] = 255  # wider than high: fills the width, centred in height
    spec = RenderSpec(48)
    view = second_view(bitmap, spec)
    traced = render_batch(DrawingBatch.from_bitmaps(bitmap[None]), spec)
    rows, columns = (np.flatnonzero((view[0] > 127).any(axis=axis)) for axis in (1, 0))
    traced_rows, traced_columns = (
        np.flatnonzero((traced[0] > 127).any(axis=axis)) for axis in (1, 0)
    )
    for own, theirs in ((rows, traced_rows), (columns, traced_columns)):
        np.testing.assert_allclose(own[[0, -1]], theirs[[0, -1]], atol=1)


def test_faint_ink_is_ink() -> None:
    view = second_view(comb() // 4, RenderSpec(48))
    assert view.max() > 200


@pytest.mark.parametrize("side_px", [0, 1, 3, 6])
def test_the_view_of_nothing_or_a_speck_is_the_traced_one(side_px: int) -> None:
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[10 : 10 + side_px, 10 : 10 + side_px] = 255
    traced = render_batch(DrawingBatch.from_bitmaps(bitmap[None]), RenderSpec(48))
    np.testing.assert_array_equal(second_view(bitmap, RenderSpec(48)), traced)


def test_large_bitmaps_and_images_of_the_reference_project_have_one_view() -> None:
    for bitmap, spec in (
        (np.pad(comb(), (0, 1)), RenderSpec(48)),
        (comb(), RenderSpec.reference()),
    ):
        images = render_batch(DrawingBatch.from_bitmaps(bitmap[None]), spec)
        assert with_own_ink(images, bitmap[None], spec) is None
