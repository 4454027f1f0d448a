"""Categories that clients teach the encoder of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from running import Running
from sketches import sketch

import garabato
from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.encoder.few_shot import learn_category, save_categories
from garabato.service.settings import Settings
from garabato.service.state import state_folder

PATH = "/v1/encoder/categories"
TOKEN = "a token of tests"


def spring(seed: int) -> Drawing:
    """A coil: none of the encoder's categories."""
    turns = [(10 + 3 * i, 60 + (40 + seed) * (-1) ** i) for i in range(20)]
    return Drawing([[[x for x, _ in turns], [y for _, y in turns]], [[5, 75], [120, 120]]])


@pytest.fixture
def running(make_gallery: Callable[[], str]) -> Iterator[Running]:
    with Running(Settings(gallery=make_gallery(), writes_per_minute=1_000_000)) as running:
        running.wait_until("/readyz")
        yield running


def test_what_is_taught_is_known_at_once_and_after_a_new_start(
    running: Running, tmp_path: Path
) -> None:
    client = garabato.Client(running.url)
    before = client.classify(spring(9), k=200)
    client.teach("coil spring/1", [spring(seed) for seed in range(3)])
    assert client.taught() == {"coil spring/1": 3}
    after = client.classify(spring(9), k=200)
    assert after[0].category == "coil spring/1"
    assert [one.category for one in before[:3]] == [one.category for one in after[1:4]]
    assert (
        client.classify(spring(9), among=["coil spring/1", "cat"])[0].category == after[0].category
    )
    found = running.post("/v1/search", {"drawing": spring(9).to_lists(), "predictions": 1}).json
    assert found["predictions"][0]["category"] == "coil spring/1"
    assert "coil spring/1" in running.get("/v1/categories").json["known"]

    uri = str(tmp_path / "drawings.gallery")
    file = state_folder(uri) / "categories.json"
    assert garabato.load_encoder(categories=file).classify(spring(9), k=1)[0].category == (
        "coil spring/1"
    )
    with Running(Settings(gallery=uri)) as again:
        again.wait_until("/readyz")
        client = garabato.Client(again.url)
        assert client.classify(spring(9), k=200) == after
        client.forget("coil spring/1")
        assert client.classify(spring(9), k=200) == before
        with pytest.raises(garabato.ServiceError, match="no category 'coil spring/1' was taught"):
            client.forget("coil spring/1")


def test_teaching_again_replaces_the_drawings(running: Running) -> None:
    strokes = [spring(seed).to_lists() for seed in range(2)]
    for given in (strokes, strokes[:1]):
        answer = running.ask("PUT", f"{PATH}/spring", {"drawings": given})
        assert answer.json == {"category": "spring", "n_drawings": len(given)}
    listed = running.get(PATH).json
    assert listed == {"categories": [{"category": "spring", "n_drawings": 1}]}


def test_what_another_process_added_or_removed_meanwhile_stays_so(
    running: Running, shipped_encoder: Encoder, tmp_path: Path
) -> None:
    client = garabato.Client(running.url)
    for name in ("first", "second"):
        client.teach(name, [spring(1)])
    file = state_folder(str(tmp_path / "drawings.gallery")) / "categories.json"
    there = garabato.load_encoder(categories=file).without_categories(["first"])
    there.with_categories({"from a shell": [spring(2), spring(3)]}).save_categories(file)
    client.teach("third", [spring(4)])
    assert client.taught() == {"second": 1, "from a shell": 2, "third": 1}
    client.classify(spring(2), among=["from a shell"])
    stored = garabato.load_encoder(categories=file).added_categories
    assert [one.name for one in stored] == ["second", "from a shell", "third"]
    shipped_encoder.with_categories({"alone": [spring(5)]}).save_categories(file)
    assert client.taught() == {"alone": 1}
    client.forget("alone")
    assert client.taught() == {}


