"""The small types that galleries take and return, and checks of their arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, SupportsIndex, overload
from urllib.parse import urlsplit

import numpy as np

from garabato.drawing import Details, Drawing, DrawingBatch, FloatArray
from garabato.drawing.html import N_SHOWN, drawings_html
from garabato.errors import EncoderMismatchError, GalleryError, InputError
from garabato.render import RenderSpec

if TYPE_CHECKING:
    from garabato.gallery.base import Gallery

#: The version of the stored format. Newer ones are refused.
FORMAT_VERSION = 1
#: The most hits a search returns.
MAX_K = 100_000
#: Notebooks do not show the categories of larger galleries: counting them would take too long.
_MAX_COUNTED = 1_000_000
_NO_DETAILS = Details()
#: What to search for: a drawing, or an embedding (D,).
Query = Drawing | FloatArray


class Embedder(Protocol):
    """What a gallery needs from an encoder; `garabato.Encoder` provides it."""

    @property
    def fingerprint(self) -> str:
        """Changes with anything that changes embeddings."""

    @property
    def embedding_dim(self) -> int:
        """D."""

    @property
    def spec(self) -> RenderSpec:
        """How drawings become images."""

    @property
    def model_name(self) -> str:
        """The network's name, for people."""

    def embed(self, drawings: Drawing | Sequence[Drawing] | DrawingBatch) -> FloatArray:
        """(N, D) float32, L2-normalised."""


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A drawing found by a search. `score` is its cosine similarity with the query (-1 to 1)."""

    key_id: str
    category: str | None
    score: float
    drawing: Drawing
    country: str | None = None
    recognized: bool | None = None
    timestamp: str | None = None
    tags: tuple[str, ...] = ()
    title: str | None = None
    link: str | None = None
    source_path: str | None = None
    #: The media type of its original file, which `Gallery.original` gives; None if none is kept.
    original_type: str | None = None
    #: The predicted category that its title or tags name, if `search_with_names` raised its score.
    name_match: str | None = None

    def __repr__(self) -> str:
        return f"Hit({self.key_id!r}, {self.category!r}, score={self.score:.2f})"

    def _repr_html_(self) -> str:
        return drawings_html([self._captioned()])

    @classmethod
    def of(cls, drawing: Drawing, score: float) -> Hit:
        """The hit of a stored drawing, with its metadata."""
        details = drawing.details or _NO_DETAILS
        return cls(
            str(drawing.key_id),
            drawing.category,
            score,
            drawing,
            drawing.country,
            drawing.recognized,
            drawing.timestamp,
            details.tags,
            details.title,
            details.link,
            details.source_path,
            details.original_type,
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON. Fields that are unknown (country, timestamp, ...) are left out."""
        bitmap = self.drawing.bitmap
        return {
            "key_id": self.key_id,
            "category": self.category,
            "score": round(self.score, 6),
            **({} if self.name_match is None else {"name_match": self.name_match}),
            **self.drawing.to_dict(),
            **({} if bitmap is None else {"bitmap": bitmap.tolist()}),
        }

    def _captioned(self) -> tuple[Drawing, str]:
        return self.drawing, f"{self.category or self.key_id} {self.score:.2f}"


class Hits(list[Hit]):
    """A list of hits, best first. Notebooks show it, and slices of it, as a row of pictures."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Hits: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Hit | Hits:
        found = super().__getitem__(index)
        return Hits(found) if isinstance(found, list) else found

    def _repr_html_(self) -> str:
        return drawings_html([hit._captioned() for hit in self])


@dataclass(frozen=True, slots=True)
class Added:
    """How many drawings `add` stored as new, replaced, and skipped because they are empty."""

    n_new: int = 0
    n_replaced: int = 0
    n_empty: int = 0

    def __add__(self, other: Added) -> Added:
        return Added(
            self.n_new + other.n_new,
            self.n_replaced + other.n_replaced,
            self.n_empty + other.n_empty,
        )


@dataclass(frozen=True, slots=True)
class Tuned:
    """A setting that `tune` measured: clusters probed, recall@10, and the median time of a query.

    `refine` times k candidates are scored again with full precision.
    """

    n_probes: int
    refine: int
    recall: float
    p50_ms: float

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A hidden drawing: when it was hidden (ISO 8601, UTC) and why."""

    key_id: str
    hidden_at: str
    reason: str | None = None


