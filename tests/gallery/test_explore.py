"""More than nearest, and by likeness and name, with embeddings set by hand in the plane."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sketches import sketch

from garabato.analysis.duplicates import (
    PICTURE,
    SAME_PICTURE,
    DuplicatePair,
    find_duplicates,
)
from garabato.analysis.odd import find_odd
from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import Prediction
from garabato.errors import InputError
from garabato.gallery import Gallery, Hit, Hits, explore, open_gallery
from garabato.gallery.explore import (
    category_votes,
    grouped,
    has_own_categories,
    is_vote_unsure,
    search_by_category,
    search_diverse,
    search_like,
    search_with_names,
    words_of,
)
from garabato.gallery.records import MAX_K
from garabato.render import RenderSpec, render_batch


class DegreesEncoder:
    """2-d embeddings: a drawing whose key_id ends in @30 points 30 degrees up."""

    model_name, fingerprint, embedding_dim, spec = "degrees", "degrees", 2, RenderSpec()

    def embed(self, drawings) -> np.ndarray:
        drawings = [drawings] if isinstance(drawings, Drawing) else drawings
        angles = [math.radians(float(d.key_id.rpartition("@")[2])) for d in drawings]
        return np.array([[math.cos(a), math.sin(a)] for a in angles], np.float32)


def at(degrees: float, category: str | None = "circle", name: str = "") -> Drawing:
    return sketch("circle", 0).replace(key_id=f"{name}@{degrees}", category=category)


@pytest.fixture
def plane(tmp_path):
    """Fills a gallery with drawings at given degrees."""

    def fill(drawings):
        gallery = open_gallery(str(tmp_path / "g"), encoder=DegreesEncoder())
        gallery.add(drawings)
        return gallery

    return fill


def keys(hits) -> list[str]:
    return [hit.key_id for hit in hits]


def test_search_like_several_searches_between_them_and_leaves_them_out(plane):
    gallery = plane([at(d) for d in (0, 18, 40, 62, 80, 120)])
    hits = search_like(gallery, DegreesEncoder(), [at(0), at(80)], k=3)
    assert keys(hits) == ["@40", "@18", "@62"] or keys(hits) == ["@40", "@62", "@18"]
    assert hits[0].score == pytest.approx(1, abs=1e-3)
    assert keys(search_like(gallery, DegreesEncoder(), at(0), at(120), k=1)) == ["@18"]


def test_drawings_to_avoid_move_hits_away(plane):
    gallery = plane([at(d) for d in (-30, -10, 10, 30)])
    encoder = DegreesEncoder()
    # from 0 degrees, less 0.5 * 90 degrees: the direction is -26.57 degrees
    assert keys(search_like(gallery, encoder, [at(0)], [at(90)], k=2)) == ["@-30", "@-10"]
    assert keys(search_like(gallery, encoder, [at(0)], [at(-90)], k=2)) == ["@30", "@10"]
    with pytest.raises(InputError, match="at least one drawing"):
        search_like(gallery, encoder, [], [at(0)])
    for more, less in (([at(0), Drawing()], []), ([at(0)], [Drawing()])):
        with pytest.raises(InputError, match="a drawing to search with is empty"):
            search_like(gallery, encoder, more, less)


def test_diverse_hits_are_not_all_alike(plane):
    gallery = plane([at(d) for d in (1, 2, 3, -40, 60)])
    encoder = DegreesEncoder()
    assert keys(search_diverse(gallery, encoder, at(0), k=3, variety=0)) == ["@1", "@2", "@3"]
    # after @1: @-40 gains .5 cos 40 - .5 cos 41 = .006, @60 .5 (cos 60 - cos 59) = -.008,
    # @2 .5 (.9994 - .9998) = -.0002; then @60 has cos 59 = .515 to @1, @2 has .9998
    assert keys(search_diverse(gallery, encoder, at(0), k=2, variety=0.5)) == ["@1", "@-40"]
    assert keys(search_diverse(gallery, encoder, at(0), k=3, variety=0.8))[1:] == ["@60", "@-40"]
    assert len(search_diverse(gallery, encoder, at(0), k=9)) == 5
    with pytest.raises(InputError, match="variety"):
        search_diverse(gallery, encoder, at(0), variety=2)


def test_given_drawings_are_left_out_of_diverse_hits(plane):
    gallery = plane([at(d) for d in (0, 1, 2, 50)])
    hits = search_diverse(gallery, DegreesEncoder(), at(0), k=4, variety=0, leave_out={"@0", "@2"})
    assert keys(hits) == ["@1", "@50"]


def test_the_nearest_categories_come_with_their_best_hits(plane):
    crowd = [at(1 + i / 100, "cat", f"c{i}") for i in range(60)]
    gallery = plane([*crowd, *(at(d, "dog") for d in (20, 21, 22)), at(40, "pig"), at(70, None)])
    found = search_by_category(gallery, at(0), 3, per_category=2)
    assert all(isinstance(group, Hits) for group in found.values())  # notebooks show them
    assert {name: keys(hits) for name, hits in found.items()} == {
        "cat": ["c0@1.0", "c1@1.01"],
        "dog": ["@20", "@21"],
        "pig": ["@40"],
    }
    assert list(found) == ["cat", "dog", "pig"]
    assert list(search_by_category(gallery, at(0), 9, per_category=1)) == [
        "cat",
        "dog",
        "pig",
        None,
    ]
    found = search_by_category(gallery, at(0), 1, per_category=1, leave_out={"c0@1.0"})
    assert keys(found["cat"]) == ["c1@1.01"]
    assert search_by_category(gallery, at(0), 2, where={"category": "no such"}) == {}
    with pytest.raises(InputError, match="per_category"):
        search_by_category(gallery, at(0), 2, per_category=0)


def hit(category, score) -> Hit:
    return Hit(f"{category}{score}", category, score, sketch("circle", 0))


def test_groups_come_in_the_order_of_their_best_hit():
    hits = [hit("cat", 0.9), hit("dog", 0.8), hit("cat", 0.7), hit("cat", 0.6), hit(None, 0.5)]
    groups = grouped(hits, per_category=2)
    assert {name: [h.score for h in group] for name, group in groups.items()} == {
        "cat": [0.9, 0.7],
        "dog": [0.8],
        None: [0.5],
    }
    assert list(groups) == ["cat", "dog", None]


def test_more_similar_hits_have_more_votes():
    hits = [hit("cat", 0.9), hit("dog", 0.8), hit("dog", 0.8), hit(None, 0.8)]
    votes = category_votes(hits)
    # cat: 1; dog: 2 * exp(-1) = 0.7358
    assert [v.category for v in votes] == ["cat", "dog"]
    assert [v.share for v in votes] == pytest.approx([1 / 1.735759, 0.735759 / 1.735759], rel=1e-5)
    assert category_votes([]) == []


def test_duplicates_are_the_nearly_identical_pairs(plane):
    gallery = plane([at(0, name="a"), at(0, name="b"), at(2), at(30), at(31)])
    pairs = find_duplicates(gallery, above=math.cos(math.radians(1.5)))
    assert [(pair.key_id, pair.other_key_id) for pair in pairs] == [
        ("a@0", "b@0"),
        ("@30", "@31"),
    ]
    assert isinstance(pairs[0], DuplicatePair)
    assert pairs[0].score == pytest.approx(1, abs=1e-3)


def test_different_drawings_with_equal_embeddings_are_not_duplicates(plane):
    one, other = at(0, name="a"), sketch("square", 3).replace(key_id="b@0", category="circle")
    moved = Drawing([(3 * xs + 50, 3 * ys) for xs, ys in one.strokes], key_id="c@0")
    pairs = find_duplicates(plane([one, other, moved]))
    assert [(pair.key_id, pair.other_key_id) for pair in pairs] == [("a@0", "c@0")]


def test_pairs_of_equal_drawings_do_not_grow_with_their_square(plane):
    gallery = plane([*(at(0, name=f"{n:02}") for n in range(50)), at(1, name="near"), at(90)])
    pairs = find_duplicates(gallery, above=math.cos(math.radians(1.5)))
    assert [pair.score == 1.0 for pair in pairs] == [True] * 49 + [False]
    (first,) = set.intersection(*({pair.key_id, pair.other_key_id} for pair in pairs))
    others = {pair.key_id for pair in pairs} | {pair.other_key_id for pair in pairs}
    assert others - {first} == {f"{n:02}@0" for n in range(50)} - {first} | {"near@1"}


def test_duplicates_are_all_pairs_that_reach_both_limits(plane):
    rng = np.random.default_rng(0)
    drawings = []
    for number, degrees in enumerate(rng.uniform(0, 30, 120).round(3)):
        first = sketch(("circle", "square")[number % 2], number % 6)
        strokes = [(xs + rng.normal(0, 8, len(xs)), ys) for xs, ys in first.strokes]
        drawings.append(Drawing(strokes, key_id=f"{number}@{degrees}"))
    degrees = np.array([float(one.key_id.rpartition("@")[2]) for one in drawings])
    gallery = plane(drawings)
    pictures = render_batch(
        DrawingBatch.from_drawings(gallery.get([d.key_id for d in drawings])), PICTURE
    )
    flat = pictures.reshape(120, -1).astype(float)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    for largest in (1.5, 20):
        is_near = np.abs(degrees[:, None] - degrees) <= largest
        is_same = flat @ flat.T >= SAME_PICTURE
        both, apart = is_near & is_same, is_near != is_same
        assert apart.sum() > 1000
        expected = {
            tuple(sorted((drawings[i].key_id, drawings[j].key_id)))
            for i, j in np.argwhere(np.triu(both, 1))
        }
        assert len(expected) > 20
        found = find_duplicates(gallery, above=math.cos(math.radians(largest)))
        assert {(pair.key_id, pair.other_key_id) for pair in found} == expected


def test_equal_embeddings_are_a_pair_despite_rounding(plane):
    gallery = plane([at(degrees, name=name) for degrees in range(1, 90) for name in "ab"])
    assert len(find_duplicates(gallery, above=1.0)) >= 89


def test_search_like_accepts_the_largest_k(plane):
    gallery = plane([at(0), at(10), at(20)])
    encoder = DegreesEncoder()
    assert keys(search_like(gallery, encoder, [at(0)], k=MAX_K)) == ["@10", "@20"]
    assert len(search_diverse(gallery, encoder, at(0), k=MAX_K)) == 3


def test_a_drawing_among_another_category_is_odd(plane):
    cats = [at(d, "cat") for d in (0, 1, 2, 3)]
    dogs = [at(d, "dog") for d in (90, 91, 92, 93)]
    gallery = plane([*cats, *dogs, at(91.5, "cat", "wrong"), at(0.5, None), at(92.5, None)])
    (odd,) = find_odd(gallery, k=3)
    assert (odd.key_id, odd.category, odd.looks_like) == ("wrong@91.5", "cat", "dog")
    assert odd.agreement == 0
    assert odd.neighbours[0] in ("@91", "@92")
    assert set(odd.neighbours) <= {"@90", "@91", "@92", "@93"}
    assert find_odd(gallery, k=3, where={"category": "cat"}) == []


def test_odd_drawings_that_resemble_the_other_category_most_come_first(plane):
    cats = [
        at(d, "cat", name) for d, name in ((45, "a"), (2, "b"), *((d, "") for d in range(88, 93)))
    ]
    dogs = [at(d, "dog") for d in (0, 1, 3, 4, 43, 44, 46, 47)]
    # The mean of the dogs is at 23.5 degrees, 21.5 from both; that of the other cats is at 82.9 for
    # b, at 78.8 for a: cos 21.5 - cos 80.9 = 0.77 for b, cos 21.5 - cos 33.8 = 0.10 for a.
    found = find_odd(plane([*cats, *dogs]), k=4)
    assert [(odd.key_id, odd.looks_like, odd.agreement) for odd in found] == [
        ("b@2", "dog", 0),
        ("a@45", "dog", 0),
    ]


def test_the_agreement_of_odd_drawings_counts_neighbours(plane):
    alone = [at(2, "cat", "z"), *(at(d, "dog") for d in (0, 1, 3, 4))]
    beside_a_bird = [at(62, "cat", "y"), at(64, "bird", "y"), *(at(d, "dog") for d in (60, 61, 63))]
    two = [at(120, "cat", "x"), at(121, "cat", "x"), *(at(d, "dog") for d in (122, 123, 124))]
    found = find_odd(plane([*two, *beside_a_bird, *alone]), k=4)
    by_key_id = {odd.key_id: odd for odd in found}
    assert {key_id: odd.agreement for key_id, odd in by_key_id.items()} == {
        "z@2": 0,
        "y@62": 0,
        "y@64": 0,
        "x@120": 0.25,
        "x@121": 0.25,
    }
    assert by_key_id["z@2"].neighbours[2:] in (("@0", "@4"), ("@4", "@0"))


def test_half_of_the_neighbours_do_not_make_a_drawing_odd(plane):
    gallery = plane([at(0, "cat"), at(1, "dog"), at(2, "dog"), at(3, "bird"), at(4, "cat")])
    assert find_odd(gallery, k=4) == []


def test_a_k_beyond_the_gallery_counts_all_other_drawings(plane):
    gallery = plane([at(0, "cat"), at(1, "cat"), at(2, "dog"), at(3, "dog"), at(4, "dog")])
    assert [(odd.key_id, odd.agreement) for odd in find_odd(gallery)] == [
        ("@1", 0.25),  # 2 degrees from the mean of the dogs
        ("@0", 0.25),  # 3 degrees
    ]
    assert find_odd(plane([]), where={"key_id": ["@0"]}) == []
    for k in (0, 2.5):
        with pytest.raises(InputError, match=f"k must be a whole number of at least 1, not {k}"):
            find_odd(gallery, k=k)


def test_categories_that_end_in_a_nul_are_others(plane):
    gallery = plane([*(at(d, "cat") for d in (0, 1, 2)), at(3, "cat\0")])
    assert [odd.key_id for odd in find_odd(gallery, k=3)] == ["@3"]


def test_blocks_do_not_change_what_is_found(plane, monkeypatch):
    rng = np.random.default_rng(0)
    drawings = [at(round(d, 3), str(rng.choice(["a", "b"]))) for d in rng.uniform(0, 90, 60)]
    gallery = plane(drawings)
    seen = []
    whole = (find_duplicates(gallery, above=0.9999), find_odd(gallery, k=5))
    monkeypatch.setattr("garabato.gallery.embeddings.AT_ONCE", 7)
    monkeypatch.setattr("garabato.gallery.embeddings._FIRST", 1)
    parts = (
        find_duplicates(gallery, above=0.9999, progress=lambda done, n: seen.append((done, n))),
        find_odd(gallery, k=5),
    )
    assert whole[0]
    assert whole[1]
    assert [(p.key_id, p.other_key_id) for p in parts[0]] == [
        (p.key_id, p.other_key_id) for p in whole[0]
    ]
    judged = [[(o.key_id, o.looks_like, o.agreement) for o in odd] for _, odd in (whole, parts)]
    assert judged[0] == judged[1]
    assert seen[-1] == (60, 60)


def test_a_vote_is_unsure_below_half_of_the_votes():
    # two hits of one score: half each; a third of another category: a third each
    even = [hit("cat", 0.9), hit("dog", 0.9)]
    assert category_votes(even)[0].share == 0.5
    assert not is_vote_unsure(category_votes(even))
    assert is_vote_unsure(category_votes([*even, hit("pig", 0.9)]))
    assert is_vote_unsure([])


@pytest.mark.parametrize(
    ("counts", "has_own"),
    [
        ({"cat": 4, "resistor": 6}, True),
        ({"cat": 5, "resistor": 5}, False),  # half is not fewer than half
        ({"cat": 4, "dog": 1, "resistor": 6}, True),
        ({"resistor": 1, None: 9}, True),  # drawings without a category don't count
        ({"cat": 1, None: 9}, False),
        ({None: 9}, False),
        ({}, False),
    ],
)
def test_a_gallery_speaks_first_if_fewer_than_half_of_its_drawings_have_a_known_category(
    counts, has_own
):
    assert has_own_categories(counts, ["cat", "dog"]) is has_own


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


def test_a_hit_that_moved_up_says_by_which_category(gallery: Gallery) -> None:
    guesses = [Prediction("dog", 0.1), Prediction("cats", 0.64), Prediction("phone", 0.05)]
    hits = search_with_names(gallery, QUERY, guesses)
    matches = {hit.key_id: hit.name_match for hit in hits if hit.name_match is not None}
    named = dict.fromkeys(("kitten", "cat", "cat off", "cats"), "cats")
    assert matches == {**named, "phone": "phone"}
    assert [hit.to_dict().get("name_match") for hit in hits] == [hit.name_match for hit in hits]


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
    only = found(gallery, ("cat", 0.64), where={"key_id": "cats"})
    assert only == {"cats": pytest.approx(1 - 0.9 * (1 - 0.9 * 0.8), abs=1e-3)}


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
