"""The map of a gallery."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pixel_encoder import PixelEncoder

from garabato.analysis.map import SIDE, Projection, project
from garabato.drawing import Drawing
from garabato.errors import GalleryError, MissingExtraError
from garabato.gallery import open_gallery
from garabato.gallery.base import Gallery


def gallery_of(folder: Path, n_groups: int, n_each: int) -> Gallery:
    """Groups of drawings in directions of their own, with a little noise."""
    rng = np.random.default_rng(0)
    gallery = open_gallery(folder, encoder=PixelEncoder())
    n = n_groups * n_each
    embeddings = np.repeat(np.eye(64)[:n_groups], n_each, axis=0) + rng.normal(0, 0.03, (n, 64))
    drawings = [Drawing([[[0, 1], [0, i]]], key_id=f"{i // n_each}-{i}") for i in range(n)]
    gallery.add(drawings, embeddings=embeddings.astype(np.float32))
    return gallery


@pytest.mark.slow
def test_like_drawings_lie_near_each_other(tmp_path: Path) -> None:
    pytest.importorskip("umap")
    told = []
    made = project(gallery_of(tmp_path / "g", 3, 40), progress=lambda *step: told.append(step))
    assert len(made.key_ids) == 120
    places = np.stack([made.x, made.y], axis=1).astype(float)
    assert places.min() >= 0
    assert places.max() <= SIDE
    groups = np.array([key_id[0] for key_id in made.key_ids])
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).mean() > 0.95
    assert {stage for stage, _, _ in told} >= {"reading the gallery", "finding neighbours"}
    assert all(0 <= done <= total for _, done, total in told)


@pytest.mark.parametrize("n_each", [0, 1, 2, 10])
def test_small_galleries_have_maps_too(tmp_path: Path, n_each: int) -> None:
    pytest.importorskip("umap")
    made = project(gallery_of(tmp_path / "g", 2, n_each))
    assert len(made.key_ids) == len(made.x) == len(made.y) == 2 * n_each


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = Projection(["a", "b"], np.array([0, SIDE], np.uint16), np.array([7, 8], np.uint16))
    made.save(tmp_path / "map.parquet")
    read = Projection.load(tmp_path / "map.parquet")
    assert read.key_ids == made.key_ids
    assert (read.x.tolist(), read.y.tolist()) == ([0, SIDE], [7, 8])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"nonsense" * 100])
def test_a_damaged_map_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "map.parquet"
    file.write_bytes(content)
    with pytest.raises(GalleryError, match="damaged"):
        Projection.load(file)


def test_a_missing_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'garabato\[map\]'"):
        project(gallery_of(tmp_path / "g", 1, 1))
