"""What a gallery is: a set of drawings by key_id that is asked "what looks like this?".

Engines (`lance.py`: a folder; `milvus.py`: a server) keep to the `Gallery` protocol, and one suite
of contract tests runs on all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import EncoderMismatchError, GalleryError, InputError
from garabato.gallery.filters import Where
from garabato.render import RenderSpec

#: The version of what a gallery stores and how; a reader refuses newer ones.
FORMAT_VERSION = 1
#: Hits a search gives at most.
MAX_K = 100_000


class Embedder(Protocol):
    """What a gallery needs of an encoder (`garabato.encoder.Encoder` is one)."""

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
    """One drawing found. `score` is the cosine similarity with the query, higher is better."""

    key_id: str
    category: str | None
    score: float
    drawing: Drawing
    country: str | None = None
    recognized: bool | None = None
    timestamp: str | None = None
    tags: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Hit({self.key_id!r}, {self.category!r}, score={self.score:.2f})"

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it; country, recognized, timestamp and tags only where they are known."""
        document: dict[str, Any] = {
            "key_id": self.key_id,
            "category": self.category,
            "score": round(self.score, 6),
        }
        for name in ("country", "recognized", "timestamp"):
            if getattr(self, name) is not None:
                document[name] = getattr(self, name)
        if self.tags:
            document["tags"] = list(self.tags)
        if self.drawing.bitmap is not None:
            document["bitmap"] = self.drawing.bitmap.tolist()
        document["drawing"] = self.drawing.to_lists()
        return document