class HiddenStore(Protocol):
    """Where a gallery keeps its hidden drawings."""

    def all(self) -> dict[str, Hidden]:
        """key_id -> entry, in the order they were hidden."""

    def put(self, entries: Iterable[Hidden]) -> int:
        """Add entries; existing ones stay as they are. Returns how many are new."""

    def remove(self, key_ids: Iterable[str]) -> int:
        """Remove entries. Returns how many were removed."""


class Original(NamedTuple):
    """The file a drawing was read from. SVGs are cleaned: they can't run scripts or load files."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Drawings of a gallery and their embeddings (N, D) float32 of length 1."""

    drawings: DrawingBatch
    embeddings: FloatArray


@dataclass(frozen=True, slots=True)
class FilledBy:
    """The encoder that filled a gallery, as the gallery remembers it."""

    fingerprint: str
    embedding_dim: int
    model_name: str
    render_spec: dict[str, Any]

    @classmethod
    def of(cls, encoder: Embedder) -> FilledBy:
        """What a gallery remembers about `encoder`."""
        return cls(
            encoder.fingerprint,
            encoder.embedding_dim,
            encoder.model_name,
            encoder.spec.to_dict(),
        )

    @classmethod
    def from_document(cls, document: Any, uri: str) -> FilledBy:
        """Read what `to_document` wrote, from the gallery at `uri`.

        Raises GalleryError for a newer format, and KeyError, TypeError or ValueError for other
        metadata.
        """
        version = int(document["format_version"])
        if version > FORMAT_VERSION:
            raise GalleryError(
                f"{uri} has gallery format {version}; this version of garabato reads up to "
                f"{FORMAT_VERSION}; install a newer garabato"
            )
        return cls(**document["encoder"])

    def to_document(self) -> dict[str, Any]:
        """For JSON, with the version of the gallery format."""
        return {"format_version": FORMAT_VERSION, "encoder": asdict(self)}

    def check(self, encoder: Embedder, uri: str) -> None:
        """Raise EncoderMismatchError, which says how to re-index, if `encoder` is another one."""
        if encoder.fingerprint == self.fingerprint:
            return
        new = f"{uri.rstrip('/')}.new"
        if "://" in uri:
            server = urlsplit(uri)
            collection = server.path.strip("/") or "garabato"
            new = f"{server.scheme}://{server.netloc}/{collection}_new"
        raise EncoderMismatchError(
            f"{uri} was filled by encoder {self.fingerprint} ({self.model_name}, "
            f"{self.embedding_dim}-d), this one is {encoder.fingerprint} ({encoder.model_name}, "
            f"{encoder.embedding_dim}-d): their embeddings cannot be compared. Use the encoder "
            "that filled it (--model), or copy the gallery for another encoder, which embeds its "
            "drawings again. For the one that ships:\n"
            f"  garabato gallery copy {quote(uri)} {quote(new)} --model shipped"
        )


def no_gallery_at(uri: str) -> GalleryError:
    """The error for an address without a gallery; it says how to fill one."""
    return GalleryError(
        f"there is no gallery at {uri}; fill one: "
        f"garabato index --source DIR --gallery {quote(uri)}"
    )


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """What a gallery holds and how it searches.

    `n_drawings` counts hidden drawings, too. `mode` describes how the next query is answered;
    `exact` is True if it returns the true nearest drawings. `n_indexed` is the number of drawings
    in the approximate index, 0 without one. `bytes_on_disk` is None if the backend doesn't report
    it; `bytes_in_memory` is None if no drawings are held in memory.
    """

    uri: str
    backend: str
    format_version: int = field(default=FORMAT_VERSION, init=False)
    n_drawings: int
    encoder: FilledBy
    mode: str
    exact: bool
    n_indexed: int
    bytes_on_disk: int | None
    bytes_in_memory: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        per_drawing = (
            round(self.bytes_on_disk / self.n_drawings, 1)
            if self.bytes_on_disk is not None and self.n_drawings
            else None
        )
        document = asdict(self) | {"bytes_per_drawing": per_drawing}
        document["encoder"]["model"] = document["encoder"].pop("model_name")
        return document


