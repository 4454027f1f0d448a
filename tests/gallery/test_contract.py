"""What every gallery does, whatever the backend: one suite, run on all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from http_gallery import NO_HTTP_FORM, HttpGallery
from hypothesis import given, settings
from hypothesis import strategies as st
from pixel_encoder import PixelEncoder
from running import Running
from sketches import SKETCH_CATEGORIES, make_drawings, sketch

from garabato.client import Client
from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import load_encoder
from garabato.errors import EncoderMismatchError, GalleryError, InputError
from garabato.formats import read_drawings
from garabato.gallery import open_gallery
from garabato.gallery.lance import limits
from garabato.service.settings import Settings


@pytest.fixture(params=["lance", "lance, indexed", "milvus", "http"])
def backend(request) -> str:
    if request.param == "http" and request.function.__name__ in NO_HTTP_FORM:
        pytest.skip(f"no form in HTTP: {NO_HTTP_FORM[request.function.__name__]}")
    return request.param


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Running]:
    """A service of a Lance gallery."""
    uri = str(tmp_path_factory.mktemp("served") / "my.gallery")
    open_gallery(uri, encoder=load_encoder())
    with Running(Settings(gallery=uri, writes_per_minute=1_000_000)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        yield running


@pytest.fixture
def encoder(backend, encoder, request):
    """The encoder that fills the gallery; the service's own is the one that ships."""
    return request.getfixturevalue("served").service.encoder if backend == "http" else encoder


@pytest.fixture
def uri(backend, request, tmp_path, monkeypatch) -> str:
    """Where a gallery of each backend can be created."""
    if backend == "milvus":
        return request.getfixturevalue("milvus_uri")
    if backend == "http":
        client = Client(request.getfixturevalue("served").url)
        client.delete([one.key_id for one in [*client.drawings(), *client.hidden()]])
        return request.getfixturevalue("served").url
    if backend == "lance, indexed":
        # large galleries in small: beyond 20 drawings an index on disk, of which all is probed
        monkeypatch.setattr(limits, "EXACT_UP_TO", 20)
        monkeypatch.setattr(limits, "RANK_COST", 5)
        monkeypatch.setattr(limits, "READ_COST", 0)
    return str(tmp_path / "my.gallery")


@pytest.fixture
def opened(backend, uri, encoder):
    """Opens the gallery, once more each time."""
    if backend == "http":
        return lambda: HttpGallery(uri)
    return lambda: open_gallery(uri, encoder=encoder)


@pytest.fixture
def gallery(opened):
    return opened()


def nearest_by_hand(encoder, drawings, query, k):
    """(key_ids, cosines) by a full sort in float64."""
    embeddings = encoder.embed(drawings).astype(np.float64)
    scores = embeddings @ encoder.embed(query)[0].astype(np.float64)
    order = np.argsort(-scores, kind="stable")[:k]
    return [drawings[i].key_id for i in order], scores[order]


def test_a_new_gallery_is_empty_and_finds_nothing(gallery, drawings):
    assert len(gallery) == 0
    assert gallery.search(drawings[0], k=5) == []
    assert gallery.search(drawings[0], k=5) == []


def test_added_drawings_are_found_at_once_with_their_metadata(gallery, drawings):
    added = gallery.add(drawings[:50], tags=["first", "round"])
    assert (added.n_new, added.n_replaced, added.n_empty) == (50, 0, 0)
    assert len(gallery) == 50
    for _ in range(2):
        hit = gallery.search(drawings[17], k=1)[0]
        assert hit.score == pytest.approx(1.0, abs=1e-3)
        expected = drawings[17].replace(tags=("first", "round"))
        assert hit.drawing.metadata == expected.metadata
        assert (hit.key_id, hit.category) == (drawings[17].key_id, drawings[17].category)
        assert (hit.country, hit.recognized) == (drawings[17].country, drawings[17].recognized)
        assert hit.timestamp == drawings[17].timestamp
        assert hit.tags == ("first", "round")
        assert hit.drawing.to_lists() == drawings[17].to_lists()


def test_drawings_traced_from_pictures_are_kept_as_such(gallery, drawings):
    mixed = [one.replace(traced=True if n % 3 else None) for n, one in enumerate(drawings[:60])]
    gallery.add(mixed)
    key_ids = [one.key_id for one in mixed]
    expected = [one.traced for one in mixed]
    assert [one.traced for one in gallery.get(key_ids)] == expected
    assert [one.traced for one in gallery.get(key_ids[:3])] == expected[:3]
    traced = {hit.key_id: hit.drawing.traced for hit in gallery.search(mixed[0], k=60)}
    assert traced == dict(zip(key_ids, expected, strict=True))