@dataclass(frozen=True, slots=True)
class Added:
    """What `add` did: drawings stored that were new, that replaced one, and without ink (left)."""

    n_new: int = 0
    n_replaced: int = 0
    n_empty: int = 0

    def __add__(self, other: Added) -> Added:
        return Added(
            self.n_new + other.n_new,
            self.n_replaced + other.n_replaced,
            self.n_empty + other.n_empty,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Rows of a gallery: drawings, their embeddings (N, D) float32 normalised, their tags."""

    drawings: DrawingBatch
    embeddings: FloatArray
    tags: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class FilledBy:
    """The encoder that filled a gallery, as the gallery remembers it."""

    fingerprint: str
    embedding_dim: int
    model_name: str
    render_spec: dict[str, Any]

    @classmethod
    def of(cls, encoder: Embedder) -> FilledBy:
        """What to remember of `encoder`."""
        return cls(
            encoder.fingerprint,
            encoder.embedding_dim,
            encoder.model_name,
            encoder.spec.to_dict(),
        )

    @classmethod
    def from_document(cls, document: Any, uri: str) -> FilledBy:
        """What `to_document` gave, as the gallery at `uri` keeps it.

        Raises GalleryError for a newer format; KeyError, TypeError or ValueError for what is not
        garabato's, which each engine tells of in its own words.
        """
        version = int(document["format_version"])
        if version > FORMAT_VERSION:
            raise GalleryError(
                f"{uri} is of gallery format {version}, this garabato reads up to "
                f"{FORMAT_VERSION}: pip install --upgrade garabato"
            )
        return cls(**document["encoder"])

    def to_document(self) -> dict[str, Any]:
        """Plain values, for JSON, with the version of the gallery's format."""
        return {"format_version": FORMAT_VERSION, "encoder": asdict(self)}

    def check(self, encoder: Embedder, uri: str) -> None:
        """Raise EncoderMismatchError, saying how to re-index, where `encoder` is another one."""
        if encoder.fingerprint == self.fingerprint:
            return
        new = f"{uri}.new"
        if "://" in uri:
            server = urlsplit(uri)
            collection = server.path.strip("/") or "garabato"
            new = f"{server.scheme}://{server.netloc}/{collection}_new"
        raise EncoderMismatchError(
            f"{uri} was filled by encoder {self.fingerprint} ({self.model_name}, "
            f"{self.embedding_dim}-d), this one is {encoder.fingerprint} ({encoder.model_name}, "
            f"{encoder.embedding_dim}-d): their embeddings cannot be compared. Use that encoder "
            "(--model), or copy the gallery for this one, its drawings embedded anew:\n"
            f"  garabato gallery copy {uri} {new} --model MODEL"
        )


def no_gallery_at(uri: str) -> GalleryError:
    """The error for an address without a gallery, which says how to fill one."""
    return GalleryError(
        f"there is no gallery at {uri}; fill one: garabato index --source DIR --gallery {uri}"
    )


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """What a gallery holds and how it searches.

    `mode` says in words how the next query is answered; `exact` whether it gives the true nearest;
    `n_indexed` how many drawings are in an approximate index (0 where there is none);
    `bytes_on_disk` is None where the engine doesn't tell, `bytes_in_memory` where nothing is held.
    """

    uri: str
    engine: str
    format_version: int
    n_drawings: int
    encoder: FilledBy
    mode: str
    exact: bool
    n_indexed: int
    bytes_on_disk: int | None
    bytes_in_memory: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        per_drawing = (
            round(self.bytes_on_disk / self.n_drawings, 1)
            if self.bytes_on_disk is not None and self.n_drawings
            else None
        )
        return {
            "uri": self.uri,
            "engine": self.engine,
            "format_version": self.format_version,
            "n_drawings": self.n_drawings,
            "encoder": {
                "fingerprint": self.encoder.fingerprint,
                "model": self.encoder.model_name,
                "embedding_dim": self.encoder.embedding_dim,
                "render_spec": self.encoder.render_spec,
            },
            "mode": self.mode,
            "exact": self.exact,
            "n_indexed": self.n_indexed,
            "bytes_on_disk": self.bytes_on_disk,
            "bytes_per_drawing": per_drawing,
            "bytes_in_memory": self.bytes_in_memory,
        }


Query = Drawing | FloatArray


class Gallery(Protocol):
    """A set of drawings by key_id, searchable by likeness, safe against crashes.

    All methods raise GalleryError for a gallery that cannot be used and StorageError for a full
    disk or a folder that cannot be written.
    """

    @property
    def uri(self) -> str:
        """Where it is: what `open_gallery` was given."""

    def add(
        self,
        drawings: Iterable[Drawing] | DrawingBatch,
        *,
        embeddings: FloatArray | None = None,
        tags: Sequence[str] = (),
    ) -> Added:
        """Embed and store drawings; return when they are durable and will be found.

        A drawing whose key_id is there already replaces it; of two with one key_id the last
        counts; one without a key_id gets one made from its strokes, so the same strokes are stored
        once. A Drawing list or a DrawingBatch of up to 16,384 is stored whole or not at all;
        longer ones in such pieces, in order. `embeddings` (N, D) float32 spares the encoder.
        """

    def search(self, query: Query, k: int = 10, *, where: Where | None = None) -> list[Hit]:
        """The `k` drawings most like a drawing or an embedding (D,), best first.

        With `where` only drawings that pass it are ranked: k hits whenever k of them exist.
        """

    def delete(self, key_ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete by key_id or by filter; return how many there were."""

    def get(self, key_ids: Sequence[str]) -> list[Drawing]:
        """The drawings with these key_ids that are there, in that order."""

    def missing(self, key_ids: Sequence[str]) -> list[str]:
        """Those of `key_ids` that are not there, in that order."""

    def scan(self, *, where: Where | None = None) -> Iterator[Stored]:
        """Everything stored (or what passes `where`), piece by piece, from one consistent state."""

    def export(self, path: str | PathLike[str], *, where: Where | None = None) -> int:
        """Write the drawings: an .ndjson or a .parquet file, or a folder with a file a category."""

    def info(self) -> GalleryInfo:
        """What is stored and how it is searched."""

    def settle(self) -> None:
        """Do now what `add` has put off so as not to hold up the next ones: for after the last."""

    def compact(self) -> None:
        """Merge small pieces, bring indices up to date and give space back."""

    def __len__(self) -> int: ...


def as_embedding(query: Query, encoder: Embedder | None, filled_by: FilledBy) -> FloatArray:
    """The query as an (D,) float32 embedding of length 1."""
    if isinstance(query, Drawing):
        if encoder is None:
            raise GalleryError(
                "searching with a drawing needs the encoder: open_gallery(uri, encoder=...)"
            )
        if query.is_empty:
            raise InputError("the query has no ink: nothing looks like nothing")
        return normalised_rows(encoder.embed(query), filled_by).reshape(-1)
    try:
        row = np.asarray(query, np.float32).reshape(1, -1)
    except (TypeError, ValueError):
        raise InputError(
            f"a query is a Drawing or an embedding ({filled_by.embedding_dim},), not a "
            f"{type(query).__name__}; garabato.read_drawings gives the drawings of a file"
        ) from None
    return normalised_rows(row, filled_by).reshape(-1)


def normalised_rows(embeddings: FloatArray, filled_by: FilledBy) -> FloatArray:
    """(N, D) embeddings checked and scaled to length 1. Raises InputError."""
    embeddings = np.asarray(embeddings, np.float32)
    dim = filled_by.embedding_dim
    if embeddings.ndim != 2 or embeddings.shape[1] != dim:
        raise InputError(f"embeddings here are (N, {dim}), these are {embeddings.shape}")
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise InputError("an embedding is zero, NaN or infinite; it has no direction to compare")
    normalised: FloatArray = embeddings / lengths
    return normalised


def check_k(k: int) -> int:
    """k as given, or InputError."""
    if not isinstance(k, int | np.integer) or not 1 <= k <= MAX_K:
        raise InputError(f"k is a number of hits between 1 and {MAX_K:,}, not {k!r}")
    return int(k)
