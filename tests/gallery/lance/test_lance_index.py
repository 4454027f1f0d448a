"""The approximate index of large galleries, made small: from 1,000 drawings on."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from sketches import sketch

from garabato.drawing import DrawingBatch
from garabato.errors import InputError
from garabato.gallery import open_gallery
from garabato.gallery.lance import index as lance_index
from garabato.gallery.lance import limits
from garabato.ingest.bulk_load import fill

N, DIM = 4_000, 64


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    """(N, DIM) in forty clusters, as trained embeddings lie."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, DIM))
    rows = centres[rng.integers(0, 40, N)] + 0.6 * rng.normal(size=(N, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def batch() -> DrawingBatch:
    """N drawings: the strokes are the same, the key_ids their numbers, one in forty is a star."""
    drawing = sketch("circle", 0)
    return DrawingBatch.from_drawings(
        drawing.replace(
            key_id=str(i),
            category="star" if i % 40 == 0 else "circle",
            country="AA" if i % 2 else "BB" if i % 10 == 0 else "CC",
        )
        for i in range(N)
    )


@pytest.fixture
def gallery(tmp_path, encoder, batch, embeddings, monkeypatch):
    monkeypatch.setattr(limits, "EXACT_UP_TO", 1_000)
    monkeypatch.setattr(lance_index, "MIN_PROBED", 1)
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(batch, embeddings=embeddings)
    return gallery


def recall(gallery, embeddings, queries, k=10, where=None, passing=None) -> float:
    passing = np.arange(len(embeddings)) if passing is None else passing
    found = 0
    for query in queries:
        true = set(passing[np.argsort(-(embeddings[passing] @ query))[:k]].tolist())
        hits = gallery.search(query, k=k, where=where)
        assert len(hits) == k
        found += len(true & {int(hit.key_id) for hit in hits})
    return found / (k * len(queries))


def near(embeddings, n, seed=1):
    """Queries near some of the embeddings."""
    rng = np.random.default_rng(seed)
    queries = embeddings[rng.choice(N, n)] + 0.02 * rng.normal(size=(n, DIM))
    return (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)


def test_a_large_gallery_is_indexed_automatically(gallery):
    info = gallery.info()
    assert info.exact is False
    assert info.n_indexed == N
    assert "approximate, index on disk" in info.mode


def test_the_nearest_are_found_with_and_without_a_filter(gallery, embeddings):
    queries = near(embeddings, 20)
    assert recall(gallery, embeddings, queries) >= 0.97
    stars = np.arange(0, N, 40)
    for where, passing in (
        ({"category": "star"}, stars),
        ({"key_id": [str(i) for i in range(0, N, 400)]}, np.arange(0, N, 400)),
    ):
        assert recall(gallery, embeddings, queries, where=where, passing=passing) >= 0.97


@pytest.fixture
def labelled(gallery, batch, embeddings):
    """The gallery and the categories (N,) of its drawings: "c0" to "c39", the clusters they lie in.
    Drawings of c0 are from 2000, those of c39 from 2039. Two clusters of the index are probed."""
    centres = np.random.default_rng(0).normal(size=(40, DIM))
    categories = np.array([f"c{i}" for i in (embeddings @ centres.T).argmax(axis=1)])
    years = [f"20{int(name[1:]):02}-06-01" for name in categories]
    labelled = batch.replace(categories=categories.tolist(), timestamps=years)
    gallery.add(labelled, embeddings=embeddings)
    gallery.compact(keep_versions_s=0)
    settings = lance_index.read_settings(gallery._table)
    lance_index.write_settings(gallery._table, dataclasses.replace(settings, n_probes=2))
    return gallery, categories


@pytest.mark.parametrize(
    ("n_categories", "country"), [(20, "AA"), (20, None), (4, None), (4, "BB")]
)
def test_the_nearest_are_found_among_other_categories_than_the_querys(
    labelled, embeddings, n_categories, country
):
    gallery, categories = labelled
    names = [f"c{i}" for i in range(n_categories)]
    where = {"category": names} | ({} if country is None else {"country": country})
    is_country = {"AA": np.arange(N) % 2 == 1, "BB": np.arange(N) % 10 == 0, None: True}[country]
    passing = np.flatnonzero(np.isin(categories, names) & is_country)
    queries = near(embeddings, 20, seed=4)
    assert recall(gallery, embeddings, queries, where=where, passing=passing) >= 0.98


@pytest.mark.parametrize(("country", "every", "first"), [("AA", 2, 1), ("BB", 10, 0)])
def test_the_nearest_are_found_in_a_country(labelled, embeddings, country, every, first):
    gallery, _ = labelled
    passing = np.arange(first, N, every)
    queries = near(embeddings, 20, seed=4)
    where = {"country": country}
    assert recall(gallery, embeddings, queries, where=where, passing=passing) >= 0.98


def test_more_clusters_are_probed_if_the_drawings_of_some_years_lie_far_from_the_query(
    labelled, embeddings, monkeypatch
):
    gallery, categories = labelled
    probed = []

    def note(*given, **options):
        probed.append(n_probes(*given, **options))
        return probed[-1]

    n_probes = lance_index.probes_for
    monkeypatch.setattr(lance_index, "probes_for", note)
    passing = np.flatnonzero(np.isin(categories, ["c0", "c1", "c2", "c3"]))
    where = {"timestamp": {"before": "2004"}}
    near_them = embeddings[categories == "c1"][:10]
    far_from_them = embeddings[categories == "c20"][:10]
    for queries in (near_them, far_from_them):
        assert recall(gallery, embeddings, queries, where=where, passing=passing) >= 0.98
    # A tenth passes: (100 / 11) ** (1/5) times the two of a search without a filter, rounded up.
    assert probed[:10] == [4] * 10
    # Far from them, more than the 2 * (100 / 11) ** (2/5) = 4.8 of drawings that are everywhere.
    assert min(probed[10:]) > 5


@pytest.mark.parametrize(
    ("rank", "is_common", "n_probes"),
    [
        (1, True, 8),
        (11, True, 8),  # enough for ten hits and the query itself
        (11, False, 8),
        (352, True, 16),  # 32 ** (1/5) = 2 times as many for 32 times the rank
        (352, False, 32),  # 32 ** (2/5) = 4 times as many
        (11_264, False, 100),  # all: 1,024 ** (2/5) = 16 times as many would be 128
        (99_999_999, True, 100),
    ],
)
def test_clusters_to_probe_grow_with_the_rank_and_faster_if_hits_are_rare_near_the_query(
    rank, is_common, n_probes
):
    settings = lance_index.IndexSettings(n_rows=1_000, n_clusters=100, n_probes=8)
    assert lance_index.probes_for(settings, rank, is_common=is_common) == n_probes


@pytest.mark.parametrize("enough", [True, False])
def test_filtering_the_nearest_afterwards_finds_the_same_as_filtering_before(
    labelled, batch, embeddings, monkeypatch, enough
):
    gallery, _ = labelled
    queries = near(embeddings, 20, seed=6)
    not_indexed = batch[:20].replace(
        key_ids=[f"new-{i}" for i in range(20)], countries=["AA", "BB"] * 10
    )
    gallery.add(not_indexed, embeddings=queries)

    def found(where):
        return [[h.key_id for h in gallery.search(query, k=10, where=where)] for query in queries]

    asked = []
    best = lance_index._best

    def note(candidates, *given):
        asked.append(candidates.num_rows)
        return best(candidates, *given)

    monkeypatch.setattr(lance_index, "_best", note)
    monkeypatch.setattr(lance_index, "_COMMON", 1e9)
    monkeypatch.setattr(lance_index, "_MORE_CANDIDATES", 1.5 if enough else 0.1)
    for country in ("AA", "BB"):
        with monkeypatch.context() as before:
            before.setattr(lance_index, "_CANDIDATE_COST", 1e9)
            expected = found({"country": country})
        mine = slice(0 if country == "AA" else 1, None, 2)
        assert [hits[0] for hits in expected[mine]] == list(not_indexed.key_ids[mine])
        assert asked == [10] * 20
        asked.clear()
        monkeypatch.setattr(lance_index, "_CANDIDATE_COST", 1e-9)
        assert found({"country": country}) == expected
        assert (min(asked) >= 30) if enough else (asked == [10] * 20)
        asked.clear()


def test_drawings_that_lie_together_are_read_at_once_and_rather_ranked(gallery, monkeypatch):
    searched = lance_index.OnDisk(
        gallery._table, settings=lance_index.read_settings(gallery._table)
    )

    def rows(*numbers):
        return f"key_id IN ({', '.join(repr(str(number)) for number in numbers)})"

    assert [
        searched._count_reads(sql)
        for sql in (None, rows(5), rows(*range(100)), rows(7, 23), rows(7, 24), "category = 'star'")
    ] == [1, 1, 1, 1, 2, 100]
    monkeypatch.setattr(limits, "RANK_COST", 1)
    monkeypatch.setattr(limits, "READ_COST", 10)
    for sql, most in ((rows(*range(100)), 100 + 10), ("category = 'star'", 100 + 100 * 10)):
        assert searched._is_ranked_faster(sql, most)
        assert not searched._is_ranked_faster(sql, most - 1)


def test_as_many_clusters_are_probed_as_set_or_all_if_these_hold_too_few(gallery, embeddings):
    settings = lance_index.read_settings(gallery._table)
    rng = np.random.default_rng(5)
    queries = embeddings[rng.choice(N, 20)] + embeddings[rng.choice(N, 20)]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    recalls = []
    for n_probes in (settings.n_clusters, 1):
        set_to = dataclasses.replace(settings, n_probes=n_probes)
        lance_index.write_settings(gallery._table, set_to)
        recalls.append(recall(gallery, embeddings, queries))
    assert recalls[0] >= 0.99
    assert recalls[1] < 0.9
    assert len(gallery.search(queries[0], k=1_000)) == 1_000


def test_settings_of_earlier_versions_are_not_trusted(gallery):
    settings = lance_index.read_settings(gallery._table)
    tuned = dataclasses.replace(settings, n_probes=1, recall=0.99, goal=0.98)
    lance_index.write_settings(gallery._table, tuned)
    assert lance_index.read_settings(gallery._table) == tuned
    for written_by_now in (None, "what this version had written before"):
        gallery._table.update_field_metadata(
            {"path": "embedding", "metadata": {lance_index._PROBED_AS_SET: written_by_now}}
        )
        found = lance_index.read_settings(gallery._table)
        assert found == dataclasses.replace(settings, goal=0.98)


def test_new_drawings_are_found_before_they_are_indexed(gallery, batch, embeddings):
    fresh = near(embeddings, 5, seed=3)
    gallery.add(batch[:5].replace(key_ids=[f"new-{i}" for i in range(5)]), embeddings=fresh)
    assert gallery.info().n_indexed == N
    for i, query in enumerate(fresh):
        assert gallery.search(query, k=1)[0].key_id == f"new-{i}"
    gallery.delete(["new-0"])
    assert gallery.search(fresh[0], k=1)[0].key_id != "new-0"


def test_the_index_catches_up_when_many_are_new_and_is_remade_when_outgrown(
    gallery, batch, embeddings
):
    gallery.tune(recall=0.9)
    before = lance_index.read_settings(gallery._table)
    names = [f"more-{i}" for i in range(600)]
    gallery.add(batch[:600].replace(key_ids=names), embeddings=embeddings[:600])
    gallery.settle()
    assert gallery.info().n_indexed == N + 600
    assert lance_index.read_settings(gallery._table) == before
    for copy in range(4):
        names = [f"copy-{copy}-{i}" for i in range(N)]
        gallery.add(batch.replace(key_ids=names), embeddings=embeddings)
    gallery.settle()
    after = lance_index.read_settings(gallery._table)
    assert after.n_clusters > before.n_clusters
    assert after.recall >= after.goal == 0.9
    assert gallery.info().n_indexed == len(gallery) == 5 * N + 600


@pytest.mark.slow
def test_a_rebuilt_index_that_cannot_reach_its_recall_probes_all_clusters(
    gallery, batch, embeddings, monkeypatch
):
    gallery.tune(recall=0.9)
    monkeypatch.setattr(lance_index, "_recall", lambda found, true: 0.5)
    for copy in range(4):
        names = [f"copy-{copy}-{i}" for i in range(N)]
        gallery.add(batch.replace(key_ids=names), embeddings=embeddings)
    gallery.settle()
    settings = lance_index.read_settings(gallery._table)
    assert settings.n_probes == settings.n_clusters
    assert settings.goal == 0.9
    assert len(gallery) == 5 * N


def test_tuning_measures_recall_and_keeps_the_fewest_clusters_that_reach_it(gallery, embeddings):
    measured = gallery.tune(recall=0.9, n_queries=30)
    n_probes = measured[-1].n_probes
    assert {tried.n_probes for tried in measured} >= {1, n_probes - 1, n_probes} - {0}
    assert all((tried.recall >= 0.9) == (tried.n_probes >= n_probes) for tried in measured)
    kept = lance_index.read_settings(gallery._table)
    assert kept.n_probes == measured[-1].n_probes
    assert recall(gallery, embeddings, near(embeddings, 30, seed=9)) >= 0.85
    assert f"recall@10 {measured[-1].recall:.3f}" in open_gallery(gallery.uri).info().mode


def test_tuning_an_exact_gallery_has_nothing_to_do(tmp_path, encoder, drawings):
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(drawings)
    assert gallery.tune() == []
    with pytest.raises(InputError, match=r"\(0, 1\]"):
        gallery.tune(recall=1.5)
    with pytest.raises(InputError, match="n_queries must be a whole number of at least 1, not 0"):
        gallery.tune(n_queries=0)


@pytest.mark.parametrize("seed", range(2))
def test_changes_are_correct_with_an_index_of_key_ids(
    tmp_path, encoder, drawings, monkeypatch, seed
):
    monkeypatch.setattr(limits, "KEYS_INDEXED_FROM", 1)
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(drawings[:50])
    gallery.compact(keep_versions_s=0)
    assert [index.columns for index in gallery._table.list_indices()] == [["key_id"]]
    held = {d.key_id: d.category for d in drawings[:50]}
    rng = random.Random(seed)
    for _ in range(30):
        chosen = [
            d.replace(category=rng.choice("abc")) for d in rng.sample(drawings, rng.randint(1, 60))
        ]
        keys = [d.key_id for d in chosen]
        n_there = sum(key in held for key in keys)
        change = rng.random()
        if change < 0.6:
            added = gallery.add(chosen)
            assert (added.n_new, added.n_replaced) == (len(chosen) - n_there, n_there)
            held |= {d.key_id: d.category for d in chosen}
        elif change < 0.8:
            assert gallery.delete(keys) == n_there
            held = {key: category for key, category in held.items() if key not in keys}
        else:
            gallery.compact(keep_versions_s=0)
        stored = [(d.key_id, d.category) for part in gallery.scan() for d in part.drawings]
        assert sorted(stored) == sorted(held.items())


def test_indexing_is_deferred_during_a_bulk_load_and_done_at_its_end(
    gallery, batch, embeddings, encoder, monkeypatch
):
    monkeypatch.setattr(limits, "REST", 1e9)  # times what a look at the gallery takes
    gallery.settle()
    for copy in range(2):
        names = [f"copy-{copy}-{i}" for i in range(N)]
        gallery.add(batch.replace(key_ids=names), embeddings=embeddings)
    assert gallery.info().n_indexed == N
    few = batch[:5].replace(key_ids=[f"few-{i}" for i in range(5)])
    assert fill(gallery, encoder, [few]).n_new == 5
    assert gallery.info().n_indexed == len(gallery) == 3 * N + 5