def test_what_another_process_teaches_is_predicted_at_once(
    running: Running, shipped_encoder: Encoder, tmp_path: Path
) -> None:
    client = garabato.Client(running.url)
    before = client.classify(spring(9), k=5)
    file = state_folder(str(tmp_path / "drawings.gallery")) / "categories.json"
    file.parent.mkdir(exist_ok=True)
    shipped_encoder.with_categories({"coil": [spring(i) for i in range(3)]}).save_categories(file)
    taught = client.classify(spring(9), k=5)
    assert taught[0].category == "coil"
    assert "coil" in running.get("/v1/categories").json["known"]
    file.write_bytes(b"{")  # by another program
    assert client.classify(spring(9), k=5) == taught
    file.unlink()
    assert client.classify(spring(9), k=5) == before


def test_traced_drawings_are_taught_without_their_order(
    running: Running, shipped_encoder: Encoder, tmp_path: Path
) -> None:
    springs = [spring(seed).replace(traced=seed > 0) for seed in range(2)]
    garabato.Client(running.url).teach("spring", springs)
    (expected,) = shipped_encoder.with_categories({"spring": springs}).added_categories
    file = state_folder(str(tmp_path / "drawings.gallery")) / "categories.json"
    (found,) = garabato.load_encoder(categories=file).added_categories
    np.testing.assert_allclose(found.prototype, expected.prototype, atol=1e-3)
    strokes = [one.to_lists() for one in springs]
    for wrong in ([True], []):
        answer = running.ask("PUT", f"{PATH}/spring", {"drawings": strokes, "traced": wrong})
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "traced")


@pytest.mark.parametrize(
    ("name", "given", "field", "words"),
    [
        ("cat", [spring(1).to_lists()], "category", "has a category 'cat'"),
        ("%20spring", [spring(1).to_lists()], "category", "begins or ends with a space"),
        ("x" * 101, [spring(1).to_lists()], "category", "at most 100 characters"),
        ("a%0Ab", [spring(1).to_lists()], "category", "control characters"),
        ("spring", [], "drawings", "at least 1 item"),
        ("spring", [[]], "drawings.0", "draw at least one stroke"),
        ("spring", [[[1, 2], [3, 4]]], "drawings.0.0.0", "a stroke is [[x, ...], [y, ...]]"),
        ("spring", [spring(1).to_lists()] * 101, "drawings", "at most 100 items"),
        ("spring", [spring(1).to_lists(), [[[1, 2], [3]]]], "drawings.1", "2 xs but 1 ys"),
    ],
)
def test_the_error_for_drawings_that_cannot_be_taught_names_the_field(
    service: Running, name: str, given: object, field: str, words: str
) -> None:
    answer = service.ask("PUT", f"{PATH}/{name}", {"drawings": given})
    assert answer.status == 422, answer.json
    assert answer.json["errors"][0]["field"] == field
    assert words in answer.json["detail"]
    assert service.get(PATH).json == {"categories": []}


def test_only_operators_may_teach(gallery_uri: str) -> None:
    with Running(Settings(gallery=gallery_uri, host="0.0.0.0", token=TOKEN)) as public:
        public.wait_until("/readyz")
        body = {"drawings": [spring(1).to_lists()]}
        assert public.ask("PUT", f"{PATH}/spring", body).status == 401
        assert public.ask("DELETE", f"{PATH}/spring").status == 401
        assert public.get(PATH).json == {"categories": []}
        client = garabato.Client(public.url, token=TOKEN)
        client.teach("spring", [sketch("zigzag", 1)])
        client.forget("spring")


def test_a_category_that_the_encoder_has_by_now_is_left_out(
    make_gallery: Callable[[], str], shipped_encoder: Encoder
) -> None:
    uri = make_gallery()
    file = state_folder(uri) / "categories.json"
    file.parent.mkdir(exist_ok=True)
    logits = shipped_encoder.predict([spring(1)]).probabilities
    stored = [learn_category(name, logits) for name in ("cat", "spring")]
    save_categories(file, stored, fingerprint=shipped_encoder.fingerprint)
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        assert garabato.Client(running.url).taught() == {"spring": 1}
