from __future__ import annotations

import hashlib
import sys
from importlib import resources
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

import garabato
from garabato.categories import CATEGORIES
from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import FILE_NAME
from garabato.render import RenderSpec, render_batch, with_strokes

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from ship_encoder import Form, Training, _balanced_top1, model_card


def test_the_encoder_that_ships_knows_all_categories_and_is_small():
    file = resources.files("garabato") / "pretrained" / FILE_NAME
    encoder = garabato.load_encoder()
    assert encoder.categories == list(CATEGORIES)
    assert encoder.embedding_dim == 128
    assert len(file.read_bytes()) <= 10_000_000


def test_the_model_card_is_of_the_encoder_that_ships():
    folder = resources.files("garabato") / "pretrained"
    card = (folder / "MODEL_CARD.md").read_text()
    content = (folder / "encoder.onnx").read_bytes()
    assert garabato.load_encoder().fingerprint in card
    assert f"{len(content):,} | `{hashlib.sha256(content).hexdigest()}`" in card


def test_a_plain_circle_is_recognised_without_any_training():
    xs = [100, 170, 200, 170, 100, 30, 0, 30, 100]
    ys = [0, 30, 100, 170, 200, 170, 100, 30, 0]
    best = garabato.load_encoder().classify(garabato.Drawing([(xs, ys)]), k=5)
    round_things = {"circle", "octagon", "hexagon", "moon", "cookie", "wheel", "baseball", "apple"}
    assert {prediction.category for prediction in best} & round_things


@pytest.mark.parametrize("degrees", range(0, 360, 30))
@pytest.mark.parametrize(("category", "n_corners"), [("triangle", 3), ("hexagon", 6)])
def test_a_shape_keeps_its_name_however_it_stands(category, n_corners, degrees):
    angles = np.radians(degrees) + 2 * np.pi * np.arange(n_corners + 1) / n_corners
    (answer,) = garabato.load_encoder().classify(
        [Drawing([[np.sin(angles), -np.cos(angles)]])], k=1
    )
    assert answer[0].category == category


def test_a_triangle_on_its_corner_is_a_triangle(tmp_path):
    svg = tmp_path / "triangle.svg"
    svg.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 270 240" fill="none">'
        '<path fill="currentColor" d="M40 40L140 180L240 40Z"/></svg>'
    )
    (answer,) = garabato.load_encoder().classify(garabato.read_drawings(svg), k=1)
    assert answer[0].category == "triangle"


def test_real_drawings_are_recognised_without_any_training(quickdraw):
    encoder = garabato.load_encoder()
    n_right = n = 0
    for category in ("The Eiffel Tower", "umbrella", "ladder", "bicycle"):
        path = quickdraw / "simplified" / f"{category}.ndjson"
        drawings = list(garabato.read_drawings(path))[:50]
        answers = encoder.classify(drawings, k=5)
        n_right += sum(category in {p.category for p in answer} for answer in answers)
        n += len(drawings)
    assert n_right / n > 0.85


FORM = Form("8 bits", 0.7731, 0.7412, 0.68, 0.988, 3_151, 3_328_997, "ab12", True)
SHIPPED = {"ant": (2, 0.5), "bee": (4, 0.25)}
ON_S345 = {"ant": (25, 0.64), "bee": (25, 0.8)}


def _evaluation(per_category, *, n_drawings, top1, half):
    return {
        "n_drawings": n_drawings,
        "n_gallery": 100,
        "top1": top1,
        "top5": 0.9,
        "map": 0.6,
        "map_gallery": 0.7,
        "ece": 0.02,
        "partial_top1": {"50": half, "100": top1},
        "per_category": {
            name: {"n_drawings": n, "top1": share} for name, (n, share) in per_category.items()
        },
    }


def _card(*more, settings="minutes = 1\n"):
    last = {"step": 10, "seconds": 60, "top1": 0.7}
    training = Training(Path("runs/x"), settings, last)
    evaluation = _evaluation(SHIPPED, n_drawings=6, top1=0.75, half=0.33)
    return model_card(garabato.load_encoder(), evaluation, [training], [FORM], *more)


