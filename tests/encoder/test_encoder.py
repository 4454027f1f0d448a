from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sketches import make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import Encoder, Prediction, load_encoder
from garabato.errors import EncoderError, InputError
from garabato.models import create_model
from garabato.render import RenderSpec, render_batch
from garabato.render.renderer import with_own_ink

CATEGORIES = ["cat", "dog", "house", "sun"]
DRAWINGS = make_drawings(["star", "house"], 5, seed=0)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    options = {"widths": [8, 16], "depths": [1, 1], "embedding_dim": 16}
    model = create_model("skfast", n_categories=4, image_size_px=24, **options)
    return Encoder(model, spec=RenderSpec(24), categories=CATEGORIES)


def test_embeddings_have_length_one(encoder):
    embeddings = encoder.embed(DRAWINGS)
    assert embeddings.shape == (10, 16)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)


def test_the_size_of_the_batches_changes_nothing(encoder):
    whole = encoder.predict(DRAWINGS)
    for batch_size in (1, 3):
        parts = encoder.predict(DRAWINGS, batch_size=batch_size)
        np.testing.assert_allclose(parts.embeddings, whole.embeddings, atol=1e-5)
        np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-5)


def test_one_drawing_gives_a_list_and_several_a_list_of_lists(encoder):
    one = encoder.classify(DRAWINGS[0], k=2)
    several = encoder.classify(DRAWINGS[:1], k=2)
    assert [p.category for p in several[0]] == [p.category for p in one]
    assert len(one) == 2
    assert one[0].probability >= one[1].probability
    everything = encoder.classify(DRAWINGS[0], k=99)
    assert sorted(p.category for p in everything) == CATEGORIES
    assert sum(p.probability for p in everything) == pytest.approx(1, abs=1e-5)


def test_a_small_bitmap_is_encoded_as_the_mean_of_its_traced_lines_and_its_own_ink(encoder):
    bitmaps = np.zeros((1, 28, 28), np.uint8)
    bitmaps[0, 5:20, 10:13] = 255
    batch = DrawingBatch.from_bitmaps(bitmaps)
    traced = render_batch(batch, encoder.spec)
    views = [traced, with_own_ink(traced, bitmaps, encoder.spec)]
    outputs = [encoder.predict_images(view) for view in views]
    output = encoder.predict(batch)
    mean = sum(one.embeddings for one in outputs)
    np.testing.assert_allclose(output.embeddings, mean / np.linalg.norm(mean), atol=1e-5)
    odds = np.prod([one.probabilities for one in outputs], axis=0) ** 0.5
    np.testing.assert_allclose(output.probabilities, odds / odds.sum(), atol=1e-5)


def test_strokes_and_bitmaps_can_be_mixed(encoder):
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[5:20, 10:12] = 255
    mixed = [DRAWINGS[0], Drawing(bitmap=bitmap), DRAWINGS[1]]
    embeddings = encoder.embed(mixed)
    np.testing.assert_allclose(embeddings[[0, 2]], encoder.embed(DRAWINGS[:2]), atol=1e-5)


def test_no_drawings_give_no_embeddings(encoder):
    assert encoder.embed([]).shape == (0, 16)
    assert encoder.classify(DrawingBatch.from_drawings([])) == []


def test_an_empty_drawing_has_a_finite_embedding(encoder):
    output = encoder.predict(Drawing([]))
    assert np.isfinite(output.embeddings).all()
    assert np.isfinite(output.probabilities).all()


def test_classifying_an_empty_drawing_is_an_error(encoder):
    for empty in (Drawing([]), Drawing(bitmap=np.zeros((28, 28), np.uint8))):
        with pytest.raises(InputError, match="the drawing is empty"):
            encoder.classify(empty)
    assert len(encoder.classify([DRAWINGS[0], Drawing([])])) == 2


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("mine/star.svg", "str"),
        (Path("mine/star.svg"), "PosixPath"),
        ([DRAWINGS[0], "mine/star.svg"], "str"),
        (DRAWINGS[0].to_lists(), "list"),
    ],
)
def test_other_types_are_refused_with_a_hint_how_to_read_drawings(encoder, given, kind):
    for ask in (encoder.classify, encoder.embed, encoder.predict):
        with pytest.raises(
            InputError, match=rf"(of type|not) {kind}(, not Drawing)?; read the drawings"
        ):
            ask(given)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None])
def test_batches_of_less_than_one_drawing_are_refused(encoder, batch_size):
    problem = f"batch_size must be a whole number of at least 1, not {batch_size}"
    with pytest.raises(InputError, match=problem):
        encoder.embed(DRAWINGS, batch_size=batch_size)


@pytest.mark.parametrize("k", [0, 2.5, "5"])
def test_less_than_one_category_and_what_is_no_number_of_them_is_refused(encoder, k):
    with pytest.raises(InputError, match=f"k must be a whole number of at least 1, not {k!r}"):
        encoder.classify(DRAWINGS[0], k=k)


