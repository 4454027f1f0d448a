"""What a category looks like in a gallery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pixel_encoder import PixelEncoder

from garabato.analysis.category import medoids, summarize_category
from garabato.drawing import Drawing
from garabato.errors import InputError
from garabato.gallery import open_gallery
from garabato.gallery.base import Gallery


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_medoids_are_the_middles_of_clusters_and_never_outliers() -> None:
    embeddings = on_circle(180, 0, 180, 0, 180, 0, 90, 180, 180)
    #                      180: rows 0 2 4 7 8; 0: rows 1 3 5; 90: row 6, an outlier
    assert medoids(embeddings, 3).tolist() == [0, 1]


def test_a_cluster_is_not_named_after_the_drawing_that_it_began_with() -> None:
    # Clusters begin at 20 and 110 degrees. Those of 0, 10 and 20 are around 10.
    assert medoids(on_circle(0, 10, 20, 100, 110), 1).tolist() == [1]


def test_there_are_no_more_medoids_than_drawings() -> None:
    assert sorted(medoids(on_circle(10, 20), 5).tolist()) == [0, 1]
    assert medoids(on_circle(10, 10, 10), 2).tolist() == [0]


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    """Cats at 0 degrees, one of them among the dogs at 90; pigs at 180, one cat among them."""
    gallery = open_gallery(tmp_path / "g", encoder=PixelEncoder())
    places = {f"cat{n}": n / 10 for n in range(12)} | {"lost": 90.0, "stray": 180.0}
    places |= {f"dog{n}": 90 + (n + 1) / 10 for n in range(14)}
    places |= {f"pig{n}": 180 + (n + 1) / 10 for n in range(12)}
    names = {"lost": "cat", "stray": "cat"}
    drawings = [
        Drawing([[[0, 1], [0, n]]], key_id=key_id, category=names.get(key_id, key_id[:3]))
        for n, key_id in enumerate(places)
    ]
    embeddings = np.zeros((len(places), 64), np.float32)
    embeddings[:, :2] = on_circle(*places.values())
    gallery.add(drawings, embeddings=embeddings)
    return gallery


def test_a_summary_shows_the_typical_the_odd_and_the_confused(gallery: Gallery) -> None:
    summary = summarize_category(gallery, "cat", n_typical=1)
    assert summary.n_drawings == 14
    assert summary.typical[0].key_id in {f"cat{n}" for n in range(12)}
    assert {drawing.key_id for drawing in summary.odd} == {"lost", "stray"}
    assert summary.confused_with == {"dog": 0.5, "pig": 0.5}


def test_a_category_may_be_given_in_any_unicode_form(tmp_path: Path) -> None:
    gallery = open_gallery(tmp_path / "g", encoder=PixelEncoder())
    cups = [Drawing([[[0, n], [0, 9]]], category="caf\xe9") for n in range(1, 6)]
    gallery.add(cups)
    summary = summarize_category(gallery, "cafe\u0301")
    assert summary.n_drawings == 5
    assert summary.confused_with == {}
    assert summary.odd == []


def test_hidden_drawings_are_ignored(gallery: Gallery) -> None:
    gallery.hide(["stray"])
    summary = summarize_category(gallery, "cat")
    assert summary.n_drawings == 13
    shown = {drawing.key_id for drawing in summary.typical + summary.odd}
    assert "stray" not in shown
    assert summary.confused_with == {"dog": 1.0}


def test_a_category_that_is_not_there_is_an_error(gallery: Gallery) -> None:
    with pytest.raises(InputError, match="no drawing of 'cow'"):
        summarize_category(gallery, "cow")
