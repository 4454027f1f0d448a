from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import InputError
from garabato.render import RenderSpec, render_batch
from garabato.render.augment import AugmentSpec, _shares, _small_specs, render_augmented

SPEC = RenderSpec(48)
BATCH = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES, 3, seed=0))
KEYS = np.arange(len(BATCH), dtype=np.uint32)


def only(**sizes: float) -> AugmentSpec:
    from dataclasses import replace

    return replace(AugmentSpec.none(), **sizes)


def test_no_augmentation_draws_as_the_renderer_does():
    varied = render_augmented(BATCH, SPEC, AugmentSpec.none(), KEYS).astype(int)
    assert abs(varied - render_batch(BATCH, SPEC)).max() <= 2


def test_the_same_key_gives_the_same_image_in_any_batch():
    together = render_augmented(BATCH, SPEC, AugmentSpec(), KEYS)
    for row in (0, 7, len(BATCH) - 1):
        alone = render_augmented(BATCH[row : row + 1], SPEC, AugmentSpec(), KEYS[row : row + 1])
        np.testing.assert_array_equal(alone[0], together[row])


def test_other_keys_give_other_images():
    first = render_augmented(BATCH, SPEC, AugmentSpec(), KEYS)
    second = render_augmented(BATCH, SPEC, AugmentSpec(), KEYS + 1000)
    assert (first != second).any(axis=(1, 2)).mean() > 0.95


def test_flipping_always_is_a_mirror():
    varied = render_augmented(BATCH, SPEC, only(flip=1.0), KEYS).astype(int)
    assert abs(varied - render_batch(BATCH, SPEC)[:, :, ::-1]).max() <= 2


