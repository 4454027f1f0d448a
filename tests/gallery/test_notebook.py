from __future__ import annotations

import copy
import pickle
import shutil

import numpy as np
import pytest
from networks import make_encoder
from sketches import make_drawings, sketch

from garabato.errors import GalleryError
from garabato.gallery import open_gallery


@pytest.fixture
def gallery(tmp_path):
    encoder = make_encoder("skfast")
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    drawings = make_drawings(["star", "house"], 8, seed=0)
    embeddings = np.random.default_rng(0).normal(size=(16, encoder.embedding_dim))
    gallery.add(drawings, embeddings=embeddings.astype(np.float32))
    return gallery


def test_a_gallery_tells_its_count_and_shows_a_sample(gallery):
    assert repr(gallery).endswith("/g', 16 drawings)")
    assert repr(gallery.embeddings()) == "Embeddings(16 drawings, 128-d)"
    html = gallery._repr_html_()
    assert "16 drawings) of 2 categories: 12 of them" in html
    assert [html.count(f"{name}<") for name in ("star", "house")] == [6, 6]
    assert html.count("<svg") == 12


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        (dict.fromkeys("abcdefg", 20), [6, *[1] * 6]),  # one each, then five by key_id
        ({None: 20, "a": 1}, [11, 1]),
        ({None: 3, "a": 20}, [3, 9]),
    ],
)
def test_twelve_drawings_are_shown_whatever_the_categories(tmp_path, counts, shown):
    encoder = make_encoder("skfast")
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    names = [name for name, n in counts.items() for _ in range(n)]
    gallery.add(
        sketch("star", i).replace(key_id=f"{i:03}", category=name) for i, name in enumerate(names)
    )
    html = gallery._repr_html_()
    assert f" of {len(counts)} categories: 12 of them" in html
    assert [html.count(f"<figcaption>{name or ''}<") for name in counts] == shown


def test_the_repr_of_a_gallery_that_is_gone_does_not_fail(gallery):
    shutil.rmtree(gallery.uri)
    assert repr(gallery).startswith("LanceGallery(")
    assert gallery._repr_html_() is None


def test_hits_are_a_list_that_shows_a_row_of_pictures(gallery):
    hits = gallery.search(np.eye(128, dtype=np.float32)[0], k=3)
    assert isinstance(hits, list)
    assert hits._repr_html_().count("<svg") == 3
    assert hits[:2]._repr_html_().count("<svg") == 2
    assert f"{hits[0].category} {hits[0].score:.2f}" in hits[0]._repr_html_()


def test_get_takes_one_key_id_too(gallery):
    key_id = gallery.list(limit=1)[0].key_id
    assert gallery.get(key_id).key_id == key_id
    assert gallery.get("none") is None
    assert [drawing.key_id for drawing in gallery.get([key_id, "none"])] == [key_id]


@pytest.mark.parametrize("take_along", [pickle.dumps, copy.deepcopy])
def test_a_gallery_that_another_process_needs_is_opened_there(gallery, take_along):
    with pytest.raises(GalleryError, match=r"cannot be pickled or copied; open it again: open_"):
        take_along(gallery)
