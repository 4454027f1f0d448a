"""Times and text compare as what they mean, however they were written."""

from __future__ import annotations

import pytest

from garabato.drawing import DrawingBatch
from garabato.errors import InputError
from garabato.gallery import open_gallery
from garabato.gallery.filters import parse_where
from garabato.gallery.rows import without_invalid_times


def test_an_invalid_time_is_refused_and_offsets_are_applied(tmp_path, encoder, drawings):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    one, other = drawings[:2]
    with pytest.raises(InputError, match=r"timestamp of drawing .* 'yesterday'"):
        gallery.add([one.replace(timestamp="yesterday")])
    morning = one.replace(timestamp="2017-03-29T14:00:00+05:00")
    gallery.add([morning, other.replace(timestamp="2017-03-29T13:00:00Z")])
    for _ in range(2):
        hits = gallery.search(one, where={"timestamp": {"after": "2017-03-29 12:00"}})
        assert [hit.key_id for hit in hits] == [other.key_id]
        hits = gallery.search(one, where={"timestamp": {"before": "2017-03-29T10:00+01:00"}})
        assert hits == []
    assert gallery.get([one.key_id])[0].timestamp == "2017-03-29 09:00:00 UTC"


def test_a_load_goes_on_without_the_times_that_are_invalid_and_counts_them(drawings, caplog):
    given = ("2017", "yesterday", None)
    times = [one.replace(timestamp=time) for one, time in zip(drawings, given, strict=False)]
    batch = without_invalid_times(DrawingBatch.from_drawings(times))
    assert batch.timestamps == ["2017-01-01 00:00:00 UTC", None, None]
    assert caplog.messages == ["invalid timestamps, left out: 1"]
    caplog.clear()
    assert without_invalid_times(batch).timestamps == batch.timestamps
    assert caplog.messages == []


def test_text_compares_equal_however_its_accents_are_encoded(tmp_path, encoder, drawings):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    gallery.add([drawings[0].replace(category=decomposed)], tags=[decomposed])
    gallery.add([drawings[1].replace(category=composed)], tags=[composed])
    assert gallery.count(by="category") == {composed: 2}
    for text in (composed, decomposed):
        for _ in range(2):
            assert len(gallery.search(drawings[0], where={"category": text})) == 2
            assert len(gallery.search(drawings[0], where={"tags": text})) == 2


@pytest.mark.parametrize("bound", ["12:00:00.5", "12:00:00.50", "12:00:00,500Z"])
@pytest.mark.parametrize("stored", ["12:00:00.5", "12:00:00.500"])
def test_zeros_at_the_end_of_a_fraction_do_not_matter(bound, stored):
    condition = parse_where({"timestamp": {"after": f"2017-03-29T{bound}"}})
    assert condition.after is not None
    assert f"2017-03-29 {stored} UTC" >= condition.after
    assert not f"2017-03-29 {stored} UTC" < condition.after
    assert condition.after > "2017-03-29 12:00:00.49 UTC"


def test_a_bound_without_a_fraction_keeps_its_zeros():
    condition = parse_where({"timestamp": {"before": "2017-03-29 12:00:00.000"}})
    assert condition.before == "2017-03-29 12:00:00"
