"""Filters on the metadata of drawings: `where={"category": ["cat"], "recognized": True}`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from garabato.drawing import BoolArray
from garabato.drawing.times import NORMAL_TIME, normal_time
from garabato.errors import InputError, did_you_mean

#: A filter as callers give it: field -> condition.
Where = Mapping[str, Any]

FIELDS = ("category", "country", "recognized", "timestamp", "tags", "key_id", "text")
#: The longest text to look for.
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked `where`: a drawing passes if it meets all conditions that are set.

    - `categories`, `countries`, `key_ids`: its value is one of these.
    - `tags`: it has at least one of these.
    - `recognized`: its value is this one.
    - `after` (inclusive), `before` (exclusive): bounds of its timestamp, compared as text, since
      times are stored in the normal form (see `times`).
    - `text`: each word begins a word of its title, category or tags, ignoring case.

    A drawing whose value is unknown does not pass.
    """

    categories: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    key_ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    recognized: bool | None = None
    after: str | None = None
    before: str | None = None
    text: str | None = None

    @property
    def is_empty(self) -> bool:
        """True if every drawing passes."""
        return self == EVERYTHING

    def passes_time(self, time: str | None) -> bool:
        """Whether a timestamp, in the normal form, is within the bounds."""
        return (
            time is not None
            and (self.after is None or time >= self.after)
            and (self.before is None or time < self.before)
        )


#: The filter that every drawing passes.
EVERYTHING = Filter()


def parse_where(where: Where | None) -> Filter:
    """Check `where`. Raises InputError, which names the field and what it takes.

    category, country, key_id and tags take a string or a list of strings; recognized takes True or
    False; timestamp takes a mapping with "after", "before" or both; text takes a string.
    """
    if not where:
        return EVERYTHING
    if not isinstance(where, Mapping):
        raise InputError(
            f"where must be a mapping such as {{'category': ['cat']}}, not {type(where).__name__}"
        )
    for field in where:
        if field not in FIELDS:
            hint = did_you_mean(str(field), FIELDS)
            raise InputError(
                f"drawings cannot be filtered by {field!r}, only by {', '.join(FIELDS)}{hint}"
            )
    recognized = where.get("recognized")
    if recognized is not None and not isinstance(recognized, bool):
        raise InputError(f"where: recognized must be true or false, not {recognized!r}")
    after, before = _parse_timestamp(where.get("timestamp"))
    return Filter(
        categories=_parse_strings("category", where.get("category")),
        countries=_parse_strings("country", where.get("country")),
        key_ids=_parse_strings("key_id", where.get("key_id")),
        tags=_parse_strings("tags", where.get("tags")),
        recognized=recognized,
        after=after,
        before=before,
        text=_parse_text(where.get("text")),
    )


def word_patterns(text: str) -> list[str]:
    """For each word of `text`, a regular expression (RE2 and Rust) for words that begin with it."""
    patterns = []
    for word in text.split():
        forms = {unicodedata.normalize(form, word) for form in ("NFC", "NFD")}
        either = "|".join(map(re.escape, sorted(forms)))
        patterns.append(rf"(?i)(^|[^\p{{L}}\p{{N}}])({either})")
    return patterns


def has_text(rows: pa.Table | pa.RecordBatch, text: str) -> BoolArray:
    """(n,): whether each word of `text` begins a word of a row's title, category or tags."""
    passing = np.ones(rows.num_rows, bool)
    for pattern in word_patterns(text):
        found = np.zeros(rows.num_rows, bool)
        for name in {"title", "category"}.intersection(rows.schema.names):
            found |= is_true(pc.match_substring_regex(rows[name].cast(pa.string()), pattern))
        found |= has_tag(rows, partial(pc.match_substring_regex, pattern=pattern))
        passing &= found
    return passing


def has_tag(rows: pa.Table | pa.RecordBatch, passes: Callable[[pa.Array], pa.Array]) -> BoolArray:
    """(n,): whether a row has a tag that passes; `passes` takes an array of tags."""
    tags = rows["tags"]
    tags = tags.combine_chunks() if isinstance(tags, pa.ChunkedArray) else tags
    found = np.zeros(rows.num_rows, bool)
    found[pc.list_parent_indices(tags).to_numpy()[is_true(passes(pc.list_flatten(tags)))]] = True
    return found


