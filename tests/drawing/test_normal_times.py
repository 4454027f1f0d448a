"""Times of other forms than Google's become that form."""

from __future__ import annotations

import pytest

from garabato.drawing.times import normal_time, time_or_none


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2017", "2017-01-01 00:00:00 UTC"),
        ("2017-03", "2017-03-01 00:00:00 UTC"),
        ("2017-03-29", "2017-03-29 00:00:00 UTC"),
        ("2017-03-29 00:29:12.12345 UTC", "2017-03-29 00:29:12.12345 UTC"),
        ("2017-03-29T08:00:00Z", "2017-03-29 08:00:00 UTC"),
        ("2017-03-29T01:30+02:00", "2017-03-28 23:30:00 UTC"),
        (" 2017-03-29t08:00:00z ", "2017-03-29 08:00:00 UTC"),
        ("2017-03-29 08:00:00,25 GMT", "2017-03-29 08:00:00.25 UTC"),
        ("2017-03-29 01:30:10.5-0530", "2017-03-29 07:00:10.5 UTC"),
        ("2017-03-29T08:00+02", "2017-03-29 06:00:00 UTC"),
        ("2017-03-29T08:00+23:59", "2017-03-28 08:01:00 UTC"),
        ("0001-01-01", "0001-01-01 00:00:00 UTC"),
    ],
)
def test_a_time_is_stored_in_utc(written, stored):
    assert normal_time(written) == stored == normal_time(stored)
    assert time_or_none(written) == stored


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2017-13", "2017-02-29", "2017-03 08:00", "08:00", "2017-03-29T25:00",
     "2017-03-29T08:00+24:00", "2017-03-29T08:00+00:60", "0001-01-01T00:00+02:00", "29.3.2017",
     "0000-01-01", "9999-12-31T23:59:59-01:00", "2017-03-29T12:30:60", "2016-12-31T23:59:60Z",
     "2017-03-29T24:00"],
)  # fmt: skip
def test_other_text_is_not_a_time(text):
    assert time_or_none(text) is None