def test_a_model_card_gives_noise_and_accuracy_on_half_the_ink():
    card = _card()
    assert "| top-1 | 75.0% ± 17.7% |" in card  # sqrt(0.75 x 0.25 / 6)
    assert "| 8 bits (ships) | 77.31% | 74.12% | 0.680 | 98.8% | 3,328,997 | `ab12` |" in card
    # (0.5 + 0.25) / 2, and the square root of (0.25 / 1 + 0.1875 / 3) / 2**2
    assert "| top-1, categories weighted equally | 37.5% ± 28.0% |" in card
    assert "73.0% and\n93.5%" in card
    assert "from half of the ink it is right for 33% of\n  6 drawings" in card
    assert "figures are only rough" in card
    assert card.index("| bee | 4 | 25 |") < card.index("| ant | 2 | 50 |")


def test_a_model_card_takes_the_scores_by_category_of_the_larger_test():
    card = _card(_evaluation(ON_S345, n_drawings=8_625, top1=0.76, half=0.41))
    assert "| | this encoder | preset `shipped` on S345 |" in card
    assert "| held-out drawings | 6 | 8,625 |" in card
    assert "right for 33% of\n  6 drawings (S345: 41% of 8,625)" in card
    assert "| top-1 with 50% of the ink | 33.0% | 41.0% |" in card
    assert card.index("| ant | 25 | 64 |") < card.index("| bee | 25 | 80 |")
    assert "| bee | 4 |" not in card
    assert "figures are only rough" not in card


def test_pictures_of_real_drawings_are_classified_like_their_strokes(quickdraw, tmp_path):
    encoder = garabato.load_encoder()
    batch = DrawingBatch.from_drawings(
        drawing
        for category in ("The Eiffel Tower", "umbrella", "ladder", "bicycle", "cat")
        for drawing in islice(
            garabato.read_drawings(quickdraw / "simplified" / f"{category}.ndjson"), 10
        )
    )
    from_strokes = encoder.predict(batch).probabilities.argmax(axis=1)
    ink = render_batch(batch, RenderSpec(size_px=256, line_width=0.012, margin=0.06))
    as_google_draws = RenderSpec(size_px=224, line_width=1.47 / 28, margin=0.07)
    small = [
        cv2.resize(picture, (28, 28), interpolation=cv2.INTER_AREA)
        for picture in render_batch(batch, as_google_draws)
    ]
    garabato.write_drawings(tmp_path / "small.npy", [Drawing(bitmap=picture) for picture in small])
    found = {"bitmaps": list(garabato.read_drawings(tmp_path / "small.npy"))}
    for name, pictures in (("dark on light", 255 - ink), ("light on dark", ink)):
        found[name] = []
        for picture in pictures:
            cv2.imwrite(str(tmp_path / "drawing.png"), picture)
            found[name] += garabato.read_drawings(tmp_path / "drawing.png")
    for name, drawings in found.items():
        traced = [with_strokes(DrawingBatch.from_drawings([drawing]))[0] for drawing in drawings]
        answers = encoder.predict(traced).probabilities.argmax(axis=1)
        assert (answers == from_strokes).mean() > 0.7, name


def test_top1_with_categories_weighted_equally_is_the_mean_over_the_categories():
    # 3 of 4 right, 0 of 1; category 1 has no drawing. The error: sqrt(0.75 x 0.25 / 3) / 2
    assert _balanced_top1([3, 0, 0], [4, 0, 1]) == pytest.approx((0.375, 0.125))


def test_the_model_card_says_that_predictions_favour_no_category():
    assert "don't favour categories" not in _card()
    card = model_card(
        garabato.load_encoder(),
        _evaluation(SHIPPED, n_drawings=6, top1=0.75, half=0.33),
        [],
        [FORM],
        options=" --balance",
    )
    assert "don't favour categories" in card


def test_the_model_card_names_the_teachers():
    assert "learned the answers of" not in _card()
    card = _card(settings='minutes = 1\nteachers = ["runs/a", "runs/b"]\n')
    assert "learned the answers of `runs/a` and `runs/b`" in card
