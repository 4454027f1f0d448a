"""The map of a gallery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pixel_encoder import PixelEncoder

from garabato.analysis.map import SIDE, Projection, _edges, _memberships, lay_out, map_gallery
from garabato.drawing import Drawing
from garabato.errors import GalleryError
from garabato.gallery import open_gallery
from garabato.gallery.base import Gallery
from garabato.gallery.embeddings import Embeddings


def gallery_of(folder: Path, n_groups: int, n_each: int) -> Gallery:
    """Groups of drawings in directions of their own, with a little noise."""
    rng = np.random.default_rng(0)
    gallery = open_gallery(folder, encoder=PixelEncoder())
    n = n_groups * n_each
    embeddings = np.repeat(np.eye(64)[:n_groups], n_each, axis=0) + rng.normal(0, 0.03, (n, 64))
    drawings = [Drawing([[[0, 1], [0, i]]], key_id=f"{i // n_each}-{i}") for i in range(n)]
    gallery.add(drawings, embeddings=embeddings.astype(np.float32))
    return gallery


def embedded(embeddings: np.ndarray) -> Embeddings:
    n = len(embeddings)
    return Embeddings([str(row) for row in range(n)], [None] * n, embeddings)


def test_similar_drawings_are_close_on_the_map(tmp_path: Path) -> None:
    told = []
    made = map_gallery(gallery_of(tmp_path / "g", 3, 40), progress=lambda *step: told.append(step))
    assert len(made.key_ids) == 120
    places = np.stack([made.x, made.y], axis=1).astype(float)
    assert (places.min(), places.max()) == (0, SIDE)
    assert (places.min(axis=0) + places.max(axis=0)).tolist() == pytest.approx([SIDE] * 2, rel=0.02)
    groups = np.array([key_id[0] for key_id in made.key_ids])
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).mean() > 0.95
    stages = ["reading the gallery", "finding neighbours", "laying out the map"]
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == stages
    assert all(0 <= done <= total for _, done, total in told)
    for stage in stages:
        done, total = next((done, total) for at, done, total in reversed(told) if at == stage)
        assert done == total > 0


@pytest.mark.parametrize("n_each", [0, 1, 2, 10])
def test_small_galleries_have_maps_too(tmp_path: Path, n_each: int) -> None:
    made = map_gallery(gallery_of(tmp_path / "g", 2, n_each))
    assert len(made.key_ids) == len(made.x) == len(made.y) == 2 * n_each


def test_a_map_survives_saving_and_loading(tmp_path: Path) -> None:
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


def test_a_seed_gives_one_map_and_another_seed_another(tmp_path: Path) -> None:
    gallery = gallery_of(tmp_path / "g", 3, 40)
    first, again, other = (map_gallery(gallery, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.x, again.x)
    assert np.array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)


@pytest.mark.parametrize("n_distinct", [1, 2, 40])
def test_copies_of_a_few_drawings_have_a_map(n_distinct: int) -> None:
    """Most have more copies than neighbours are searched for."""
    embeddings = np.tile(np.eye(64, dtype=np.float32)[:n_distinct], (200 // n_distinct, 1))
    points = lay_out(embedded(embeddings), seed=0, progress=lambda *step: None)
    assert points.shape == (len(embeddings), 2)
    assert np.isfinite(points).all()


def test_equal_drawings_lie_around_one_point() -> None:
    """The mean of equal embeddings is not exactly equal to them in float32."""
    embedding = np.random.default_rng(0).normal(size=(1, 128)).astype(np.float32)
    embeddings = np.repeat(embedding / np.linalg.norm(embedding), 150, axis=0)
    spread = lay_out(embedded(embeddings), seed=0, progress=lambda *step: None).std(axis=0)
    assert 0.2 < spread[0] / spread[1] < 5


def test_embeddings_may_have_one_dimension() -> None:
    points = lay_out(embedded(np.ones((120, 1), np.float32)), seed=0, progress=lambda *step: None)
    assert points.shape == (120, 2)


def test_memberships_fall_off_on_a_scale_that_fits_the_neighbourhood() -> None:
    distances = np.array([[1, 2, 3], [10, 20, 30], [0, 0, 5], [0, 0, 0]], np.float32)
    strengths = _memberships(distances)
    # 1 + q + q^2 = log2(4) for q = (sqrt(5) - 1) / 2
    q = (5**0.5 - 1) / 2
    assert strengths[0] == pytest.approx([1, q, q * q], abs=1e-4)
    assert strengths[1] == pytest.approx([1, q, q * q], abs=1e-4)
    assert strengths[2] == pytest.approx([1, 1, 1])  # the nearest that is no copy counts as near
    assert strengths[3] == pytest.approx([1, 1, 1])


def test_edges_join_neighbours_in_both_directions() -> None:
    neighbours = np.array([[1], [0], [0]])
    heads, tails, strengths = _edges(neighbours, np.array([[0.5], [0.25], [0.125]], np.float32))
    found = dict(zip(zip(heads.tolist(), tails.tolist(), strict=True), strengths, strict=True))
    mutual = 0.5 + 0.25 - 0.5 * 0.25
    assert found == {(0, 1): mutual, (1, 0): mutual, (2, 0): 0.125, (0, 2): 0.125}
