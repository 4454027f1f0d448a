"""Pictures of results; what they show is tested by the commands' tests."""

from __future__ import annotations

from PIL import Image
from sketches import make_drawings

from garabato.analysis.pictures import SearchResult, draw_hits
from garabato.gallery import open_gallery


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