def test_half_of_the_ink_is_half_of_a_line():
    line = DrawingBatch.from_drawings([Drawing([([0, 40, 100], [0, 0, 0]), ([50], [90])])])
    half = only(partial=1.0, partial_least=0.5)
    fifty = line.take(np.zeros(50, np.int64))
    varied = render_augmented(fifty, SPEC, half, np.arange(50, dtype="u4"))
    # What is left is a horizontal line again, without the dot below: it fills the width.
    assert (varied[:, : SPEC.size_px // 2 - 3].sum(axis=(1, 2)) == 0).all()


def test_the_longest_stroke_is_never_dropped():
    drawing = Drawing([([0, 100], [0, 0]), ([0, 10], [50, 50]), ([5], [70])])
    batch = DrawingBatch.from_drawings([drawing] * 20)
    varied = render_augmented(batch, SPEC, only(drop_stroke=1.0), np.arange(20, dtype="u4"))
    alone = render_batch(DrawingBatch.from_drawings([Drawing([([0, 100], [0, 0])])]), SPEC)
    assert abs(varied.astype(int) - alone).max() <= 2


def test_no_ink_leaves_the_image_however_strong_the_augmentation():
    strong = AugmentSpec(rotate_degrees=40, shear=0.5, stretch=0.5, wobble=0.1, shrink=0.5)
    varied = render_augmented(BATCH, RenderSpec(48, margin=0.1), strong, KEYS)
    assert varied.any(axis=(1, 2)).all()
    assert not varied[:, :4].any()
    assert not varied[:, :, -4:].any()


def test_empty_drawings_stay_empty():
    batch = DrawingBatch.from_drawings([Drawing([]), *make_drawings(["star"], 1, 0)])
    varied = render_augmented(batch, SPEC, AugmentSpec(), np.arange(2, dtype="u4"))
    assert not varied[0].any()
    assert varied[1].any()


def test_the_reference_style_cannot_be_augmented():
    with pytest.raises(InputError, match="smooth"):
        render_augmented(BATCH, RenderSpec.reference(), AugmentSpec(), KEYS)


def test_probabilities_above_one_are_refused():
    with pytest.raises(InputError, match="flip"):
        AugmentSpec(flip=1.5)


def test_as_a_picture_a_drawing_keeps_its_look_and_loses_its_order():
    spec = RenderSpec(48, order=True)
    seen = render_augmented(BATCH, spec, only(picture=1.0), KEYS)
    drawn = render_augmented(BATCH, spec, AugmentSpec.none(), KEYS)
    assert drawn[..., 1:].any(axis=(1, 2)).all()
    assert not seen[..., 1:].any()
    # Half have lost nothing else; of the others nearly all ink lies within 3 px of where it was.
    same = (seen[..., 0] == drawn[..., 0]).all(axis=(1, 2))
    assert 0.2 < same.mean() < 0.8
    near = np.stack([cv2.dilate(image, np.ones((7, 7))) for image in drawn[..., 0]])
    assert (seen[..., 0][near < 128] > 128).sum() < 0.02 * (seen[..., 0] > 128).sum()


def test_some_drawings_are_rendered_as_pictures_and_the_others_unchanged():
    spec = RenderSpec(48, order=True)
    many = BATCH.take(np.arange(2000) % len(BATCH))
    keys = np.arange(2000, dtype=np.uint32) * 977
    seen = render_augmented(many, spec, only(picture=0.2), keys)
    is_picture = ~seen[..., 1].any(axis=(1, 2))
    assert 0.15 < is_picture.mean() < 0.25
    drawn = render_augmented(many, spec, AugmentSpec.none(), keys)
    np.testing.assert_array_equal(seen[~is_picture], drawn[~is_picture])


def test_other_orders_of_the_strokes_change_the_order_alone():
    spec = RenderSpec(48, order=True)
    many = BATCH.take(np.arange(200) % len(BATCH))
    keys = np.arange(200, dtype=np.uint32)
    varied = render_augmented(many, spec, only(reorder=1.0), keys)
    drawn = render_augmented(many, spec, AugmentSpec.none(), keys)
    assert abs(varied[..., 0].astype(int) - drawn[..., 0]).max() <= 2
    assert (varied[..., 1:] != drawn[..., 1:]).any(axis=(1, 2, 3)).mean() > 0.5


def test_traced_strokes_have_no_order():
    spec = RenderSpec(48, order=True)
    traced = render_augmented(BATCH.replace(traced=[True] * len(BATCH)), spec, AugmentSpec(), KEYS)
    assert not traced[..., 1:].any()


REDRAWN = {"pose": 1.0, "cut": 1.0, "sketchy": 1.0, "shade": 1.0, "detail": 1.0}


def square(n: int) -> DrawingBatch:
    side = Drawing([([0, 100, 100, 0, 0], [0, 0, 100, 100, 0])])
    return DrawingBatch.from_drawings([side] * n)


def test_redrawn_the_same_key_gives_the_same_image_in_any_batch():
    spec = RenderSpec(48, order=True)
    augment = AugmentSpec(**REDRAWN, picture=0.5, picture_px=64)
    together = render_augmented(BATCH, spec, augment, KEYS)
    for row in (0, 7, len(BATCH) - 1):
        alone = render_augmented(BATCH[row : row + 1], spec, augment, KEYS[row : row + 1])
        np.testing.assert_array_equal(alone[0], together[row])


@pytest.mark.parametrize("change", REDRAWN)
def test_each_way_of_redrawing_changes_most_drawings(change):
    varied = render_augmented(BATCH, SPEC, only(**{change: 1.0}), KEYS)
    drawn = render_augmented(BATCH, SPEC, AugmentSpec.none(), KEYS)
    assert (varied != drawn).any(axis=(1, 2)).mean() > 0.5
    assert varied.any(axis=(1, 2)).all()


def test_dots_and_empty_drawings_are_not_redrawn():
    batch = DrawingBatch.from_drawings([Drawing([]), Drawing([([5], [5])])])
    for change in (*REDRAWN, "picture"):
        varied = render_augmented(batch, SPEC, only(**{change: 1.0}), np.arange(2, dtype="u4"))
        assert not varied[0].any()
        assert varied[1].any()


def test_sketchy_lines_lie_beside_the_lines_that_were_drawn():
    batch = square(50)
    keys = np.arange(50, dtype="u4")
    drawn = render_batch(batch, SPEC)
    near = np.stack([cv2.dilate(image, np.ones((11, 11))) for image in drawn])
    varied = render_augmented(batch, SPEC, only(sketchy=1.0), keys)
    assert (varied[near == 0] > 0).mean() < 0.01
    ink = varied.sum(axis=(1, 2)) / drawn.sum(axis=(1, 2))
    assert ink.min() > 0.3
    assert ink.max() < 3


def test_shading_lies_inside_what_a_line_encloses():
    varied = render_augmented(square(50), SPEC, only(shade=1.0), np.arange(50, dtype="u4"))
    inside = varied[:, 8:-8, 8:-8] > 128
    assert inside.any(axis=(1, 2)).mean() > 0.9
    assert varied[:, 0].max() < 32  # lines of shading overshoot a little


def test_a_cut_leaves_nearly_half_of_the_ink():
    line = DrawingBatch.from_drawings([Drawing([([0, 100], [0, 20]), ([50], [90])])] * 50)
    varied = render_augmented(line, SPEC, only(cut=1.0), np.arange(50, dtype="u4"))
    assert varied.any(axis=(1, 2)).all()
    assert len(np.unique(varied.reshape(50, -1), axis=0)) > 20


def test_small_pictures_have_all_sizes_and_pens():
    keys = np.arange(40_000, dtype="u4")
    chosen = keys[_shares(keys, 1) < 0.05]
    specs = _small_specs(chosen, 280)
    # Log-uniform: a quarter of the sides is below 28 * 10 ** 0.25 = 49.8 px, half below 88.5 px.
    sides = np.quantile([spec.size_px for spec in specs], [0, 0.25, 0.5, 0.75, 1])
    assert sides == pytest.approx([28, 49.3, 88, 157, 279], rel=0.06)
    # (pen - 1 px) / (5% of the side) is a square of a uniform number.
    pens = [(spec.line_px - 1) / (0.05 * spec.size_px) for spec in specs]
    assert np.quantile(pens, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx(
        [0, 1 / 16, 1 / 4, 9 / 16, 1], abs=0.04
    )


def test_variations_are_chosen_independently():
    keys = np.arange(40_000, dtype="u4")
    for one, other in combinations(range(1, 5), 2):
        both = (_shares(keys, one) < 0.5) & (_shares(keys, other) < 0.5)
        assert both.mean() == pytest.approx(0.25, abs=0.01)


def test_larger_pictures_keep_more_of_a_drawing_than_small_ones():
    spec = RenderSpec(48, order=True)
    many = BATCH.take(np.arange(400) % len(BATCH))
    keys = np.arange(400, dtype=np.uint32) * 977
    drawn = render_augmented(many, spec, AugmentSpec.none(), keys)[..., 0].astype(int)
    small, larger = (
        render_augmented(many, spec, only(picture=1.0, picture_px=px), keys)[..., 0].astype(int)
        for px in (28, 256)
    )
    assert abs(larger - drawn).mean() < abs(small - drawn).mean()


def test_pictures_smaller_than_google_s_are_refused():
    with pytest.raises(InputError, match="picture_px"):
        AugmentSpec(picture_px=20)