def test_an_encoder_survives_saving_and_loading(encoder, tmp_path):
    encoder.save(tmp_path / "encoder.safetensors")
    for path in (tmp_path, tmp_path / "encoder.safetensors"):
        loaded = load_encoder(path)
        assert loaded.categories == CATEGORIES
        assert loaded.spec == encoder.spec
        assert loaded.fingerprint == encoder.fingerprint
        np.testing.assert_array_equal(loaded.embed(DRAWINGS), encoder.embed(DRAWINGS))


def test_the_fingerprint_changes_with_the_weights_and_with_the_images(encoder, tmp_path):
    encoder.save(tmp_path / "encoder.safetensors")
    other = load_encoder(tmp_path)
    with torch.no_grad():
        other.runtime.model.directions[0, 0] += 1
    assert other.fingerprint != encoder.fingerprint
    thick = Encoder(
        encoder.runtime.model, spec=RenderSpec(24, line_width=0.1), categories=CATEGORIES
    )
    assert thick.fingerprint != encoder.fingerprint


def test_the_file_holds_weights_in_half_precision(tmp_path):
    model = create_model("skfast", n_categories=345, image_size_px=64)
    encoder = Encoder(model, spec=RenderSpec(), categories=[str(i) for i in range(345)])
    encoder.save(tmp_path / "encoder.safetensors")
    assert (tmp_path / "encoder.safetensors").stat().st_size < 2.2 * encoder.n_parameters


@pytest.mark.parametrize("kept", [0, 4, 100, 5000])
def test_a_truncated_encoder_is_reported(encoder, tmp_path, kept):
    path = tmp_path / "cut.safetensors"
    encoder.save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(EncoderError, match=r"cut\.safetensors is truncated"):
        load_encoder(path)


def test_another_projects_safetensors_file_is_reported(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(EncoderError, match="not an encoder of garabato"):
        load_encoder(path)


def test_a_file_of_a_later_version_is_reported(encoder, tmp_path):
    path = tmp_path / "later.safetensors"
    encoder.save(path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'\\"version\\": 1', b'\\"version\\": 7'))
    with pytest.raises(EncoderError, match="format version 7"):
        load_encoder(path)


def test_a_missing_file_and_an_unfinished_run_say_what_to_do(tmp_path):
    with pytest.raises(EncoderError, match="garabato train"):
        load_encoder(tmp_path / "nowhere.safetensors")
    with pytest.raises(
        EncoderError, match=f"train one: garabato train --data DATA --out {tmp_path}$"
    ):
        load_encoder(tmp_path)
    (tmp_path / "my run").mkdir()
    with pytest.raises(EncoderError, match=r"--out '.*/my run'$"):
        load_encoder(tmp_path / "my run")
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(EncoderError, match=r"finish the training: garabato train .* --resume"):
        load_encoder(tmp_path)


def test_a_prediction_below_the_threshold_is_unsure(encoder, tmp_path):
    assert of_best(encoder, 0.49).unsure  # the default threshold
    assert not of_best(encoder, 0.5).unsure
    sure = Encoder(
        encoder.runtime.model,
        spec=encoder.spec,
        categories=CATEGORIES,
        unsure_below=0.6,
        unsure_precision=0.9,
        unknown_below=0.25,
    )
    sure.save(tmp_path / "encoder.safetensors")
    loaded = load_encoder(tmp_path)
    thresholds = (loaded.unsure_below, loaded.unsure_precision, loaded.unknown_below)
    assert thresholds == (0.6, 0.9, 0.25)
    assert of_best(loaded, 0.59).unsure
    assert not of_best(loaded, 0.6).unsure
    loaded.unsure_below = 1.1
    assert all(one.unsure for one in loaded.classify(DRAWINGS, k=1))
    assert loaded.is_unsure([Prediction("star", 1.09), Prediction("house", 0.01)])
    assert not loaded.is_unsure([Prediction("star", 1.1)])
    with pytest.raises(InputError, match="there are no predictions"):
        loaded.is_unsure([])


def test_a_drawing_is_unknown_if_its_five_best_predictions_are_improbable():
    model = create_model("skfast", n_categories=8, image_size_px=24)
    options = {"spec": RenderSpec(24), "categories": "abcdefgh"}
    probabilities = np.array([0.02, 0.125, 0.2, 0.05, 0.125, 0.125, 0.125, 0.23], np.float32)
    of_five = 0.23 + 0.2 + 3 * 0.125
    encoder = Encoder(model, **options, unknown_below=of_five + 0.01)
    assert encoder.best_predictions(probabilities, 1).unknown  # whatever k is
    assert encoder.best_predictions(probabilities, 8).unknown
    among = encoder.category_indices(["a", "b", "c"])
    assert not encoder.best_predictions(probabilities, 1, among=among).unknown
    encoder = Encoder(model, **options, unknown_below=of_five - 0.01)
    assert not encoder.best_predictions(probabilities, 1).unknown
    assert not Encoder(model, **options).best_predictions(probabilities / 2, 1).unknown