def test_hits_are_sorted_by_cosine_similarity(gallery, encoder, drawings):
    gallery.add(drawings)
    for query in make_drawings(SKETCH_CATEGORIES[:10], per_category=1, seed=99):
        _, scores = nearest_by_hand(encoder, drawings, query, 12)
        hits = gallery.search(query, k=12)
        assert [hit.score for hit in hits] == pytest.approx(list(scores), abs=1e-3)
        assert [hit.score for hit in hits] == sorted((h.score for h in hits), reverse=True)
        assert len({hit.key_id for hit in hits}) == 12


def test_a_search_by_embedding_is_a_search_by_drawing(gallery, encoder, drawings):
    gallery.add(drawings)
    embedding = encoder.embed(drawings[3])[0]
    by_drawing = [(hit.key_id, hit.score) for hit in gallery.search(drawings[3], k=8)]
    by_embedding = [(hit.key_id, hit.score) for hit in gallery.search(7 * embedding, k=8)]
    assert [key for key, _ in by_drawing] == [key for key, _ in by_embedding]
    scores = [score for _, score in by_embedding]
    assert [score for _, score in by_drawing] == pytest.approx(scores, abs=1e-3)


def test_search_many_returns_the_hits_of_single_searches(gallery, encoder, drawings):
    gallery.add(drawings)
    queries = make_drawings(SKETCH_CATEGORIES[:10], per_category=2, seed=7)
    for where in (None, {"category": ["circle", "star"]}, {"category": "no such"}):
        alone = [gallery.search(query, k=6, where=where) for query in queries]
        for asked in (queries, DrawingBatch.from_drawings(queries), 3 * encoder.embed(queries)):
            together = gallery.search_many(asked, k=6, where=where)
            assert [[hit.score for hit in hits] for hits in together] == [
                pytest.approx([hit.score for hit in hits], abs=1e-3) for hits in alone
            ]
            assert [[hit.key_id for hit in hits] for hits in together] == [
                [hit.key_id for hit in hits] for hits in alone
            ]
    assert gallery.search_many([]) == []


def test_hidden_drawings_are_replaced_by_others_in_each_of_many_queries(gallery, drawings):
    gallery.add(drawings)
    queries = drawings[:8]
    gallery.hide([hit.key_id for hits in gallery.search_many(queries[:4], k=9) for hit in hits])
    hidden = {hidden.key_id for hidden in gallery.hidden()}
    for query, hits in zip(queries, gallery.search_many(queries, k=5), strict=True):
        assert len({hit.key_id for hit in hits} - hidden) == 5
        alone = [hit.score for hit in gallery.search(query, k=5)]
        assert [hit.score for hit in hits] == pytest.approx(alone, abs=1e-3)


def test_the_error_for_an_invalid_query_among_many_gives_its_number(gallery, encoder, drawings):
    gallery.add(drawings[:3])
    (hits,) = gallery.search_many(iter(drawings[:1]), k=1)
    assert hits[0].key_id == drawings[0].key_id
    with pytest.raises(InputError, match="query 2 is empty"):
        gallery.search_many([drawings[0], Drawing()])
    with pytest.raises(InputError, match="query 2 is of type str"):
        gallery.search_many([drawings[0], "cat.ndjson"])
    with pytest.raises(InputError, match="embeddings"):
        gallery.search_many(["cat.ndjson"])
    with pytest.raises(InputError, match="embeddings"):
        gallery.search_many([[10**400]])
    with pytest.raises(InputError, match="shape"):
        gallery.search_many(np.ones((2, 3)))


def test_more_hits_than_drawings_gives_all_drawings(gallery, drawings):
    gallery.add(drawings[:7])
    for _ in range(2):
        assert len(gallery.search(drawings[0], k=100)) == 7


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ({"category": "circle"}, lambda d: d.category == "circle"),
        ({"category": ["circle", "star"]}, lambda d: d.category in ("circle", "star")),
        ({"country": ["JP"]}, lambda d: d.country == "JP"),
        ({"recognized": True}, lambda d: d.recognized is True),
        ({"recognized": False}, lambda d: d.recognized is False),
        (
            {"category": ["star", "house"], "country": "DE", "recognized": True},
            lambda d: d.category in ("star", "house") and d.country == "DE" and d.recognized,
        ),
        (
            {"timestamp": {"after": "2017-03-10", "before": "2017-03-20"}},
            lambda d: "2017-03-10" <= d.timestamp < "2017-03-20",
        ),
        ({"timestamp": {"after": "2017-03-25"}}, lambda d: d.timestamp >= "2017-03-25"),
        ({"tags": ["even"]}, lambda d: int(d.key_id) % 2 == 0),
        ({"tags": ["even", "odd"]}, lambda d: True),
        ({"tags": "neither"}, lambda d: False),
        ({"category": []}, lambda d: False),
        ({"category": "no such"}, lambda d: False),
        ({}, lambda d: True),
    ],
)
def test_a_filter_is_applied_before_ranking_so_k_hits_are_returned_whenever_k_pass(
    gallery, encoder, drawings, where, passes
):
    for parity, tag in enumerate(("even", "odd")):
        gallery.add([d for d in drawings if int(d.key_id) % 2 == parity], tags=[tag])
    passing = [drawing for drawing in drawings if passes(drawing)]
    # the query is of a category that most filters exclude: post-filtering would find too few
    query = sketch("cloud", 12345)
    _, scores = nearest_by_hand(encoder, passing, query, 6) if passing else ([], [])
    for _ in range(2):
        hits = gallery.search(query, k=6, where=where)
        assert len(hits) == min(6, len(passing))
        assert {hit.key_id for hit in hits} <= {drawing.key_id for drawing in passing}
        assert [hit.score for hit in hits] == pytest.approx(list(scores), abs=1e-3)


