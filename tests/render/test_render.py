from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import InputError
from garabato.render import RenderSpec, rasterise, render, render_batch

LINE = Drawing([([0, 100], [0, 0])])


def ink_box(image):
    rows, columns = np.nonzero(image)
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_a_horizontal_line_is_centred_and_has_the_line_width_of_the_spec():
    image = render(LINE, RenderSpec(32, line_width=4 / 32, margin=0.0))
    assert image.dtype == np.uint8
    # 4 px wide around the middle row boundary 16, from edge to edge less the round caps.
    assert image[:, 16].tolist() == [0] * 14 + [255] * 4 + [0] * 14
    assert ink_box(image) == (14, 17, 0, 31)


def test_a_list_of_drawings_is_drawn_at_64_px_unless_a_spec_is_given():
    (image,) = render_batch([LINE])
    assert image.tolist() == render(LINE, RenderSpec(64)).tolist()


def test_a_line_between_pixels_is_anti_aliased():
    points = np.array([[2, 4.25], [14, 4.25]], np.float32)
    starts = np.array([0, 2]), np.array([0, 1])
    widths_px, has_order = np.array([1.0], np.float32), np.array([True])
    image = rasterise(points, *starts, widths_px, has_order, spec=RenderSpec(size_px=16))[0]
    # Centres of rows 3, 4, 5 lie 0.75, 0.25 and 1.25 px off the line: 1 - distance is covered.
    assert image[3:6, 8].tolist() == [64, 191, 0]


def test_a_dot_is_a_disc():
    image = render(Drawing([([7], [3])]), RenderSpec(32, line_width=0.25))
    assert image[16, 16] == 255
    assert image.sum() / 255 == pytest.approx(np.pi * 16, rel=0.02)


def test_the_aspect_is_kept_and_the_drawing_is_centred():
    image = render(Drawing([([0, 200, 200, 0, 0], [0, 0, 50, 50, 0])]), RenderSpec(64))
    top, bottom, left, right = ink_box(image)
    assert top + bottom == 63
    assert left + right == 63
    inner = (right - left) - RenderSpec(64).line_px
    assert (bottom - top) - RenderSpec(64).line_px == pytest.approx(inner / 4, abs=1.5)


@given(scale=st.sampled_from([0.25, 2.0, 64.0]), shift=st.sampled_from([-512.0, 0.0, 1024.0]))
@settings(max_examples=9)
def test_position_and_size_of_a_drawing_do_not_matter(scale, shift):
    drawing = make_drawings(["star"], 1, seed=3)[0]
    moved = Drawing([stroke * scale + shift for stroke in drawing.strokes])
    difference = render(moved, RenderSpec()).astype(int) - render(drawing, RenderSpec())
    assert abs(difference).max() <= 2


def test_the_margin_stays_empty():
    spec = RenderSpec(64, margin=0.125)
    for image in render_batch(DrawingBatch.from_drawings(make_drawings(["house"], 5, 0)), spec):
        top, bottom, left, right = ink_box(image)
        assert min(top, left) >= 8
        assert max(bottom, right) <= 55


def test_a_batch_renders_like_each_drawing_alone():
    drawings = make_drawings(SKETCH_CATEGORIES, 2, seed=1)
    images = render_batch(DrawingBatch.from_drawings(drawings), RenderSpec(48))
    assert images.shape == (len(drawings), 48, 48)
    for drawing, image in zip(drawings, images, strict=True):
        np.testing.assert_array_equal(render(drawing, RenderSpec(48)), image)


def test_an_empty_drawing_gives_an_empty_image():
    assert not render(Drawing([]), RenderSpec()).any()


