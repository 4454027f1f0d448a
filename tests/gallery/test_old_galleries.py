"""Galleries that garabatos of earlier format versions left on disk open, search and take more."""

from __future__ import annotations

import shutil

import pytest
from make_fixture import FIXTURES, fixture_drawings

from garabato.gallery import open_gallery
from garabato.gallery.records import FORMAT_VERSION

VERSIONS = sorted(
    int(p.name.removeprefix("gallery-format-")) for p in FIXTURES.glob("gallery-format-*")
)


def test_every_format_version_has_a_fixture():
    assert list(range(1, FORMAT_VERSION + 1)) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_gallery_of_an_older_version_still_has_all_its_content(version, tmp_path, encoder):
    place = tmp_path / "g"
    shutil.copytree(FIXTURES / f"gallery-format-{version}", place)
    gallery = open_gallery(place, encoder=encoder)
    held = fixture_drawings()
    assert len(gallery) == len(held)
    for drawing in held:
        (back,) = gallery.get([drawing.key_id])
        assert back.tags[0] == "fixture"
        assert back.replace(details=None).metadata == drawing.metadata
        assert back.to_lists() == drawing.to_lists()
        for _ in range(2):
            best = gallery.search(drawing, k=1)[0]
            assert best.key_id == drawing.key_id
            assert best.score == pytest.approx(1, abs=2e-3)
    replaced = gallery.search(held[0], k=99, where={"tags": ["replaced"]})
    assert {hit.key_id for hit in replaced} == {held[1].key_id, held[2].key_id}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_gallery_of_an_older_version_can_be_changed(version, tmp_path, encoder, drawings):
    place = tmp_path / "g"
    shutil.copytree(FIXTURES / f"gallery-format-{version}", place)
    gallery = open_gallery(place, encoder=encoder)
    n_before = len(gallery)
    gallery.add(drawings[:5])
    gallery.delete([fixture_drawings()[0].key_id])
    gallery.compact()
    assert len(gallery) == n_before + 4
    assert gallery.search(drawings[4], k=1)[0].key_id == drawings[4].key_id