def test_drawings_with_an_unknown_field_do_not_pass_a_filter_on_it(gallery, drawings):
    unknown = drawings[0].replace(country=None, recognized=None, timestamp=None, category=None)
    gallery.add([unknown])
    for _ in range(2):
        for where in ({"country": "DE"}, {"recognized": False}, {"timestamp": {"before": "2030"}}):
            assert gallery.search(drawings[0], where=where) == []
        hit = gallery.search(drawings[0])[0]
        assert hit.to_dict().keys() == {"key_id", "category", "score", "drawing"}


def test_adding_a_key_id_again_replaces_its_drawing(gallery, drawings):
    gallery.add(drawings[:10])
    gallery.search(drawings[0])
    other = drawings[150].replace(key_id=drawings[4].key_id)
    added = gallery.add([other])
    assert (added.n_new, added.n_replaced) == (0, 1)
    assert len(gallery) == 10
    for _ in range(2):
        assert gallery.search(drawings[150], k=1)[0].key_id == drawings[4].key_id
        hits = gallery.search(drawings[4], k=10)
        assert len({hit.key_id for hit in hits}) == 10
        assert hits[0].score < 0.999


def test_the_last_of_two_added_drawings_with_the_same_key_id_is_kept(gallery, drawings):
    gallery.add([drawings[0].replace(key_id="same"), drawings[100].replace(key_id="same")])
    assert len(gallery) == 1
    assert gallery.get(["same"])[0].to_lists() == drawings[100].to_lists()


def test_the_last_drawing_is_kept_among_strokes_and_bitmaps_too(gallery, drawings):
    bitmap = Drawing(bitmap=np.eye(28, dtype=np.uint8) * 255, key_id="same", category="line")
    first, last = (drawings[i].replace(key_id="same") for i in (0, 100))
    gallery.add([drawings[1].replace(key_id="other"), first, bitmap, last])
    assert gallery.get(["same"])[0].to_lists() == last.to_lists()
    gallery.add([first, last, bitmap])
    assert gallery.get(["same"])[0].bitmap is not None
    assert len(gallery) == 2


def test_a_single_string_of_tags_is_one_tag(gallery, drawings):
    gallery.add(drawings[:2], tags="mine")
    gallery.add(drawings[2:4], tags=["other"])
    hits = gallery.search(drawings[3], k=10, where={"tags": "mine"})
    assert {hit.key_id for hit in hits} == {d.key_id for d in drawings[:2]}
    assert hits[0].tags == ("mine",)


def test_a_drawing_without_key_id_gets_one_from_its_strokes(gallery, drawings):
    nameless = [drawing.replace(key_id=None) for drawing in drawings[:3]]
    gallery.add(nameless)
    gallery.add(nameless)
    assert len(gallery) == 3
    assert gallery.search(nameless[1], k=1)[0].key_id.startswith("content-")


def test_empty_drawings_are_skipped_and_counted(gallery, drawings):
    added = gallery.add([drawings[0], Drawing([], key_id="empty"), drawings[1]])
    assert (added.n_new, added.n_empty) == (2, 1)
    assert gallery.missing(["empty", drawings[0].key_id]) == ["empty"]
    assert gallery.add([Drawing([])]).n_empty == 1
    assert gallery.add([]).n_new == 0


def test_a_batch_and_a_generator_can_be_added(gallery, drawings):
    gallery.add(DrawingBatch.from_drawings(drawings[:30]))
    gallery.add(drawing for drawing in drawings[30:60])
    assert len(gallery) == 60
    assert gallery.search(drawings[45], k=1)[0].key_id == drawings[45].key_id


def test_given_embeddings_are_stored_without_the_encoder(uri, encoder, drawings):
    open_gallery(uri, encoder=encoder)
    without_encoder = open_gallery(uri)
    batch = [drawings[5], Drawing([], key_id="empty"), drawings[6]]
    embeddings = np.stack(
        [3 * encoder.embed(d)[0] for d in (drawings[5], drawings[5], drawings[6])]
    )
    without_encoder.add(batch, embeddings=embeddings)
    hit = without_encoder.search(encoder.embed(drawings[6])[0], k=1)[0]
    assert hit.key_id == drawings[6].key_id
    assert hit.score == pytest.approx(1.0, abs=1e-3)


