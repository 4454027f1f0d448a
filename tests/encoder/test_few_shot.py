from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from networks import CATEGORIES, make_encoder
from sketches import make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import Encoder, categories_file, load_encoder
from garabato.encoder.few_shot import OFFSET, SLOPE, learn_category, with_added_logits
from garabato.errors import EncoderError, InputError
from garabato.export import export_onnx

STARS = make_drawings(["star"], 6, seed=0)
SPIRALS = make_drawings(["spiral"], 6, seed=1)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return make_encoder("skfast")


@pytest.fixture(scope="module")
def larger(encoder) -> Encoder:
    return encoder.with_categories({"star": STARS[:5], "spiral": SPIRALS[:5]})


def test_the_logit_of_a_new_category_is_linear_in_the_cosine_with_its_examples():
    examples = np.array([[4, 0, 0, 0], [8, 0, 0, 0]], np.float32)  # centred: (3, -1, -1, -1) x 1, 2
    one = learn_category("new", examples)
    np.testing.assert_allclose(one.prototype, np.array([3, -1, -1, -1]) / 12**0.5, atol=1e-3)
    queries = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)  # cosines 1 and -1/3
    logits = with_added_logits(queries, [one], temperature=0.5)
    level = 0.5 * (np.log(3) + 3)  # log-odds of 3 against three logits of 0, at temperature 0.5
    expected = [level * (SLOPE + OFFSET), level * (OFFSET - SLOPE / 3)]
    np.testing.assert_allclose(logits[:, 4], expected, rtol=1e-3)
    np.testing.assert_allclose(logits[:, :4], queries - 0.25)


def _resistor(seed: int) -> Drawing:
    """A wire, a zigzag and a wire, with a wobble."""
    rng = np.random.default_rng(seed)
    n = 6 + seed % 3
    xs = np.array([0, 60, *np.linspace(70, 190, n), 200, 255]) + rng.normal(0, 2, n + 4)
    ys = np.array([128, 128, *(128 + 35 * (-1) ** np.arange(n)), 128, 128])
    return Drawing([(xs, ys + rng.normal(0, 3, n + 4))])


def test_the_shipped_encoder_learns_a_category_it_never_saw_from_five_drawings():
    encoder = load_encoder()
    assert "resistor" not in encoder.categories
    larger = encoder.with_categories({"resistor": [_resistor(seed) for seed in range(5)]})
    new = larger.classify([_resistor(seed) for seed in range(5, 15)], k=1)
    assert [best[0].category for best in new] == ["resistor"] * 10
    old = larger.classify(STARS, k=1)
    assert [best[0].category for best in old] == ["star"] * len(STARS)


def test_probabilities_of_old_and_new_categories_sum_to_one(larger):
    output = larger.predict([*STARS, *SPIRALS])
    assert output.probabilities.shape == (12, len(CATEGORIES) + 2)
    np.testing.assert_allclose(output.probabilities.sum(axis=1), 1, rtol=1e-5)


def test_old_categories_keep_their_order_and_ratio(encoder, larger):
    before = encoder.predict(STARS).probabilities
    after = larger.predict(STARS).probabilities[:, : len(CATEGORIES)]
    np.testing.assert_allclose(after / after.sum(axis=1, keepdims=True), before, rtol=1e-4)


def test_embeddings_and_fingerprint_stay_the_same(encoder, larger):
    np.testing.assert_array_equal(encoder.embed(STARS), larger.embed(STARS))
    assert larger.fingerprint == encoder.fingerprint


def test_adding_categories_does_not_change_the_encoder(encoder, larger):
    assert encoder.categories == CATEGORIES
    assert larger.categories == [*CATEGORIES, "star", "spiral"]


def test_thresholds_and_calibration_stay_the_same(encoder):
    own = {
        "temperature": 1.5,
        "unsure_below": 0.6,
        "unsure_precision": 0.9,
        "unknown_below": 0.25,
        "notes": {"trained": "here"},
    }
    made = Encoder(encoder.runtime, spec=encoder.spec, categories=CATEGORIES, **own)
    larger = made.with_categories({"star": STARS[:5]})
    for changed in (larger, larger.without_categories("star")):
        assert {name: getattr(changed, name) for name in own} == own


def test_added_categories_work_with_among_and_unsure(larger):
    best = larger.classify(STARS[5], among=["star", "cat"])
    assert {one.category for one in best} == {"star", "cat"}
    assert sum(one.probability for one in best) == pytest.approx(1)
    assert not best.unsure
    assert not best.unknown


def test_a_notebook_shows_the_encoder_as_a_table(larger):
    html = larger._repr_html_()
    assert f"7: {', '.join(CATEGORIES)}, star, spiral" in html
    assert larger.fingerprint in html


