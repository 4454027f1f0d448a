from __future__ import annotations

from importlib import resources

import garabato
from garabato.categories import CATEGORIES
from garabato.encoder import FILE_NAME


def test_the_encoder_that_ships_knows_all_categories_and_is_small():
    file = resources.files("garabato") / "pretrained" / FILE_NAME
    encoder = garabato.load_encoder()
    assert encoder.categories == list(CATEGORIES)
    assert encoder.embedding_dim == 128
    assert len(file.read_bytes()) <= 10_000_000


def test_the_model_card_is_of_the_encoder_that_ships():
    card = (resources.files("garabato") / "pretrained" / "MODEL_CARD.md").read_text()
    assert garabato.load_encoder().fingerprint in card


def test_a_plain_circle_is_recognised_without_any_training():
    xs = [100, 170, 200, 170, 100, 30, 0, 30, 100]
    ys = [0, 30, 100, 170, 200, 170, 100, 30, 0]
    best = garabato.load_encoder().classify(garabato.Drawing([(xs, ys)]), k=5)
    round_things = {"circle", "octagon", "hexagon", "moon", "cookie", "wheel", "baseball", "apple"}
    assert {prediction.category for prediction in best} & round_things


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
