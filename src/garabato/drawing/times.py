"""Timestamps in the normal form, that of Google's files: "2017-03-29 00:29:12.12345 UTC".

In this form, comparing text compares times. Galleries store it; times that earlier versions stored
in other forms are converted when they are read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: An SQL pattern of the normal form.
NORMAL_TIME = "____-__-__ __:__:__% UTC"
_NORMAL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? UTC", re.ASCII)
#: A year, or more of "2017-03-29T00:29:12.12345+02:00", from the left.
_TIME = re.compile(
    r"(?P<date>\d{4}(?:-\d\d(?:-\d\d)?)?)"
    r"(?:(?<=-\d\d-\d\d)[ Tt](?P<clock>\d\d:\d\d(?::\d\d)?)(?P<fraction>[.,]\d+)?"
    r" ?(?P<zone>UTC|GMT|Z|z|[+-]\d\d(?::?[0-5]\d)?)?)?",
    re.ASCII,
)
_FIRST_MOMENT = "0000-01-01 00:00:00"


def normal_time(text: str) -> str:
    """A time in the normal form.

    Takes ISO 8601 and Google's format. A time without an offset is UTC, and parts that are left out
    are the earliest ("2017-03" is 2017-03-01 00:00:00 UTC). Raises ValueError for other text.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    moment = found["date"] + (f" {found['clock']}" if found["clock"] else "")
    moment += _FIRST_MOMENT[len(moment) :]
    zone = found["zone"] if found["zone"] not in (None, "UTC", "GMT", "z") else "Z"
    try:
        when = datetime.fromisoformat(moment + zone).astimezone(UTC)
    except OverflowError:  # before the year 1 or after 9999
        raise ValueError(text) from None
    fraction = (found["fraction"] or "").replace(",", ".")
    return f"{when.replace(tzinfo=None).isoformat(sep=' ')}{fraction} UTC"


def normal_if_time(text: str | None) -> str | None:
    """A stored time in the normal form; other text is returned unchanged."""
    if text is None or _NORMAL.fullmatch(text):
        return text
    return time_or_none(text) or text


def time_or_none(text: str | None) -> str | None:
    """A time in the normal form; None for text that is not a time."""
    try:
        return None if text is None else normal_time(text)
    except ValueError:
        return None