def test_bitmaps_survive_the_round_trip(gallery, drawings):
    pixels = np.zeros((28, 28), np.uint8)
    pixels[5:20, 10] = 255
    pixels[5, 10:22] = 128
    other = np.zeros((32, 40), np.uint8)
    other[3:30, 7:9] = 200
    gallery.add(
        [
            Drawing(bitmap=pixels, key_id="b1", category="line"),
            drawings[0],
            Drawing(bitmap=other, key_id="b2"),
        ]
    )
    assert len(gallery) == 3
    hit = gallery.search(Drawing(bitmap=pixels), k=1)[0]
    assert hit.key_id == "b1"
    np.testing.assert_array_equal(hit.drawing.bitmap, pixels)
    np.testing.assert_array_equal(gallery.get(["b2"])[0].bitmap, other)


def test_drawings_off_the_grid_are_stored_on_it_with_their_shape(gallery):
    gallery.add([Drawing([([-1000.5, 4000, 1499.5], [7, 7, 2507])], key_id="raw")])
    assert gallery.get(["raw"])[0].to_lists() == [[[0, 255, 127], [0, 0, 127]]]


def test_drawings_deleted_by_key_id_are_gone_from_the_next_search(gallery, drawings):
    gallery.add(drawings)
    for n in range(3):
        found = [hit.key_id for hit in gallery.search(drawings[50], k=3)]
        assert gallery.delete(found) == 3
        assert not set(found) & {hit.key_id for hit in gallery.search(drawings[50], k=10)}
        assert len(gallery) == len(drawings) - 3 * (n + 1)
    assert gallery.delete(["no such", "neither"]) == 0
    assert gallery.delete([]) == 0


def test_deleting_by_filter_returns_how_many_were_deleted(gallery, drawings):
    gallery.add(drawings)
    gallery.search(drawings[0])
    assert gallery.delete(where={"category": ["circle", "star"]}) == 40
    assert len(gallery) == 160
    assert {hit.category for hit in gallery.search(drawings[0], k=160)} == (
        {drawing.category for drawing in drawings} - {"circle", "star"}
    )


def test_deleting_everything_by_an_empty_filter_is_refused(gallery, drawings):
    gallery.add(drawings[:5])
    for arguments in ({}, {"where": {}}, {"key_ids": ["a"], "where": {"category": "circle"}}):
        with pytest.raises(InputError):
            gallery.delete(**arguments)
    assert len(gallery) == 5


def test_get_and_missing_keep_the_order_of_the_key_ids(gallery, drawings):
    gallery.add(drawings[:20])
    keys = [drawings[7].key_id, "not there", drawings[2].key_id]
    assert [drawing.key_id for drawing in gallery.get(keys)] == [keys[0], keys[2]]
    assert gallery.missing(keys) == ["not there"]
    assert gallery.missing([]) == []


def test_key_ids_may_be_one_text_or_an_iterator(gallery, drawings):
    gallery.add(drawings[:3])
    key_id = drawings[0].key_id
    assert gallery.missing(key_id) == []
    assert gallery.missing(iter([key_id, "abc"])) == ["abc"]
    assert [drawing.key_id for drawing in gallery.get(iter([key_id]))] == [key_id]
    assert gallery.originals(key_id) == {}
    assert gallery.delete(key_id) == 1


def test_key_ids_and_categories_may_hold_any_text(gallery, drawings):
    odd = ["it's", 'say "so"', "' OR true --", "🦊", "a\\b", "%_"]
    gallery.add([drawings[i].replace(key_id=key, category=key) for i, key in enumerate(odd)])
    assert gallery.missing(odd) == []
    for key in odd:
        for _ in range(2):
            assert [h.key_id for h in gallery.search(drawings[0], where={"category": key})] == [key]
    assert gallery.delete(odd[2:3]) == 1
    assert len(gallery) == len(odd) - 1


def test_list_gives_pages_in_the_order_of_key_ids(gallery, drawings):
    gallery.add(drawings, tags=["mine"])
    for wrong, problem in (
        ({"limit": 0}, "limit must be a whole number of at least 1, not 0"),
        ({"limit": 2.5}, "limit must be a whole number of at least 1, not 2.5"),
        ({"after": 5}, "a key_id must be text, not 5"),
    ):
        with pytest.raises(InputError, match=problem):
            gallery.list(**wrong)
    key_ids = sorted(d.key_id for d in drawings)
    first = gallery.list(limit=30)
    assert [one.key_id for one in first] == key_ids[:30]
    assert {one.tags for one in first} == {("mine",)}
    rest = gallery.list(after=key_ids[29], limit=500)
    assert [one.key_id for one in rest] == key_ids[30:]
    category = drawings[0].category
    listed = gallery.list(limit=500, where={"category": category})
    expected = sorted(d.key_id for d in drawings if d.category == category)
    assert [one.key_id for one in listed] == expected