def test_categories_can_be_added_one_after_the_other_and_removed(encoder, larger):
    one_by_one = encoder.with_categories({"star": STARS[:5]}).with_categories(
        {"spiral": DrawingBatch.from_drawings(SPIRALS[:5])}
    )
    np.testing.assert_allclose(
        one_by_one.predict(STARS).probabilities, larger.predict(STARS).probabilities, rtol=1e-5
    )
    assert larger.without_categories(["star"]).categories == [*CATEGORIES, "spiral"]
    again = larger.without_categories(["star", "spiral"])
    np.testing.assert_array_equal(
        again.predict(STARS).probabilities, encoder.predict(STARS).probabilities
    )


def test_one_or_a_hundred_drawings_make_a_category(encoder):
    hundred = make_drawings(["star"], 100, seed=3)
    more = encoder.with_categories({"star": hundred, "spiral": SPIRALS[0]})
    assert [one.n_drawings for one in more.added_categories] == [100, 1]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"new": []}, "'new' has no drawing"),
        ({"new": [STARS[0], Drawing()]}, "drawing 2 of the category 'new' is empty"),
        ({"new": ["star.svg"]}, "drawing 1 is of type str, not Drawing; read the drawings"),
        ({"cat": STARS}, "has a category 'cat' already"),
        ({"  ": STARS}, "not blank"),
        ({" new": STARS}, "begins or ends with a space"),
        ({"a\nb": STARS}, "line break"),
        ({"n" * 201: STARS}, "longer than 200"),
    ],
)
def test_bad_categories_are_refused(encoder, given, problem):
    with pytest.raises(InputError, match=problem):
        encoder.with_categories(given)


def test_a_category_of_the_network_cannot_be_removed(larger):
    with pytest.raises(InputError, match="'cat' is part of the network"):
        larger.without_categories(["cat"])
    with pytest.raises(InputError, match="'stars' does not exist"):
        larger.without_categories("stars")


def test_encoder_files_keep_added_categories(larger, tmp_path):
    larger.save(tmp_path / "encoder.safetensors")
    export_onnx(larger, tmp_path / "encoder.onnx")
    expected = larger.predict(STARS).probabilities
    for name in ("encoder.safetensors", "encoder.onnx"):
        loaded = load_encoder(tmp_path / name, precision="float32")
        assert loaded.categories == larger.categories
        np.testing.assert_allclose(loaded.predict(STARS).probabilities, expected, atol=1e-4)


def test_a_categories_file_beside_the_encoder_is_found_in_both_forms(encoder, larger, tmp_path):
    encoder.save(tmp_path / "encoder.safetensors")
    export_onnx(encoder, tmp_path / "encoder.onnx")
    larger.save_categories(categories_file(tmp_path))
    for path in (tmp_path, tmp_path / "encoder.safetensors", tmp_path / "encoder.onnx"):
        assert load_encoder(path).categories == larger.categories


def test_a_categories_file_can_be_named(encoder, larger, tmp_path):
    encoder.save(tmp_path / "mine.safetensors")
    file = tmp_path / "my.json"
    larger.save_categories(file)
    assert load_encoder(tmp_path / "mine.safetensors").categories == CATEGORIES
    loaded = load_encoder(tmp_path / "mine.safetensors", categories=file)
    assert loaded.categories == larger.categories


def test_a_damaged_categories_file_is_named(encoder, larger, tmp_path):
    encoder.save(tmp_path / "encoder.safetensors")
    file = tmp_path / "my.json"
    larger.save_categories(file)
    document = json.loads(file.read_text())
    half = {**document["categories"][0], "prototype": ""}
    no_numbers = {**half, "prototype": base64.b64encode(np.full(5, np.nan, "<f2")).decode()}
    for content, problem in (
        ("{", "cannot read"),
        ("[]", "is not a file that"),
        ("{}", "is not a file that"),
        (json.dumps({**document, "version": 9}), "format version 9"),
        (json.dumps({**document, "fingerprint": "0" * 16}), "made with the encoder 0000"),
        (json.dumps({**document, "categories": [{"name": "x"}]}), "damaged"),
        (json.dumps({**document, "categories": [half]}), "has 0 numbers, not 5"),
        (json.dumps({**document, "categories": [no_numbers]}), "contains NaN or infinity"),
    ):
        file.write_text(content)
        with pytest.raises(EncoderError, match=problem):
            load_encoder(tmp_path, categories=file)
    with pytest.raises(
        EncoderError, match=r"there are no categories at .* --categories '.*/my own\.json'$"
    ):
        load_encoder(tmp_path, categories=tmp_path / "my own.json")


def test_the_shipped_encoder_keeps_no_categories_beside_it():
    with pytest.raises(EncoderError, match=r"--categories my\.categories\.json"):
        categories_file("shipped")