def is_true(values: pa.Array | pa.ChunkedArray) -> BoolArray:
    """An Arrow array of booleans as a NumPy array; null becomes False."""
    return np.asarray(pc.fill_null(values, False), bool)


def to_sql(
    condition: Filter, odd_times: Sequence[str] | None = None, *, has_titles: bool = False
) -> str | None:
    """The filter as an SQL condition on a Lance table; None if every drawing passes.

    Timestamps are only compared in the normal form. `odd_times` is for a table that may hold other
    forms: the key_ids of the drawings with such a timestamp that pass.
    """
    terms = []
    for column, values in (
        ("category", condition.categories),
        ("country", condition.countries),
        ("key_id", condition.key_ids),
    ):
        if values is not None:
            terms.append(is_one_of(column, values))
    if condition.tags is not None:
        listed = ", ".join(map(quote, condition.tags))
        terms.append(f"array_has_any(tags, [{listed}])" if condition.tags else "false")
    if condition.recognized is not None:
        terms.append(f"recognized = {str(condition.recognized).lower()}")
    for pattern in word_patterns(condition.text or ""):
        texts = ["category", "array_to_string(tags, '\n')", *(["title"] if has_titles else [])]
        like = [f"regexp_like(coalesce({text}, ''), {quote(pattern)})" for text in texts]
        terms.append(f"({' OR '.join(like)})")
    bounds = []
    if condition.after is not None:
        bounds.append(f"timestamp >= {quote(condition.after)}")
    if condition.before is not None:
        bounds.append(f"timestamp < {quote(condition.before)}")
    if bounds and odd_times:
        is_normal = f"timestamp LIKE {quote(NORMAL_TIME)}"
        is_odd = f"NOT ({is_normal}) AND {is_one_of('key_id', odd_times)}"
        bounds = [f"(({is_normal} AND {' AND '.join(bounds)}) OR ({is_odd}))"]
    elif bounds and odd_times is not None:
        bounds.append(f"timestamp LIKE {quote(NORMAL_TIME)}")
    return " AND ".join([*terms, *bounds]) or None


def is_one_of(column: str, values: Sequence[str]) -> str:
    """An SQL condition that rows with one of these values in a column pass."""
    return f"{column} IN ({', '.join(map(quote, values))})" if values else "false"


def quote(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _parse_timestamp(value: Any) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    if (
        not isinstance(value, Mapping)
        or not value
        or not set(value) <= {"after", "before"}
        or not all(isinstance(bound, str) for bound in value.values())
    ):
        raise InputError(
            "where: timestamp must be {'after': '2017-03-01', 'before': '2017-04-01'}, or only one "
            f"of these, not {value!r}"
        )
    return _parse_time(value.get("after")), _parse_time(value.get("before"))


def _parse_time(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment, point, fraction = normal_time(text).removesuffix(" UTC").partition(".")
        return f"{moment}{point}{fraction}".rstrip("0") if fraction.strip("0") else moment
    except ValueError:
        raise InputError(
            "where: timestamp bounds must be times such as 2017, 2017-03, 2017-03-29 or "
            f"2017-03-29 00:29:12, not {text!r}"
        ) from None


def _parse_strings(field: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    is_one = isinstance(value, str) or not isinstance(value, Sequence | set | frozenset)
    strings = [value] if is_one else list(value)
    if not all(isinstance(string, str) for string in strings):
        raise InputError(f"where: {field} must be a string or a list of strings, not {value!r}")
    try:
        "".join(strings).encode()
    except UnicodeEncodeError:
        raise InputError(f"where: {field} must be text, not {value!r}") from None
    if field == "key_id":  # the only text that is stored as given
        return tuple(sorted(set(strings)))
    # Older galleries hold text in any Unicode form: on macOS, file names are decomposed.
    forms = {unicodedata.normalize(form, text) for text in strings for form in ("NFC", "NFD")}
    return tuple(sorted(forms | set(strings)))


def _parse_text(value: Any) -> str | None:
    if value is None:
        return None
    words = " ".join(value.split()) if isinstance(value, str) else None
    if words is None or not words.isprintable() or len(words) > MAX_TEXT:
        raise InputError(
            f"where: text must be words of at most {MAX_TEXT} characters, not {str(value)[:80]!r}"
        )
    return words or None
