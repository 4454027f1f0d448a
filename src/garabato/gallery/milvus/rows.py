"""The collection of a Milvus gallery: columns, metadata, filters, and conversion from and to rows.

Milvus before 2.5 has neither nulls nor binary columns. Unknown values are therefore stored as
UNKNOWN (text that begins with UNKNOWN gets a second one in front), and strokes (see `stroke_codec`)
as base64, split into parts that fit in one text; all but giant drawings have one part.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from garabato.errors import GalleryError, InputError
from garabato.gallery.filters import Filter
from garabato.gallery.records import FilledBy
from garabato.gallery.rows import COLUMNS, DETAILS, ORIGINAL, row_schema, to_matrix

#: Stored instead of an unknown text.
UNKNOWN = "∅"

#: The property that holds a collection's metadata on servers that don't keep its description.
METADATA = "garabato"
#: Bytes of UTF-8 in one text at most.
MAX_TEXT_BYTES = 65_535
_MAX_TAGS = 1_024
_MAX_PARTS = 512
_RECOGNIZED = {None: -1, False: 0, True: 1}
_RECOGNIZED_BACK = {number: known for known, number in _RECOGNIZED.items()}

Row = dict[str, Any]


def to_schema(filled_by: FilledBy) -> Any:
    """The schema of a new collection; its description says which encoder fills it."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(
        auto_id=False, enable_dynamic_field=False, description=metadata_document(filled_by)
    )
    text = {"datatype": DataType.VARCHAR, "max_length": MAX_TEXT_BYTES}
    texts = {
        "datatype": DataType.ARRAY,
        "element_type": DataType.VARCHAR,
        "max_length": MAX_TEXT_BYTES,
    }
    schema.add_field("key_id", is_primary=True, **text)
    schema.add_field("category", **text)
    schema.add_field("country", **text)
    schema.add_field("recognized", datatype=DataType.INT8)
    schema.add_field("timestamp", **text)
    schema.add_field("tags", max_capacity=_MAX_TAGS, **texts)
    schema.add_field("strokes", max_capacity=_MAX_PARTS, **texts)
    for name in DETAILS:
        schema.add_field(name, **text)
    schema.add_field(ORIGINAL, max_capacity=_MAX_PARTS, **texts)
    schema.add_field("embedding", datatype=DataType.FLOAT_VECTOR, dim=filled_by.embedding_dim)
    return schema


def metadata_document(filled_by: FilledBy) -> str:
    """The metadata of a collection as JSON: the encoder that fills it."""
    return json.dumps({"garabato": filled_by.to_document()})


def read_metadata(uri: str, collection: dict[str, Any]) -> FilledBy:
    """The encoder that filled the gallery, from what `describe_collection` returns.

    Raises GalleryError for another format.
    """
    text = collection["description"] or (collection.get("properties") or {}).get(METADATA, "")
    try:
        return FilledBy.from_document(json.loads(text)["garabato"], uri)
    except (TypeError, ValueError, KeyError):
        raise GalleryError(
            f"{uri} is a collection that garabato did not create; name another one"
        ) from None


def to_documents(rows: pa.Table, *, with_details: bool = True) -> list[Row]:
    """Rows as Milvus stores them. Older collections are without columns of details.

    Raises InputError for a text that is too long for Milvus, and for too many tags or strokes.
    """
    details = DETAILS if with_details else ()
    texts = ("category", "country", "timestamp", *details)
    columns = (*COLUMNS, *DETAILS, ORIGINAL) if with_details else COLUMNS
    documents: list[Row] = rows.select(
        [name for name in columns if name in rows.column_names]
    ).to_pylist()
    for document, embedding in zip(documents, to_matrix(rows["embedding"]), strict=True):
        tags = document["tags"] or []
        if len(tags) > _MAX_TAGS:
            raise InputError(
                f"a drawing on Milvus has at most {_MAX_TAGS:,} tags, not {len(tags):,}"
            )
        for tag in tags:
            _check_length("tag", tag)
        for name in texts:
            document[name] = _or_unknown(document.get(name))
        for name in ("key_id", *texts):
            _check_length(name, document[name])
        if with_details:
            original = document.get(ORIGINAL) or b""
            document[ORIGINAL] = _to_texts(document["key_id"], original)
        document["recognized"] = _RECOGNIZED[document["recognized"]]
        document["strokes"] = _to_texts(document["key_id"], document["strokes"])
        document["embedding"] = embedding
    return documents


def from_documents(
    documents: Sequence[Row], columns: Sequence[str], embedding_dim: int
) -> pa.RecordBatch:
    """The documents that Milvus stores as rows with `columns`."""
    schema = row_schema(columns, embedding_dim)
    arrays = []
    for field in schema:
        values = [document[field.name] for document in documents]
        if convert := _FROM_MILVUS.get(field.name):
            values = list(map(convert, values))
        arrays.append(pa.array(values, field.type))
    return pa.record_batch(arrays, schema=schema)


def to_expression(condition: Filter) -> str:
    """The filter as a boolean expression of Milvus; empty if every drawing passes."""
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
    """An expression that rows with these key_ids pass."""
    return f"key_id in {_listed(key_ids)}"


def quote(text: str) -> str:
    """`text` as a string literal of Milvus' expressions, which is a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def _known(stored: str) -> str | None:
    return None if stored == UNKNOWN else stored.removeprefix(UNKNOWN)


def _or_unknown(text: str | None) -> str:
    if text is None:
        return UNKNOWN
    return UNKNOWN + text if text.startswith(UNKNOWN) else text


def _listed(values: Sequence[str]) -> str:
    return f"[{', '.join(map(quote, values))}]"


def _to_texts(key_id: str | None, packed: bytes) -> list[str]:
    text = base64.b64encode(packed).decode("ascii")
    # A multiple of 4, so that each part is valid base64.
    step = MAX_TEXT_BYTES // 4 * 4
    parts = [text[first : first + step] for first in range(0, len(text), step)]
    if len(parts) > _MAX_PARTS:
        raise InputError(
            f"drawing {key_id} takes {len(packed) / 2**20:.0f} MiB, more than Milvus stores in a "
            "row; simplify it first: drawing.simplified()"
        )
    return parts


def _unpacked(parts: Sequence[str]) -> bytes:
    return base64.b64decode("".join(parts))


_FROM_MILVUS: dict[str, Callable[[Any], Any]] = {
    "category": _known,
    "country": _known,
    "timestamp": _known,
    "recognized": _RECOGNIZED_BACK.__getitem__,
    "strokes": _unpacked,
    "tags": list,
    **dict.fromkeys(DETAILS, _known),
    ORIGINAL: lambda parts: _unpacked(parts) or None,
}


def _check_length(name: str, text: str) -> None:
    if len(text) > MAX_TEXT_BYTES // 4 and len(text.encode()) > MAX_TEXT_BYTES:
        raise InputError(
            f"a {name} on Milvus has at most {MAX_TEXT_BYTES:,} bytes, this one has "
            f"{len(text.encode()):,}: {text[:40]}..."
        )
