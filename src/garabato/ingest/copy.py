"""Copy a gallery to another folder, backend or encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import GalleryError, check_opened
from garabato.gallery import open_gallery
from garabato.gallery.base import Gallery
from garabato.gallery.records import Embedder, FilledBy, Stored
from garabato.gallery.rows import without_invalid_times
from garabato.render import RenderSpec

#: Drawings stored at a time. A killed process loses at most this many.
PIECE = 8_192


@dataclass(frozen=True, slots=True)
class Copied:
    """How many drawings were copied, and how many were already there."""

    n_copied: int = 0
    n_there: int = 0


def copy_gallery(
    source: Gallery,
    uri: str,
    *,
    encoder: Embedder | None = None,
    token: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Copied:
    """Copy the drawings of `source` to the gallery at `uri`, which is created if missing.

    Embeddings, tags, titles, links, original files and hidden drawings are copied, too. With
    `encoder` the copy is for that encoder: if another one filled `source`, the drawings are
    embedded again. Drawings whose key_id the copy already holds are skipped, so an interrupted
    call can be repeated. `progress(n_done)` is called after each piece. Raises
    EncoderMismatchError if another encoder filled the gallery at `uri`, and whatever `Gallery.add`
    raises.
    """
    check_opened(source=source, encoder=encoder)
    filled_by = source.info().encoder
    target = open_gallery(uri, encoder=encoder or _EncoderOf(**asdict(filled_by)), token=token)
    n_copied = n_there = 0
    is_same_encoder = filled_by.fingerprint == target.info().encoder.fingerprint
    hidden = {one.key_id: one for one in source.hidden()}
    for piece in _pieces(source.scan(with_hidden=True, with_originals=True)):
        keys = [str(key_id) for key_id in piece.drawings.key_ids]
        if not hidden.keys().isdisjoint(keys):  # first, so that they are never shown
            target.hide([hidden[key_id] for key_id in keys if key_id in hidden])
        missing = set(target.missing(keys))
        rows = [i for i, key_id in enumerate(keys) if key_id in missing]
        n_there += len(keys) - len(rows)
        if rows:
            drawings = without_invalid_times(piece.drawings.take(np.array(rows)))
            embeddings = piece.embeddings[rows] if is_same_encoder else None
            added = target.add(drawings, embeddings=embeddings)
            n_copied += added.n_new
            n_there += added.n_replaced
        if progress is not None:
            progress(n_copied + n_there)
    target.settle()
    return Copied(n_copied, n_there)


class _EncoderOf(FilledBy):
    """The encoder that filled a gallery, without its weights: it cannot embed."""

    @property
    def spec(self) -> RenderSpec:
        return RenderSpec.from_dict(self.render_spec)

    def embed(self, drawings: Drawing | Sequence[Drawing] | DrawingBatch) -> FloatArray:
        raise GalleryError("a copy takes embeddings from its source")


def _pieces(scanned: Iterable[Stored]) -> Iterator[Stored]:
    """The same rows in pieces of about PIECE, each of strokes or of one bitmap size."""
    held: dict[tuple[int, ...] | None, list[Stored]] = {}
    for stored in scanned:
        group = held.setdefault(stored.drawings.bitmap_shape, [])
        group.append(stored)
        if sum(len(one.drawings) for one in group) >= PIECE:
            yield _joined(group)
            group.clear()
    yield from (_joined(group) for group in held.values() if group)


def _joined(pieces: Sequence[Stored]) -> Stored:
    return Stored(
        DrawingBatch.concatenate([piece.drawings for piece in pieces]),
        np.concatenate([piece.embeddings for piece in pieces]),
    )