def test_drawings_are_counted_by_each_field(gallery, drawings):
    gallery.add(drawings, tags=["mine", "new", "mine"])
    gallery.add([sketch("circle", 3).replace(category=None, key_id="a", country="DE")])
    assert gallery.count() == len(gallery) == len(drawings) + 1
    per_category = Counter(d.category for d in drawings) | Counter({None: 1})
    for _ in range(2):
        assert gallery.count(by="category") == per_category
    assert gallery.count(by="tags") == {"mine": len(drawings), "new": len(drawings)}
    some = drawings[0].category
    assert gallery.count(where={"category": some}) == per_category[some]
    assert gallery.count(by="category", where={"country": "DE", "key_id": "a"}) == {None: 1}
    gallery.delete(["a"])
    gallery.warm()
    assert None not in gallery.count(by="category")
    with pytest.raises(InputError, match="category, country"):
        gallery.count(by="colour")


@pytest.mark.parametrize("key_id", ["x" * 300, "two\nlines", "a,b", " spaces ", "it's"])
def test_a_hidden_drawing_is_not_found_until_it_is_restored(gallery, drawings, key_id):
    one = drawings[0].replace(key_id=key_id)
    gallery.add([one, *drawings[1:40]])
    before = gallery.version()
    assert gallery.hide([key_id], reason="rude") == 1
    assert gallery.hide([key_id]) == 0
    assert gallery.version() != before
    (hidden,) = gallery.hidden()
    assert (hidden.key_id, hidden.reason) == (key_id, "rude")
    hits = gallery.search(one, k=39)
    assert len(hits) == 39
    assert key_id not in {hit.key_id for hit in hits}
    assert gallery.get([key_id]) == []
    assert [d.key_id for d in gallery.get([key_id], with_hidden=True)] == [key_id]
    assert gallery.missing([key_id]) == []
    assert key_id not in {one.key_id for one in gallery.list(limit=100)}
    assert len(gallery) == 39 == sum(gallery.count(by="category").values())
    scanned = {key for piece in gallery.scan() for key in piece.drawings.key_ids}
    assert len(scanned) == 39
    assert key_id not in scanned
    gallery.add([one])
    assert gallery.get([key_id]) == [], "a drawing that is replaced stays hidden"
    assert gallery.restore([key_id]) == 1
    assert gallery.search(one, k=1)[0].key_id == key_id


@pytest.mark.parametrize("by", ["key_ids", "where"])
def test_a_drawing_that_was_deleted_is_no_longer_hidden(gallery, drawings, by):
    gallery.add(drawings[:20])
    key_id, other = drawings[0].key_id, drawings[1].key_id
    gallery.hide([key_id, other])
    assert (
        gallery.delete(
            [key_id] if by == "key_ids" else None,
            where={"key_id": key_id} if by == "where" else None,
        )
        == 1
    )
    assert [one.key_id for one in gallery.hidden()] == [other]
    gallery.add([drawings[0]])
    assert [d.key_id for d in gallery.get([key_id])] == [key_id]


def test_embeddings_give_the_true_nearest_neighbours_of_every_drawing(gallery, drawings):
    gallery.add(drawings[:60])
    gallery.hide([drawings[5].key_id])
    told = []
    read = gallery.embeddings(progress=lambda done, n: told.append((done, n)))
    shown = {d.key_id: d.category for d in drawings[:60] if d.key_id != drawings[5].key_id}
    assert dict(zip(read.key_ids, read.categories, strict=True)) == shown
    assert told[-1] == (59, 59)
    neighbours, scores = read.nearest(5)
    exact = read.embeddings.astype(np.float64)
    true = exact @ exact.T
    np.fill_diagonal(true, -2)
    np.testing.assert_allclose(np.take_along_axis(true, neighbours, 1), scores, atol=1e-6)
    np.testing.assert_allclose(scores, -np.sort(-true, axis=1)[:, :5], atol=1e-6)
    of_one = gallery.embeddings(where={"category": drawings[0].category})
    assert set(of_one.categories) == {drawings[0].category}
    assert len(of_one) == list(shown.values()).count(drawings[0].category)


def test_scan_gives_every_drawing_once_with_its_embedding(gallery, encoder, drawings):
    gallery.add(drawings)
    gallery.delete([drawings[0].key_id])
    pieces = list(gallery.scan())
    keys = [key for piece in pieces for key in piece.drawings.key_ids]
    assert sorted(keys) == sorted(drawing.key_id for drawing in drawings[1:])
    by_key = dict(zip(keys, np.concatenate([p.embeddings for p in pieces]), strict=True))
    expected = encoder.embed(drawings[1:])
    got = np.stack([by_key[drawing.key_id] for drawing in drawings[1:]])
    np.testing.assert_allclose(got, expected, atol=2e-3)
    circles = [k for p in gallery.scan(where={"category": "circle"}) for k in p.drawings.key_ids]
    assert len(circles) == 19


