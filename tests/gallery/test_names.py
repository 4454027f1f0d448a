"""Search by likeness and name at once, on a real gallery with embeddings set by hand."""

from __future__ import annotations

import math

import pytest
from sketches import sketch

from garabato.drawing import Drawing
from garabato.encoder import Prediction
from garabato.gallery import Gallery, explore, open_gallery
from garabato.gallery.explore import search_with_names, words_of
from garabato.render import RenderSpec

#: key_id -> cosine with the query, title, tags.
STORED = {
    "sun": (0.9, "sun", ()),
    "cat": (0.2, "cat", ("pet",)),
    "cats": (0.1, "Cats", ()),
    "cat off": (0.4, "cat off", ()),
    "kitten": (0.6, "kitten", ("small cat",)),
    "category": (0.8, "category", ("catalogue",)),
    "phone": (0.3, "mobile", ("cell tower", "phone")),
}


class Plane:
    """2-d embeddings."""

    model_name, fingerprint, embedding_dim, spec = "plane", "plane", 2, RenderSpec()

    def embed(self, drawings):
        raise AssertionError("embeddings are given")


@pytest.fixture
def gallery(tmp_path) -> Gallery:
    gallery = open_gallery(tmp_path / "g", encoder=Plane())
    drawings = [
        sketch("circle", 0).replace(key_id=key, category=None, title=title, tags=tags)
        for key, (_, title, tags) in STORED.items()
    ]
    embeddings = [[score, math.sqrt(1 - score**2)] for score, _, _ in STORED.values()]
    gallery.add(drawings, embeddings=embeddings)
    return gallery


QUERY = [1.0, 0.0]


def found(gallery: Gallery, *predictions: tuple[str, float], **options) -> dict[str, float]:
    guesses = [Prediction(*prediction) for prediction in predictions]
    return {h.key_id: h.score for h in search_with_names(gallery, QUERY, guesses, **options)}


def test_what_the_encoder_recognises_moves_up_by_its_name(gallery: Gallery) -> None:
    hits = found(gallery, ("cat", 0.64))  # the square root of the probability is 0.8
    assert list(hits) == ["sun", "kitten", "category", "cat", "cat off", "cats", "phone"]
    assert hits["cat"] == pytest.approx(1 - 0.8 * (1 - 0.9 * 0.8), abs=1e-3)
    assert hits["cats"] == pytest.approx(1 - 0.9 * (1 - 0.9 * 0.8), abs=1e-3)
    assert hits["cat off"] == pytest.approx(1 - 0.6 * (1 - 0.9 * 0.85 * 0.8), abs=1e-3)
    assert hits["kitten"] == pytest.approx(1 - 0.4 * (1 - 0.9 * 0.7 * 0.8), abs=1e-3)
    assert hits["sun"] == pytest.approx(0.9, abs=1e-3)
    assert hits["category"] == pytest.approx(0.8, abs=1e-3), "not a word of its own"


def test_the_first_hits_do_not_depend_on_k(gallery: Gallery) -> None:
    all_hits = list(found(gallery, ("cat", 1.0), ("sun", 0.3)))
    for k in range(1, len(STORED) + 1):
        assert list(found(gallery, ("cat", 1.0), ("sun", 0.3), k=k)) == all_hits[:k]


def test_without_a_matching_name_the_search_is_by_similarity(gallery: Gallery) -> None:
    plain = {hit.key_id: hit.score for hit in gallery.search(QUERY, k=10)}
    assert found(gallery) == plain
    assert found(gallery, ("the of", 0.9), ("whale", 0.1), ("cat", 0.009)) == plain
    assert found(gallery, ("cell phone", 1.0)) == plain, "the words are in two tags"


def test_search_by_name_applies_the_filter(gallery: Gallery) -> None:
    assert list(found(gallery, ("cat", 1.0), where={"text": "off"})) == ["cat off"]
    assert list(found(gallery, ("cat", 1.0), where={"key_id": ["sun", "cats"]})) == ["cats", "sun"]
    assert list(found(gallery, ("cat", 1.0), where={"key_id": "sun"})) == ["sun"]


def test_names_are_read_again_when_drawings_change(gallery: Gallery) -> None:
    assert list(found(gallery, ("cat", 1.0), k=1)) == ["cat"]
    new = sketch("circle", 0).replace(key_id="new", category="cat")
    gallery.add([new], embeddings=[[0.5, math.sqrt(0.75)]])
    assert list(found(gallery, ("cat", 1.0), k=1)) == ["new"], "its category is its title"
    gallery.delete(["new"])
    gallery.hide(["cat"])
    assert list(found(gallery, ("cat", 1.0), k=1)) == ["cats"]


def test_large_galleries_are_searched_by_similarity_alone(gallery: Gallery, monkeypatch) -> None:
    monkeypatch.setattr(explore, "MAX_DRAWINGS", len(STORED) - 1)
    assert list(found(gallery, ("cat", 1.0), k=1)) == ["sun"]


def test_a_gallery_without_titles_has_its_categories_as_names(tmp_path) -> None:
    gallery = open_gallery(tmp_path / "plain", encoder=Plane())
    drawing: Drawing = sketch("circle", 0)
    gallery.add(
        [drawing.replace(key_id=name, category=name) for name in ("sun", "cat")],
        embeddings=[[0.8, 0.6], [0.6, 0.8]],
    )
    assert list(found(gallery, ("cat", 1.0))) == ["cat", "sun"]


def test_words_are_compared_ignoring_case_and_plural() -> None:
    assert words_of("The Eiffel Tower") == ["eiffel", "tower"]
    assert words_of("building-eiffel_tower 2") == ["building", "eiffel", "tower", "2"]
    assert words_of("Shoes, GLASS bus Caf\u0065\u0301s") == ["shoe", "glass", "bus", "café"]
