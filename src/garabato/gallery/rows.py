"""Drawings as Arrow rows, the form in which `Gallery` and its backends exchange them.

`transactions` prepares drawings for storing: it drops empty ones and embeds the rest.
"""

from __future__ import annotations

import gc
import logging
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from garabato.drawing import (
    SVG_TYPE,
    Details,
    Drawing,
    DrawingBatch,
    FloatArray,
    IntArray,
    list_drawings,
)
from garabato.drawing.arrow import DETAIL_TYPES, METADATA_TYPES
from garabato.drawing.times import normal_if_time, normal_time, time_or_none
from garabato.errors import FormatError, InputError
from garabato.formats.svg.clean import clean_svg
from garabato.gallery.records import Embedder, FilledBy, Hit, Stored, embed, normalised_rows
from garabato.gallery.stroke_codec import group_by_kind, pack_batch, unpack_batch

#: The columns that are fields of a Drawing.
_METADATA = ("key_id", "category", "country", "recognized", "timestamp")
#: Describe a drawing. `strokes` are packed by `stroke_codec`. `embedding` is one more column.
COLUMNS = (*_METADATA, "tags", "strokes")
#: Columns that a gallery gets with the first drawing that needs them. The content of original files
#: is only read on request.
DETAILS, ORIGINAL = ("title", "link", "source_path", "original_type"), "original"
#: Drawings stored in one transaction.
TRANSACTION = 16_384
_TYPES = METADATA_TYPES | DETAIL_TYPES | {"strokes": pa.binary()}
#: Fewer values of a dictionary array are looked up one by one.
_MIN_TO_DECODE = 50
_log = logging.getLogger(__name__)


class Nearest(NamedTuple):
    """The rows (COLUMNS) nearest to each of several queries, query after query, best first.

    `scores` (M,) are their cosine similarities, `counts` (Q,) the number of rows of each query.
    """

    rows: pa.Table
    scores: FloatArray
    counts: IntArray

    @classmethod
    def of(cls, found: Sequence[tuple[pa.Table, FloatArray]]) -> Nearest:
        """Join the rows and scores of one or more queries."""
        tables, scores = zip(*found, strict=True)
        counts = np.array([len(each) for each in scores], np.int64)
        return cls(pa.concat_tables(tables), np.concatenate(scores), counts)


def row_schema(columns: Iterable[str], embedding_dim: int) -> pa.Schema:
    """The types of these columns of rows; embeddings are float32 of length 1."""
    types = _TYPES | {"embedding": pa.list_(pa.float32(), embedding_dim)}
    return pa.schema([pa.field(name, types[name], name != "key_id") for name in columns])


def described_by(names: Collection[str]) -> tuple[str, ...]:
    """COLUMNS, and the DETAILS that are among `names`."""
    return (*COLUMNS, *(name for name in DETAILS if name in names))


def transactions(
    drawings: Iterable[Drawing] | DrawingBatch,
    embeddings: FloatArray | None,
    encoder: Embedder | None,
    filled_by: FilledBy,
) -> Iterator[tuple[list[tuple[DrawingBatch, FloatArray, IntArray]], int]]:
    """The drawings to store together, transaction by transaction, and how many empty drawings were
    dropped from each.

    A transaction holds batches of strokes or of one bitmap size, all with ink and a key_id, their
    embeddings (n, D), unless given as `embeddings` (N, D), and numbers (n,), counted from 1 over
    all drawings given. Raises InputError for embeddings of the wrong shape and for anything that is
    not a drawing, and GalleryError without an encoder.
    """
    if embeddings is not None:
        drawings = drawings if isinstance(drawings, DrawingBatch) else list_drawings(drawings)
        if len(drawings) != len(embeddings):
            raise InputError(
                f"{len(embeddings)} embeddings were given for {len(drawings)} drawings"
            )
        embeddings = normalised_rows(embeddings, filled_by)
    first = 0
    for batches in _batches(drawings):
        n_empty = n_seen = 0
        embedded = []
        for batch, in_batch in batches:
            n_seen += len(batch)
            inked = np.flatnonzero(batch.has_ink)
            n_empty += len(batch) - len(inked)
            if len(inked) < len(batch):
                batch, in_batch = batch.take(inked), in_batch[inked]
            if not len(batch):
                continue
            rows = first + in_batch
            vectors = embed(batch, encoder, filled_by) if embeddings is None else embeddings[rows]
            embedded.append((batch.with_key_ids(), vectors, rows + 1))
        first += n_seen
        yield embedded, n_empty


