"""The collection of a Milvus gallery: columns, metadata, filters, drawings to rows and back.

Milvus before 2.5 knows neither null nor binary columns. So what is not known is UNKNOWN (a text
that begins with it is stored with one more in front), and strokes (see `packing`) are base64, in
parts of what one text may hold; all but giant drawings have one part.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import GalleryError, InputError
from garabato.gallery.base import FilledBy, Stored
from garabato.gallery.filters import Filter
from garabato.gallery.stroke_codec import of_one_kind, pack_batch, unpack

#: Stored where a category, country or timestamp is not known.
UNKNOWN = "∅"
#: All columns but the embedding: what makes a hit.
COLUMNS = ("key_id", "category", "country", "recognized", "timestamp", "tags", "strokes")

#: Bytes of UTF-8 that Milvus takes in one text.
_LONGEST_TEXT = 65_535
_MOST_TAGS = 1_024
_MOST_PARTS = 512
_RECOGNIZED = {None: -1, False: 0, True: 1}
_RECOGNIZED_BACK = {number: known for known, number in _RECOGNIZED.items()}

Row = dict[str, Any]


def to_schema(client: Any, filled_by: FilledBy) -> Any:
    """The schema of a new collection; its description says which encoder fills it."""
    from pymilvus import DataType

    document = {"garabato": filled_by.to_document()}
    schema = client.create_schema(
        auto_id=False, enable_dynamic_field=False, description=json.dumps(document)
    )
    text = {"datatype": DataType.VARCHAR, "max_length": _LONGEST_TEXT}
    texts = {
        "datatype": DataType.ARRAY,
        "element_type": DataType.VARCHAR,
        "max_length": _LONGEST_TEXT,
    }
    schema.add_field("key_id", is_primary=True, **text)
    schema.add_field("category", **text)
    schema.add_field("country", **text)
    schema.add_field("recognized", datatype=DataType.INT8)
    schema.add_field("timestamp", **text)
    schema.add_field("tags", max_capacity=_MOST_TAGS, **texts)
    schema.add_field("strokes", max_capacity=_MOST_PARTS, **texts)
    schema.add_field("embedding", datatype=DataType.FLOAT_VECTOR, dim=filled_by.embedding_dim)
    return schema


def read_metadata(uri: str, description: str) -> FilledBy:
    """The encoder that filled the gallery. Raises GalleryError for another format."""
    try:
        return FilledBy.from_document(json.loads(description)["garabato"], uri)
    except (TypeError, ValueError, KeyError):
        raise GalleryError(
            f"{uri} is a collection that is not garabato's; name another one"
        ) from None


def to_rows(batch: DrawingBatch, embeddings: FloatArray, tags: tuple[str, ...]) -> list[Row]:
    """Drawings, all with ink and a key_id, and their embeddings (N, D) as rows.

    Raises InputError where Milvus cannot hold a text, so many tags or so large a drawing.
    """
    if len(tags) > _MOST_TAGS:
        raise InputError(f"a drawing on Milvus has {_MOST_TAGS:,} tags at most, not {len(tags):,}")
    rows = [
        {
            "key_id": key_id,
            "category": _or_unknown(category),
            "country": _or_unknown(country),
            "recognized": _RECOGNIZED[recognized],
            "timestamp": _or_unknown(timestamp),
            "tags": list(tags),
            "strokes": _to_texts(key_id, packed.as_py()),
            "embedding": embedding,
        }
        for key_id, category, country, recognized, timestamp, packed, embedding in zip(
            batch.key_ids,
            batch.categories,
            batch.countries,
            batch.recognized,
            batch.timestamps,
            pack_batch(batch),
            embeddings.astype(np.float32),
            strict=True,
        )
    ]
    for row in rows:
        for name in ("key_id", "category", "country", "timestamp"):
            _check_length(name, row[name])
    for tag in tags:
        _check_length("tag", tag)
    return rows


def to_drawing(row: Row) -> Drawing:
    """The drawing of a row with COLUMNS."""
    return unpack(
        base64.b64decode("".join(row["strokes"])),
        key_id=row["key_id"],
        category=known(row["category"]),
        country=known(row["country"]),
        recognized=_RECOGNIZED_BACK[row["recognized"]],
        timestamp=known(row["timestamp"]),
    )


def to_stored(rows: Sequence[Row]) -> Iterator[Stored]:
    """Rows with COLUMNS and embedding, as the contract gives them: strokes and bitmaps apart."""
    drawings = [to_drawing(row) for row in rows]
    embeddings = np.array([row["embedding"] for row in rows], np.float32)
    tags = [tuple(row["tags"]) for row in rows]
    for places in of_one_kind(drawings):
        yield Stored(
            DrawingBatch.from_drawings([drawings[i] for i in places]),
            embeddings[places],
            [tags[i] for i in places],
        )


def to_expression(condition: Filter) -> str:
    """The filter as Milvus' boolean expression; empty where every drawing passes."""
    terms = []
    for column, values in (("category", condition.categories), ("country", condition.countries)):
        if values is not None:
            terms.append(f"{column} in {_listed(tuple(map(_or_unknown, values)))}")
    if condition.key_ids is not None:
        terms.append(is_one_of(condition.key_ids))
    if condition.tags is not None:
        terms.append(
            f"array_contains_any(tags, {_listed(condition.tags)})"
            if condition.tags
            else is_one_of(())
        )
    if condition.recognized is not None:
        terms.append(f"recognized == {_RECOGNIZED[condition.recognized]}")
    for sign, bound in ((">=", condition.after), ("<", condition.before)):
        if bound is not None:
            terms.append(f"timestamp {sign} {quote(_or_unknown(bound))}")
    if condition.after is not None or condition.before is not None:
        terms.append(f"timestamp != {quote(UNKNOWN)}")
    return " and ".join(terms)


def is_one_of(key_ids: Sequence[str]) -> str:
    """The expression that these key_ids pass."""
    return f"key_id in {_listed(key_ids)}"


def quote(text: str) -> str:
    """`text` as a string of Milvus' expressions, which are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


def known(stored: str) -> str | None:
    """A text as it was given; None where it was not known."""
    return None if stored == UNKNOWN else stored.removeprefix(UNKNOWN)


def _or_unknown(text: str | None) -> str:
    if text is None:
        return UNKNOWN
    return UNKNOWN + text if text.startswith(UNKNOWN) else text


def _listed(values: Sequence[str]) -> str:
    return f"[{', '.join(map(quote, values))}]"


def _to_texts(key_id: str | None, packed: bytes) -> list[str]:
    text = base64.b64encode(packed).decode("ascii")
    # A multiple of 4, so that each part is base64 by itself.
    step = _LONGEST_TEXT // 4 * 4
    parts = [text[first : first + step] for first in range(0, len(text), step)]
    if len(parts) > _MOST_PARTS:
        raise InputError(
            f"drawing {key_id} takes {len(packed) / 2**20:.0f} MiB, more than Milvus stores in a "
            "row; simplify it first (Drawing.simplify)"
        )
    return parts


def _check_length(name: str, text: str) -> None:
    if len(text) > _LONGEST_TEXT // 4 and len(text.encode()) > _LONGEST_TEXT:
        raise InputError(
            f"a {name} on Milvus has {_LONGEST_TEXT:,} bytes at most, this one has "
            f"{len(text.encode()):,}: {text[:40]}..."
        )