def test_predictions_are_a_list_and_plain_values_for_json(encoder):
    encoder = Encoder(encoder.runtime.model, spec=encoder.spec, categories=CATEGORIES)
    predictions = encoder.best_predictions(np.array([0.25, 0.5, 0.125, 0.125], np.float32), 2)
    assert predictions == [Prediction("dog", 0.5), Prediction("cat", 0.25)]
    assert predictions.to_dict() == {
        "predictions": [
            {"category": "dog", "probability": 0.5},
            {"category": "cat", "probability": 0.25},
        ],
        "unsure": False,
        "unknown": False,
    }


def test_an_encoder_written_before_there_were_thresholds_is_read(encoder, tmp_path):
    encoder.save(tmp_path / "new.safetensors")
    with safe_open(tmp_path / "new.safetensors", framework="pt") as reader:
        header = json.loads(reader.metadata()["garabato.encoder"])
        state = {name: reader.get_tensor(name) for name in reader.keys()}  # noqa: SIM118
    for name in ("unsure_below", "unsure_precision", "unknown_below", "sha256"):
        del header[name]
    save_file(state, tmp_path / "old.safetensors", {"garabato.encoder": json.dumps(header)})
    old = load_encoder(tmp_path / "old.safetensors")
    assert (old.unsure_below, old.unsure_precision, old.unknown_below) == (0.5, None, 0.0)
    assert of_best(old, 0.49).unsure
    assert not of_best(old, 0.5).unsure


def test_an_encoder_is_shown_in_one_short_line(encoder):
    shown = f"Encoder(skfast, 4 categories, 24 px, fingerprint {encoder.fingerprint})"
    assert repr(encoder) == shown
    n, dim = len(DRAWINGS), encoder.embedding_dim
    assert (
        repr(encoder.predict(DRAWINGS))
        == f"Output(probabilities ({n}, 4), embeddings ({n}, {dim}))"
    )
    added = encoder.with_categories({"new": DRAWINGS[:2]}).added_categories
    assert repr(added) == "[AddedCategory(name='new', n_drawings=2)]"


def test_among_renormalises_the_probabilities_over_the_given_categories(encoder):
    whole = {p.category: p.probability for p in encoder.classify(DRAWINGS[0], k=4)}
    total = whole["dog"] + whole["sun"]
    chosen = encoder.classify(DRAWINGS[0], among=["sun", "dog", "sun"])
    assert {p.category: p.probability for p in chosen} == pytest.approx(
        {"dog": whole["dog"] / total, "sun": whole["sun"] / total}, rel=1e-5
    )
    assert chosen[0].probability >= chosen[1].probability
    assert encoder.classify(DRAWINGS[:2], k=1, among=["cat"]) == [[Prediction("cat", 1.0)]] * 2


def test_among_without_any_probability_left_is_even(encoder):
    certain = np.array([1, 0, 0, 0], np.float32)
    found = encoder.best_predictions(certain, 5, among=encoder.category_indices(["dog", "sun"]))
    assert found == [Prediction("dog", 0.5), Prediction("sun", 0.5)]


def test_unknown_names_in_among_are_refused(encoder):
    with pytest.raises(InputError, match="no category 'hous'; did you mean 'house'"):
        encoder.classify(DRAWINGS[0], among=["cat", "hous"])
    with pytest.raises(InputError, match="'cat, dog'; give each category by itself"):
        encoder.classify(DRAWINGS[0], among=["cat, dog"])
    with pytest.raises(InputError, match="`among` is empty"):
        encoder.classify(DRAWINGS[0], among=[])
    with pytest.raises(InputError, match="`among` is empty"):
        encoder.best_predictions(np.full(4, 0.25, np.float32), 3, among=np.array([], np.int64))


def test_images_that_the_network_does_not_take_are_refused(encoder):
    images = render_batch(DRAWINGS[:2], encoder.spec)
    for wrong in (images[0], images[:, :-1], images.astype(np.float32) / 255):
        problem = f"and the dtype uint8, not {wrong.shape} and {wrong.dtype}; render_batch"
        with pytest.raises(InputError, match=re.escape(problem)):
            encoder.predict_images(wrong)


@pytest.mark.parametrize("shape", [(3,), (5,), (1, 4)])
def test_probabilities_that_are_not_those_of_one_drawing_are_refused(encoder, shape):
    with pytest.raises(InputError, match=r"have the shape \(4,\), not " + re.escape(str(shape))):
        encoder.best_predictions(np.zeros(shape, np.float32), 3)


def of_best(encoder, probability):
    """The predictions of a drawing whose best category has this probability."""
    rest = (1 - probability) / 3
    return encoder.best_predictions(np.array([rest, probability, rest, rest], np.float32), 2)
