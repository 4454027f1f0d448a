"""The stroke branch of skfast."""

from __future__ import annotations

import pytest
import torch
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.models import as_input, create_model
from garabato.models.skfast import StrokeBranch
from garabato.render import RenderSpec, render_batch

SPEC = RenderSpec(32, order=True, path=True)
DRAWINGS = make_drawings(SKETCH_CATEGORIES, 2, seed=4)


def images_of(drawings):
    images = render_batch(DrawingBatch.from_drawings(drawings), SPEC)
    return as_input(images, torch.device("cpu"))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return create_model("skfast", n_categories=5, image_size_px=32, n_channels=4)


def test_features_of_a_line(model):
    path = images_of([Drawing([([0, 159], [0, 0])])])[:, 3]
    features = model.strokes.point_features(path)[0]
    x, y, dx, dy, length, start, progress, before = features
    torch.testing.assert_close(x, torch.linspace(-1, 1, 160), atol=0.004, rtol=0)
    torch.testing.assert_close(y, torch.full((160,), 1 / 255), atol=1e-6, rtol=0)
    # A step is 2 / 159 of the box and counts five times, up to the rounding of its ends.
    torch.testing.assert_close(dx[1:], torch.full((159,), 10 / 159), atol=0.04, rtol=0)
    assert dx[0] == 0
    assert not dy.any()
    torch.testing.assert_close(length, dx.abs())
    assert start.tolist() == [1.0] + [0.0] * 159
    torch.testing.assert_close(progress, torch.arange(160) / 160)
    assert not before.any()


def test_the_logits_are_those_of_the_image_and_weighted_those_of_the_strokes(model):
    bitmaps = DrawingBatch.from_drawings(DRAWINGS).replace(
        bitmaps=render_batch(DRAWINGS, RenderSpec(28))
    )
    pictures = as_input(render_batch(bitmaps, SPEC), torch.device("cpu"))
    with torch.no_grad():
        model.stroke_weights.copy_(torch.tensor([2.0, 3.0]))
    for images, weight in ((images_of(DRAWINGS), 2), (pictures, 3)):
        model.train()
        model(images)
        of_image, of_strokes = model.branch_logits
        logits, _ = model(images)
        torch.testing.assert_close(logits, of_image + weight * of_strokes)


def test_every_weight_gets_a_gradient(model):
    logits, _ = model(images_of(DRAWINGS))
    torch.nn.functional.cross_entropy(logits, torch.arange(len(DRAWINGS)) % 5).backward()
    # Only drawings without an order teach the second weight.
    assert model.stroke_weights.grad[0] != 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_a_mirrored_path_is_the_path_of_the_mirrored_drawing(model):
    flipped = [Drawing([(-x, y) for x, y in drawing.strokes]) for drawing in DRAWINGS]
    mirrored = model.mirrored(images_of(DRAWINGS))
    torch.testing.assert_close(mirrored[:, 3], images_of(flipped)[:, 3], atol=1.01 / 255, rtol=0)
    torch.testing.assert_close(StrokeBranch.mirrored(mirrored[:, 3]), images_of(DRAWINGS)[:, 3])


def test_with_mirror_a_drawing_and_its_mirror_image_get_the_same_predictions():
    torch.manual_seed(1)
    model = create_model("skfast", n_categories=3, image_size_px=32, n_channels=4, mirror=True)
    images = images_of(DRAWINGS)
    model.eval()
    with torch.no_grad():
        logits, embeddings = model(images)
        mirrored_logits, mirrored_embeddings = model(model.mirrored(images))
    torch.testing.assert_close(logits, mirrored_logits)
    torch.testing.assert_close(embeddings, mirrored_embeddings)


def test_images_without_a_path_have_no_stroke_branch():
    model = create_model("skfast", n_categories=3, image_size_px=32, n_channels=3)
    assert not [name for name in model.state_dict() if "stroke" in name]
    assert model.logit_scale is not None