def test_exported_drawings_read_back_as_they_were_added(gallery, drawings, tmp_path):
    gallery.add(drawings)
    assert gallery.export(tmp_path / "all.ndjson") == len(drawings)
    back = {drawing.key_id: drawing for drawing in read_drawings(tmp_path / "all.ndjson")}
    assert len(back) == len(drawings)
    for drawing in drawings:
        assert back[drawing.key_id].metadata == drawing.metadata
        assert back[drawing.key_id].to_lists() == drawing.to_lists()
    assert gallery.export(tmp_path / "by category", where={"recognized": True}) == sum(
        bool(drawing.recognized) for drawing in drawings
    )
    names = {file.stem for file in (tmp_path / "by category").iterdir()}
    assert names == {drawing.category for drawing in drawings}


def test_compacting_changes_nothing_that_can_be_seen(gallery, drawings):
    for first in range(0, 60, 5):
        gallery.add(drawings[first : first + 5])
    gallery.delete([drawings[3].key_id])
    before = [(hit.key_id, hit.score) for hit in gallery.search(drawings[0], k=30)]
    gallery.compact()
    after = [(hit.key_id, hit.score) for hit in gallery.search(drawings[0], k=30)]
    assert [key for key, _ in after] == [key for key, _ in before]
    assert [score for _, score in after] == pytest.approx([s for _, s in before], abs=1e-3)
    assert len(gallery) == 59


def test_a_gallery_opened_again_holds_what_was_added(opened, drawings):
    opened().add(drawings[:30])
    again = opened()
    assert len(again) == 30
    assert again.search(drawings[8], k=1)[0].key_id == drawings[8].key_id


def test_one_open_gallery_sees_what_another_writes(opened, backend, drawings):
    writer, reader = opened(), opened()
    for n in range(1, 6):
        writer.add([drawings[n]])
        assert len(reader) == n
        assert reader.search(drawings[n], k=1)[0].key_id == drawings[n].key_id
    writer.delete([drawings[1].key_id])
    assert drawings[1].key_id not in {hit.key_id for hit in reader.search(drawings[1], k=9)}
    if backend != "http":  # compacting is done where the gallery is
        writer.compact()
    assert len(reader.search(drawings[1], k=9)) == 4


def test_info_has_the_counts_and_the_encoder(gallery, encoder, drawings, uri, backend):
    assert gallery.info().n_drawings == 0
    gallery.add(drawings)
    document = gallery.info().to_dict()
    assert document["n_drawings"] == 200
    assert document["uri"] == uri
    assert document["format_version"] == 1
    assert document["encoder"] == {
        "fingerprint": encoder.fingerprint,
        "model": "pixels",
        "embedding_dim": 64,
        "render_spec": encoder.spec.to_dict(),
    }
    assert document["exact"] is (backend == "lance")
    assert ("exact" if document["exact"] else "approximate") in document["mode"]


def test_another_encoder_is_refused_with_the_commands_that_index_again(uri, encoder, drawings):
    open_gallery(uri, encoder=encoder).add(drawings[:3])
    other = PixelEncoder(line_width=0.2)
    with pytest.raises(EncoderMismatchError) as caught:
        open_gallery(uri, encoder=other)
    message = str(caught.value)
    assert encoder.fingerprint in message
    assert other.fingerprint in message
    assert f"garabato gallery copy {uri} " in message
    assert message.endswith(" --model shipped")


def test_without_an_encoder_no_gallery_is_created(uri):
    with pytest.raises(GalleryError, match="garabato index"):
        open_gallery(uri)
    with pytest.raises(InputError, match=r"encoder must be opened: .*load_encoder\('shipped'\)"):
        open_gallery(uri, encoder="shipped")


def test_a_gallery_that_must_exist_is_not_created(uri, encoder):
    with pytest.raises(GalleryError, match="there is no gallery at"):
        open_gallery(uri, encoder=encoder, must_exist=True)
    with pytest.raises(GalleryError, match="there is no gallery at"):
        open_gallery(uri, encoder=encoder, must_exist=True)


