"""Pictures of results; what they show is tested by the commands' tests."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image
from sketches import make_drawings

from garabato.analysis import find_odd
from garabato.analysis.pictures import SearchResult, draw_hits, draw_odd
from garabato.gallery import open_gallery
from garabato.render.contact_sheets import Cell, draw_sheet


def test_a_filter_may_have_a_category_of_none_as_in_a_search(tmp_path, encoder):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    drawings = make_drawings(["star", "house"], 3, 0)
    gallery.add(drawings)
    shown = []
    for where in ({"category": None}, {}):
        results = [SearchResult([drawings[0]], gallery.search(drawings[0], k=3, where=where))]
        assert draw_hits(results, gallery, tmp_path / "hits.png", where=where) == 1
        shown.append(Image.open(tmp_path / "hits.png").tobytes())
    assert shown[0] == shown[1]


def test_a_picture_says_whether_its_numbers_are_cosines_or_depend_on_names(
    tmp_path, encoder, monkeypatch
):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    drawings = make_drawings(["star", "house"], 3, 0)
    gallery.add(drawings)
    titles: list[str] = []
    monkeypatch.setattr(
        "garabato.analysis.pictures.draw_sheet",
        lambda *rows, title, **options: (
            titles.append(title) or draw_sheet(*rows, title=title, **options)
        ),
    )
    hits = gallery.search(drawings[0], k=2)
    named = [hits[0], replace(hits[1], name_match="house")]
    for found in (hits, named):
        draw_hits([SearchResult([drawings[0]], found)], gallery, tmp_path / "hits.png")
    assert titles[0].endswith("numbers are cosine similarities")
    assert titles[1].endswith("numbers are scores by likeness and name")


def test_a_picture_of_odd_drawings_names_each_by_its_key_id(tmp_path, encoder, monkeypatch):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    wrong = make_drawings(["star"], 13, 0)[-1].replace(key_id="5152802093400064", category="house")
    gallery.add([*make_drawings(["star", "house"], 12, 0), wrong])
    sheets: list[list[list[Cell]]] = []
    monkeypatch.setattr(
        "garabato.analysis.pictures.draw_sheet",
        lambda rows, **options: sheets.append(rows) or draw_sheet(rows, **options),
    )
    found = find_odd(gallery, k=5)
    draw_odd(found, gallery, tmp_path / "odd.png")
    captions = [row[0].caption for row in sheets[0]]
    assert captions == [f"{one.key_id}\nlabelled {one.category}" for one in found]
    assert f"{wrong.key_id}\nlabelled house" in captions