def without_invalid_times(batch: DrawingBatch) -> DrawingBatch:
    """The batch without invalid timestamps, whose number is logged.

    `Gallery.add` refuses them, so that a single one would stop a load of a million drawings.
    """
    times = [time_or_none(text) for text in batch.timestamps]
    n_before, n_valid = (sum(text is not None for text in t) for t in (batch.timestamps, times))
    if n_valid < n_before:
        _log.warning("invalid timestamps, left out: %d", n_before - n_valid)
    return batch.replace(timestamps=times)


def to_rows(
    batch: DrawingBatch, embeddings: FloatArray, tags: tuple[str, ...], numbers: IntArray
) -> pa.Table:
    """Drawings, all with ink and a key_id, and their embeddings (N, D) as rows.

    There are columns of details only if a drawing has any. Original SVGs are cleaned; those that
    cannot be are left out, with a warning. Raises InputError for metadata of the wrong type; it
    names the drawing by its `numbers` (N,).
    """
    columns = {
        "key_id": batch.key_ids,
        "category": [_nfc(name) for name in batch.categories],
        "country": [_nfc(name) for name in batch.countries],
        "recognized": batch.recognized,
        "timestamp": _times(batch, numbers),
        "tags": _tags(batch, tags),
    }
    if any(one is not None and one != Details(tags=one.tags) for one in batch.details):
        columns |= _details(batch)
    arrays = {name: _column(name, values, numbers) for name, values in columns.items()}
    dim = embeddings.shape[1]
    vectors = pa.array(np.ascontiguousarray(embeddings, np.float32).reshape(-1))
    arrays["strokes"] = pack_batch(batch)
    arrays["embedding"] = pa.FixedSizeListArray.from_arrays(vectors, dim)
    return pa.table(arrays, row_schema(arrays, dim))


def last_of_each_key_id(rows: pa.Table, numbers: IntArray) -> pa.Table:
    """The rows without those whose key_id a drawing with a higher number (`numbers`, (N,)) has."""
    by_number = np.argsort(numbers)
    key_ids = rows["key_id"].take(pa.array(by_number)).to_pylist()
    last = dict(zip(key_ids, by_number.tolist(), strict=True))
    return rows if len(last) == rows.num_rows else rows.take(pa.array(sorted(last.values())))


def to_matrix(column: pa.Array | pa.ChunkedArray) -> Any:
    """A column of lists of one length, such as `embedding`, as (N, D)."""
    column = _in_one_chunk(column)
    return column.flatten().to_numpy().reshape(-1, column.type.list_size)


def to_hits(rows: pa.Table, scores: FloatArray) -> list[Hit]:
    """Hits of rows that have at least COLUMNS, in their order."""
    with _garbage_collection_paused():
        return [
            Hit.of(drawing, min(1.0, score))
            for drawing, score in zip(to_drawings(rows), scores.tolist(), strict=True)
        ]


def to_stored(rows: pa.RecordBatch) -> Iterator[Stored]:
    """Rows of drawings with embeddings, in batches of strokes or of one bitmap size."""
    drawings, embeddings = to_drawings(rows), to_matrix(rows["embedding"])
    for positions in group_by_kind(drawings):
        batch = DrawingBatch.from_drawings([drawings[i] for i in positions])
        yield Stored(batch, embeddings[positions])


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection while many objects are made.

    Ten thousand new objects start collections that go through the objects of all libraries and find
    nothing: no object made here refers back to another.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_garbage_collection_paused()
def to_drawings(rows: pa.RecordBatch | pa.Table) -> list[Drawing]:
    """The drawings of rows that have at least COLUMNS."""
    # Column by column: building a dictionary for each row would take most of the time.
    columns = {name: _values(rows[name]) for name in _METADATA}
    columns["timestamp"] = list(map(normal_if_time, columns["timestamp"]))
    columns["details"] = _stored_details(rows)
    metadata = (
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    )
    return unpack_batch(_in_one_chunk(rows["strokes"]), metadata)