def test_without_an_encoder_drawings_cannot_be_embedded(uri, encoder, drawings):
    open_gallery(uri, encoder=encoder).add(drawings[:3])
    blind = open_gallery(uri)
    with pytest.raises(GalleryError, match="encoder="):
        blind.search(drawings[0])
    with pytest.raises(GalleryError, match="encoder="):
        blind.add(drawings[:1])
    assert len(blind.search(encoder.embed(drawings[0])[0])) == 3


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ({"categroy": "cat"}, "did you mean 'category'"),
        ({"category": 3}, "category must be a string or a list of strings"),
        ({"recognized": "yes"}, "recognized must be true or false"),
        ({"timestamp": "2017"}, "timestamp must be"),
        ({"timestamp": {"after": "yesterday"}}, "as 2017, 2017-03, .*, not 'yesterday'"),
        ({"timestamp": {"before": "2017-13-45"}}, "not '2017-13-45'"),
        ({"timestamp": {"before": "2017-02-29"}}, "not '2017-02-29'"),
        ({"timestamp": {"after": "2017-03-29 00:61"}}, "not '2017-03-29 00:61'"),
        ({"timestamp": {"after": "2017-03-29 yesterday"}}, "yesterday"),
        (["cat"], "where must be a mapping"),
    ],
)
def test_an_invalid_filter_says_what_is_expected(gallery, drawings, where, told):
    with pytest.raises(InputError, match=told):
        gallery.search(drawings[0], where=where)


@pytest.mark.parametrize(
    "after", ["2017", "2017-03", "2017-03-29", "2017-03-29 00:29:12.12345 UTC", "2017-03-29T00:29"]
)
def test_a_time_may_be_a_year_a_month_a_day_or_a_second(gallery, drawings, after):
    at, long_ago = "2017-03-29 00:29:12.12345 UTC", "2016-12-31 23:59:59.9 UTC"
    gallery.add([drawings[0].replace(timestamp=at), drawings[1].replace(timestamp=long_ago)])
    hits = gallery.search(drawings[1], where={"timestamp": {"after": after}})
    assert [hit.key_id for hit in hits] == [drawings[0].key_id]
    assert gallery.delete(where={"timestamp": {"before": after}}) == 1


def test_galleries_and_hits_are_shown_in_one_short_line(gallery, drawings):
    gallery.add(drawings[:3])
    assert repr(gallery).endswith(f"Gallery({gallery.uri!r}, 3 drawings)")
    (hit,) = gallery.search(drawings[1], k=1)
    assert repr(hit) == f"Hit({hit.key_id!r}, {hit.category!r}, score=1.00)"


def test_a_query_of_the_wrong_type_is_an_error_that_says_how_to_read_drawings(gallery, drawings):
    gallery.add(drawings[:3])
    for query in ("mine/star.svg", Path("mine/star.svg"), drawings[:2], [10**400]):
        with pytest.raises(InputError, match=r"a Drawing or an embedding \(64,\).*read_drawings"):
            gallery.search(query, k=1)


def test_the_error_for_an_invalid_query_says_what_is_wrong(gallery, drawings):
    gallery.add(drawings[:3])
    with pytest.raises(InputError, match="query drawing is empty"):
        gallery.search(Drawing([]))
    with pytest.raises(InputError, match=r"\(N, 64\)"):
        gallery.search(np.ones(63, np.float32))
    for broken in (np.zeros(64, np.float32), np.full(64, np.nan, np.float32)):
        with pytest.raises(InputError, match="zero, NaN"):
            gallery.search(broken)
    for k in (0, -1, 2.5, 100_001):
        with pytest.raises(InputError, match="k must be between"):
            gallery.search(drawings[0], k=k)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (None, "drawing 2 is of type NoneType, not Drawing"),
        ([[[0, 9], [0, 9]]], "drawing 2 is of type list, not Drawing"),
        ("cat.svg", "drawing 2 is of type str, not Drawing; read the drawings of a file with"),
        (sketch("square", 1).replace(category=3), "the category of drawing 2 is not valid text"),
        (
            sketch("square", 1).replace(timestamp="yesterday"),
            "timestamp of drawing 2 is not a time",
        ),
        (
            sketch("square", 1).replace(key_id="a\ud800"),
            "the key_id of drawing 2 is not valid text",
        ),
    ],
)
def test_the_error_for_a_bad_drawing_among_others_gives_its_number(gallery, drawings, bad, problem):
    for several in ([drawings[0], bad, drawings[1]], iter([Drawing([]), bad, drawings[1]])):
        with pytest.raises(InputError, match=problem):
            gallery.add(several)
    assert len(gallery) == 0


def test_key_ids_that_are_not_text_are_refused(gallery, drawings):
    gallery.add(drawings[:3])
    for change in (gallery.delete, gallery.hide, gallery.restore, gallery.get, gallery.missing):
        with pytest.raises(InputError, match="a key_id must be text, not 3"):
            change([str(drawings[0].key_id), 3])
        with pytest.raises(InputError, match="is not valid text"):
            change([str(drawings[0].key_id), "a\ud800"])
    assert len(gallery) == 3
    assert gallery.hidden() == []


@pytest.mark.parametrize("n_embeddings", [2, 4])
def test_embeddings_that_do_not_match_the_drawings_are_refused(
    gallery, encoder, drawings, n_embeddings
):
    with pytest.raises(InputError, match=f"{n_embeddings} embeddings"):
        gallery.add(drawings[:3], embeddings=encoder.embed(drawings[:n_embeddings]))
    assert len(gallery) == 0