def test_the_reference_style_draws_as_the_reference_project_did():
    cv2 = pytest.importorskip("cv2")
    drawing = make_drawings(["ladder"], 1, seed=0)[0]
    canvas = np.full((256, 256), 255, np.uint8)
    for xs, ys in drawing.strokes:
        for i in range(len(xs) - 1):
            start, end = (int(xs[i]), int(ys[i])), (int(xs[i + 1]), int(ys[i + 1]))
            cv2.line(canvas, start, end, 0, 3)
    expected = 255 - cv2.resize(canvas, (128, 128), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(render(drawing, RenderSpec.reference()), expected)


def test_real_drawings_rendered_both_ways_show_the_same_ink(quickdraw):
    from garabato.formats import read_drawings

    path = quickdraw / "simplified" / "bus.ndjson"
    drawing = next(iter(read_drawings(path)))
    smooth = render(drawing, RenderSpec(128, line_width=3 / 256, margin=0.0)) > 0
    reference = render(drawing, RenderSpec.reference(128)) > 0
    assert 0.5 < smooth.sum() / reference.sum() < 2


def test_a_size_is_not_a_spec():
    with pytest.raises(InputError, match=r"such as RenderSpec\(64\), not 48"):
        render_batch(make_drawings(["line"], 1, seed=0), 48)


def test_a_spec_survives_json_and_refuses_unknown_fields():
    spec = RenderSpec(48, line_width=0.05)
    assert RenderSpec.from_dict(spec.to_dict()) == spec
    assert spec.fingerprint != RenderSpec(48).fingerprint
    of_numpy = RenderSpec(np.int64(48), line_width=np.float64(0.05))
    assert json.loads(json.dumps(of_numpy.to_dict())) == spec.to_dict()
    assert of_numpy.fingerprint == spec.fingerprint
    with pytest.raises(InputError, match="colour"):
        RenderSpec.from_dict({"colour": "red"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"size_px": 4},
        {"line_width": 0.0},
        {"margin": 0.5},
        {"line_width": 0.4, "margin": 0.3},
        {"style": "oil"},
    ],
)
def test_invalid_specs_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RenderSpec(**wrong)


def test_the_order_of_strokes_fills_two_more_channels():
    batch = DrawingBatch.from_drawings(
        [Drawing([[[0, 255], [20, 20]], [[0, 255], [200, 200]], [[255, 0], [240, 240]]])]
    )
    ink = render_batch(batch, RenderSpec(size_px=32, line_width=0.1))[0]
    image = render_batch(batch, RenderSpec(size_px=32, line_width=0.1, order=True))[0]
    assert image.shape == (32, 32, 3)
    np.testing.assert_array_equal(image[..., 0], ink)
    first, second, third = (np.flatnonzero(ink[:, 16] == 255)[i] for i in (0, 3, -1))
    # 1, then 0.15 + 0.85 x 0.8 and 0.15 + 0.85 x 0.64
    assert [image[row, 16, 1] for row in (first, second, third)] == [255, 212, 177]
    along = image[[first, third], :, 2].astype(int)  # 1 at the pen's start, 0.2 at its end
    assert along[0, 4] > along[0, 16] > along[0, 27] > 0
    assert along[1, 4] < along[1, 16] < along[1, 27]


def test_bitmaps_have_no_stroke_order():
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[5:20, 10] = 255
    image = render(Drawing(bitmap=bitmap), RenderSpec(size_px=32, order=True))
    assert image[..., 0].any()
    assert not image[..., 1:].any()


def test_a_spec_without_order_keeps_the_fingerprint_it_had():
    assert "order" not in RenderSpec().to_dict()
    assert RenderSpec().fingerprint != RenderSpec(order=True).fingerprint
    assert RenderSpec.from_dict(RenderSpec(order=True).to_dict()) == RenderSpec(order=True)


@pytest.mark.parametrize(
    ("spec", "fingerprint"),
    [
        (RenderSpec(), "278c4ac318c5bcf8"),
        (RenderSpec(order=True), "d142481f4c4534f5"),
        (RenderSpec.reference(), "f0f69247f9cf9ba6"),
        (RenderSpec.reference(32), "54c096e0ab972698"),
    ],
)
def test_fingerprints_stay_as_they_are_stored_in_encoders_and_galleries(spec, fingerprint):
    assert spec.fingerprint == fingerprint


def test_files_spell_the_reference_style_seed_forever():
    assert RenderSpec.reference().to_dict()["style"] == "seed"
    assert RenderSpec.from_dict(RenderSpec.reference().to_dict()) == RenderSpec.reference()
    assert RenderSpec(style="seed").style == "reference"
    assert RenderSpec.from_dict({"style": "reference"}).style == "reference"