def _column(name: str, values: Sequence[Any], numbers: IntArray) -> pa.Array:
    try:
        return pa.array(values, _TYPES[name])
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        if len(values) > 1:  # find the one that is wrong
            for i, value in enumerate(values):
                _column(name, [value], numbers[i : i + 1])
        expected = "true or false" if name == "recognized" else "valid text"
        raise InputError(
            f"the {name} of drawing {numbers[0]} is not {expected}: {str(values[0])[:80]!r}"
        ) from None


def _nfc(text: Any) -> Any:
    """Text in the composed form, so that it compares equal however it was typed."""
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else text


def _times(batch: DrawingBatch, numbers: IntArray) -> list[Any]:
    times: list[Any] = []
    for number, text in zip(numbers, batch.timestamps, strict=True):
        try:
            times.append(normal_time(text) if isinstance(text, str) else text)
        except ValueError:
            raise InputError(
                f"the timestamp of drawing {number} is not a time: {text!r}; write it as "
                "2017-03-29 00:29:12, with an offset such as +02:00 if it is not UTC"
            ) from None
    return times


def _tags(batch: DrawingBatch, tags: tuple[str, ...]) -> list[list[str]]:
    """The tags of each drawing: its own, then `tags`, without repetition."""
    for_all = list(dict.fromkeys(map(_nfc, tags)))
    return [
        for_all if one is None else list(dict.fromkeys([*map(_nfc, one.tags), *for_all]))
        for one in batch.details
    ]


def _details(batch: DrawingBatch) -> dict[str, list[Any]]:
    details = [one or Details() for one in batch.details]
    originals = [_cleaned(one, key_id) for one, key_id in zip(details, batch.key_ids, strict=True)]
    return {
        "title": [_nfc(one.title) for one in details],
        "link": [one.link for one in details],
        "source_path": [one.source_path for one in details],
        "original_type": [
            None if content is None else one.original_type
            for one, content in zip(details, originals, strict=True)
        ],
        ORIGINAL: originals,
    }


def _cleaned(details: Details, key_id: str | None) -> bytes | None:
    """The original with scripts and external references removed."""
    if details.original is None or details.original_type != SVG_TYPE:
        return details.original
    try:
        return clean_svg(details.original)
    except FormatError as error:
        _log.warning("the original of %s is not kept: %s", key_id, error)
        return None


def _in_one_chunk(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Like `column.to_pylist()`, which takes 3 microseconds per value of a dictionary array."""
    column = _in_one_chunk(column)
    if not isinstance(column, pa.DictionaryArray):
        return list(column.to_pylist())
    if len(column) > _MIN_TO_DECODE:
        return list(column.dictionary_decode().to_pylist())
    names = column.dictionary
    return [None if i is None else names[i].as_py() for i in column.indices.to_pylist()]


def _stored_details(rows: pa.RecordBatch | pa.Table) -> list[Details | None]:
    names = [name for name in (*DETAILS, ORIGINAL) if name in rows.schema.names]
    names = [name for name in names if rows[name].null_count < rows.num_rows]
    if not names and len(_in_one_chunk(rows["tags"]).flatten()) == 0:
        return [None] * rows.num_rows
    columns = [rows[name].to_pylist() for name in ("tags", *names)]
    return [
        Details(tags=tuple(tags or ()), **dict(zip(names, values, strict=True)))
        if tags or any(value is not None for value in values)
        else None
        for tags, *values in zip(*columns, strict=True)
    ]


def _batches(
    drawings: Iterable[Drawing] | DrawingBatch,
) -> Iterator[list[tuple[DrawingBatch, IntArray]]]:
    """For each transaction, its drawings in batches of one kind, with their positions in it."""
    if isinstance(drawings, DrawingBatch):
        for first in range(0, len(drawings), TRANSACTION):
            batch = drawings[first : first + TRANSACTION]
            yield [(batch, np.arange(len(batch)))]
        return
    iterator = iter(drawings if isinstance(drawings, Iterable) else list_drawings(drawings))
    n_before = 0
    while piece := list_drawings(islice(iterator, TRANSACTION), n_before + 1):
        n_before += len(piece)
        yield [
            (DrawingBatch.from_drawings([piece[i] for i in positions]), positions)
            for positions in group_by_kind(piece)
        ]