def test_any_sequence_of_changes_behaves_like_a_dictionary(gallery, backend):
    pool = make_drawings(SKETCH_CATEGORIES[:4], per_category=6, seed=3)
    changes = ["add", "delete", "search", "compact"]
    if backend in ("milvus", "http"):  # takes Milvus seconds; a test of its own compacts
        changes.remove("compact")
    numbers = st.lists(st.integers(0, len(pool) - 1), max_size=8)

    @settings(max_examples=5 if backend == "milvus" else 10)
    @given(data=st.data())
    def check(data):
        gallery.delete([f"k{i}" for i in range(5)])
        held: dict[str, Drawing] = {}
        for _ in range(data.draw(st.integers(1, 6))):
            change = data.draw(st.sampled_from(changes))
            chosen = [pool[i] for i in data.draw(numbers)]
            if change == "add":
                chosen = [d.replace(key_id=f"k{i % 5}") for i, d in enumerate(chosen)]
                gallery.add(chosen)
                held.update({d.key_id: d for d in chosen})
            elif change == "delete":
                keys = [f"k{i % 5}" for i in range(len(chosen))]
                assert gallery.delete(keys) == len(held.keys() & set(keys))
                held = {key: d for key, d in held.items() if key not in keys}
            elif change == "compact":
                gallery.compact()
            hits = gallery.search(pool[0], k=50)
            assert {hit.key_id: hit.drawing.to_lists() for hit in hits} == {
                key: drawing.to_lists() for key, drawing in held.items()
            }
            assert len(gallery) == len(held)

    check()


CLOUD_SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="evil()"><script>evil()</script>'
    b'<path d="M0 0h9"/></svg>'
)


def test_a_drawing_keeps_its_title_tags_link_path_and_original_file(gallery, opened, drawings):
    plain, icon, other = drawings[:3]
    icon = icon.replace(
        title="Cloud (off)",
        tags=("weather", "Sky line"),
        link="https://example.org/cloud-off",
        source_path="outline/cloud-off.svg",
        original=CLOUD_SVG,
    )
    gallery.add([plain])
    for _ in range(2):  # with the rows in memory, too
        assert [hit.title for hit in gallery.search(icon, k=1)] == [None]
    gallery.add([icon, other], tags=["all"])
    for again in (gallery, opened()):
        for _ in range(2):
            (hit,) = again.search(icon, k=1)
            assert (hit.title, hit.tags) == ("Cloud (off)", ("weather", "Sky line", "all"))
            assert (hit.link, hit.source_path) == (
                "https://example.org/cloud-off",
                "outline/cloud-off.svg",
            )
            assert hit.original_type == "image/svg+xml"
        (back,) = again.get([icon.key_id])
        assert (back.title, back.tags) == (hit.title, hit.tags)
        original = again.original(icon.key_id)
        assert original.media_type == "image/svg+xml"
        assert b"evil" not in original.content
        assert b'd="M0 0h9"' in original.content
    (plain_hit,) = gallery.search(plain, k=1)
    assert (plain_hit.title, plain_hit.original_type, plain_hit.tags) == (None, None, ())
    gallery.hide([icon.key_id])
    gallery.add([back.replace(category="weather")])  # changed, and the file not read
    gallery.restore([icon.key_id])
    assert gallery.get(icon.key_id).category == "weather"
    assert gallery.original(icon.key_id) == original


def test_text_is_found_at_the_beginning_of_words_of_title_category_and_tags(gallery, drawings):
    named = [
        drawings[0].replace(title="cloud-off", category="weather"),
        drawings[1].replace(title="Sun", category="CLOUD computing", tags=("x",)),
        drawings[2].replace(title=None, category=None, tags=("rain", "clouds")),
        drawings[3].replace(title="become clouded?", category="fog"),
        drawings[4].replace(title="incloud", category="50% (off)"),
        drawings[5].replace(category="fog"),
    ]
    gallery.add(named)
    found = {
        text: {hit.key_id for hit in gallery.search(drawings[0], k=9, where={"text": text})}
        for text in (
            *("cloud", "CLOUD", "off cloud", "50%", "(off", "computing x", "snow", "c.oud"),
            "off\u3000cloud",  # the space of Japanese keyboards
        )
    }
    keys = [drawing.key_id for drawing in named]
    assert found["cloud"] == found["CLOUD"] == set(keys[:4])
    assert found["off cloud"] == found["off\u3000cloud"] == {keys[0]}
    assert found["50%"] == found["(off"] == {keys[4]}
    assert found["computing x"] == {keys[1]}
    assert found["snow"] == found["c.oud"] == set()
    both = {"text": "cloud", "category": "fog"}
    assert [hit.key_id for hit in gallery.search(drawings[0], k=9, where=both)] == [keys[3]]
