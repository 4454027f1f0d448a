"""The fourth channel of images: points along the strokes."""

from __future__ import annotations

import numpy as np
import pytest
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import InputError
from garabato.formats import read_drawings
from garabato.render import RenderSpec, render, render_batch
from garabato.render.augment import AugmentSpec, render_augmented

SPEC = RenderSpec(32, order=True, path=True)


def path_of(image):
    """x, y, stroke starts and strokes before, (4, 160) uint8."""
    return image[..., 3].ravel()[:640].reshape(4, 160)


def test_the_points_of_a_line_are_at_even_distances():
    x, y, starts, before = path_of(render(Drawing([([0, 10, 159], [7, 7, 7])]), SPEC))
    # Point k lies at 255 k / 159, rounded; the line is in the middle of its box, at 127.5.
    assert x.tolist() == [int(255 * k / 159 + 0.5) for k in range(160)]
    assert set(y) == {128}
    assert starts.tolist() == [255] + [0] * 159
    assert not before.any()


def test_strokes_share_the_points_by_their_length():
    long, short = ([0, 300], [0, 0]), ([0, 100], [50, 50])
    x, y, starts, before = path_of(render(Drawing([long, short]), SPEC))
    # Two points each, and 3 : 1 of the other 156.
    assert np.flatnonzero(starts).tolist() == [0, 119]
    assert set(before[:119]) == {0}
    assert set(before[119:]) == {128}  # one of two strokes
    # The box is 300 x 50, and its longer side becomes 0 to 255.
    assert (x[118], x[119], x[159]) == (255, 0, 85)
    assert (y[0], y[159]) == (106, 149)  # 127.5 -/+ 21.25, rounded


def test_the_path_does_not_change_the_other_channels():
    batch = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES, 3, seed=2))
    drawn = render_batch(batch, RenderSpec(32, order=True))
    np.testing.assert_array_equal(render_batch(batch, SPEC)[..., :3], drawn)


def test_a_picture_has_a_path_without_an_order():
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[4:24, 6], bitmap[4:24, 20] = 255, 255
    _, _, starts, before = path_of(render(Drawing(bitmap=bitmap), SPEC))
    assert set(starts) == {0, 128}
    assert (starts > 0).sum() == 2
    assert not before.any()


def test_the_path_of_an_empty_drawing_is_empty_and_that_of_a_dot_is_one_place():
    assert not render(Drawing([]), SPEC)[..., 3].any()
    x, y, starts, _ = path_of(render(Drawing([([5], [9])]), SPEC))
    assert set(x) == set(y) == {128}
    assert (starts > 0).sum() == 1


def test_strokes_beyond_the_first_eighty_are_left_out():
    comb = Drawing([([i, i], [0, 10]) for i in range(100)])
    x, _, starts, _ = path_of(render(comb, SPEC))
    assert (starts > 0).sum() == 80
    assert x.max() == int(255 * 79 / 99 + 0.5)


def test_points_lie_on_the_strokes_of_real_drawings(quickdraw):
    file = quickdraw / "simplified" / "cat.ndjson"
    for drawing in list(read_drawings(file))[:20]:
        x, y, starts, _ = path_of(render(drawing, SPEC))
        points = np.concatenate(drawing.strokes, axis=1)
        low, high = points.min(axis=1), points.max(axis=1)
        scale = 255 / (high - low).max()
        at = np.searchsorted(np.flatnonzero(starts), np.arange(160), side="right") - 1
        for k in range(160):
            stroke = (drawing.strokes[at[k]] - ((low + high) / 2)[:, None]) * scale + 127.5
            assert distance_to(np.array([x[k], y[k]], float), stroke) < 0.75  # rounding


def distance_to(point, stroke):
    """From a point to a polyline (2, P)."""
    starts, steps = stroke[:, :-1].T, np.diff(stroke).T
    if len(steps) == 0:
        return np.linalg.norm(point - stroke[:, 0])
    squares = np.maximum((steps**2).sum(1), 1e-9)
    t = np.clip(((point - starts) * steps).sum(1) / squares, 0, 1)
    return np.linalg.norm(starts + t[:, None] * steps - point, axis=1).min()


def test_augmented_drawings_have_the_path_of_what_is_drawn():
    batch = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES, 4, seed=1))
    keys = np.arange(len(batch), dtype=np.uint32)
    flip = AugmentSpec(**dict.fromkeys(FIELDS, 0.0) | {"flip": 1.0, "partial_least": 1.0})
    varied = render_augmented(batch, SPEC, flip, keys)
    for image, drawn in zip(varied, render_batch(batch, SPEC), strict=True):
        x, *rest = path_of(image).astype(int)
        mirrored_x, *expected = path_of(drawn).astype(int)
        assert abs(255 - x - mirrored_x).max() <= 1
        assert abs(np.array(rest) - expected).max() <= 1


FIELDS = [
    *("flip", "partial", "drop_stroke", "rotate_degrees", "shear", "stretch", "wobble"),
    *("stroke_shift", "line_width", "shrink", "picture", "reorder"),
]


def test_a_path_needs_the_order_and_an_image_that_holds_it():
    with pytest.raises(InputError, match="`path` needs `order`"):
        RenderSpec(path=True)
    with pytest.raises(InputError, match="at least 26"):
        RenderSpec(25, order=True, path=True)
    assert RenderSpec(26, order=True, path=True).image_shape == (26, 26, 4)


def test_specs_without_a_path_keep_their_fingerprint():
    assert "path" not in RenderSpec(48, order=True).to_dict()
    assert RenderSpec.from_dict(SPEC.to_dict()) == SPEC
    assert RenderSpec(32, order=True).fingerprint != SPEC.fingerprint