def gallery_html(gallery: Gallery) -> str:
    """How notebooks show a gallery: N_SHOWN drawings of as many categories as possible."""
    n = gallery.count()
    about = repr(gallery)
    sample: list[Drawing] = []
    if n <= _MAX_COUNTED:
        categories = gallery.count(by="category")
        about += f" of {len(categories):,} categories"
        shown = list(categories)[:N_SHOWN]
        for name in shown:
            if name is not None:  # no filter finds drawings without a category
                where = {"category": [name]}
                sample += gallery.list(limit=N_SHOWN // len(shown), where=where)
    # By key_id alone, they may all be of the first category.
    seen = {drawing.key_id for drawing in sample}
    sample += [d for d in gallery.list(limit=N_SHOWN) if d.key_id not in seen]
    del sample[N_SHOWN:]
    if n > len(sample):
        about += f": {len(sample)} of them"
    return drawings_html([(d, d.category or "") for d in sample], heading=about)


def as_embedding(query: Query, encoder: Embedder | None, filled_by: FilledBy) -> FloatArray:
    """The query as a (D,) float32 embedding of length 1."""
    if isinstance(query, Drawing):
        if query.is_empty:
            raise InputError("the query drawing is empty; draw at least one stroke")
        return embed([query], encoder, filled_by).reshape(-1)
    try:
        row = np.asarray(query, np.float32).reshape(1, -1)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"a query must be a Drawing or an embedding ({filled_by.embedding_dim},), not "
            f"{type(query).__name__}; garabato.read_drawings gives the drawings of a file"
        ) from None
    return normalised_rows(row, filled_by).reshape(-1)


def as_embeddings(
    queries: Iterable[Drawing] | DrawingBatch | FloatArray,
    encoder: Embedder | None,
    filled_by: FilledBy,
) -> FloatArray:
    """Queries as (Q, D) float32 embeddings of length 1."""
    is_one = isinstance(queries, Drawing)
    given: Any = [queries] if is_one else [*queries] if isinstance(queries, Iterator) else queries
    if len(given) == 0:
        return np.zeros((0, filled_by.embedding_dim), np.float32)
    if isinstance(given, DrawingBatch) or isinstance(given[0], Drawing):
        drawings: list[Drawing] = []
        for number, drawing in enumerate(given, start=1):
            if not isinstance(drawing, Drawing):
                raise InputError(
                    f"query {number} is of type {type(drawing).__name__}, the others are drawings; "
                    "give drawings or embeddings"
                )
            if drawing.is_empty:
                raise InputError(f"query {number} is empty; draw at least one stroke")
            drawings.append(drawing)
        return embed(drawings, encoder, filled_by)
    try:
        rows = np.asarray(given, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"queries must be drawings or embeddings (Q, {filled_by.embedding_dim}); "
            "garabato.read_drawings gives the drawings of a file"
        ) from None
    return normalised_rows(rows, filled_by)


def embed(
    drawings: Sequence[Drawing] | DrawingBatch, encoder: Embedder | None, filled_by: FilledBy
) -> FloatArray:
    """(N, D) embeddings of length 1. Raises GalleryError without an encoder."""
    if encoder is None:
        raise GalleryError(
            "adding or searching drawings needs the encoder: open_gallery(uri, encoder=...)"
        )
    return normalised_rows(encoder.embed(drawings), filled_by)


def normalised_rows(embeddings: FloatArray, filled_by: FilledBy) -> FloatArray:
    """(N, D) embeddings checked and scaled to length 1. Raises InputError."""
    embeddings = np.asarray(embeddings, np.float32)
    dim = filled_by.embedding_dim
    if embeddings.ndim != 2 or embeddings.shape[1] != dim:
        raise InputError(
            f"this gallery takes embeddings of shape (N, {dim}), not {embeddings.shape}"
        )
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise InputError("an embedding is zero, NaN or infinite, so it cannot be compared")
    normalised: FloatArray = embeddings / lengths
    return normalised


def check_k(k: int) -> int:
    """Return k. Raises InputError if it is not between 1 and MAX_K."""
    if not isinstance(k, int | np.integer) or not 1 <= k <= MAX_K:
        raise InputError(f"k must be between 1 and {MAX_K:,}, not {k!r}")
    return int(k)


def as_key_ids(key_ids: Iterable[str]) -> list[str]:
    """The key_ids as a list; a string is one key_id. Raises InputError if one is not text."""
    is_one = isinstance(key_ids, str) or not isinstance(key_ids, Iterable)
    return [check_text("key_id", key_id) for key_id in ([key_ids] if is_one else key_ids)]


def as_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as a tuple; a string is one tag. Raises InputError for tags that are not text."""
    is_one = isinstance(tags, str) or not isinstance(tags, Iterable)
    given: tuple[Any, ...] = (tags,) if is_one else tuple(tags)
    for tag in given:
        if not isinstance(tag, str):
            raise InputError(f"a tag must be text, not {tag!r}")
    return given


def check_text(name: str, value: Any) -> str:
    """Return the value. Raises InputError if it is not text."""
    if not isinstance(value, str):
        raise InputError(f"a {name} must be text, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the {name} {value[:80]!r} is not valid text: {error.reason}") from None
    return value
