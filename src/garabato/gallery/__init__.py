"""Galleries: drawings stored with their embeddings, to search by similarity."""

from __future__ import annotations

from os import PathLike, fspath

from garabato.errors import InputError, check_opened
from garabato.gallery.base import Gallery
from garabato.gallery.records import (
    Added,
    Embedder,
    GalleryInfo,
    Hidden,
    Hit,
    Hits,
    Stored,
    Tuned,
)

__all__ = [
    "Added",
    "Embedder",
    "Gallery",
    "GalleryInfo",
    "Hidden",
    "Hit",
    "Hits",
    "Stored",
    "Tuned",
    "open_gallery",
]


def open_gallery(
    uri: str | PathLike[str],
    *,
    encoder: Embedder | None = None,
    must_exist: bool = False,
    token: str | None = None,
) -> Gallery:
    """Open the gallery at `uri`: a folder, or `http(s)://host:19530/collection` on a Milvus server.

    If there is no gallery, one is created for `encoder`; without an encoder, or with `must_exist`,
    GalleryError is raised. Raises EncoderMismatchError, which says how to re-index, if another
    encoder filled the gallery. Without an encoder you can only search by embedding and add drawings
    with embeddings. `token` ("user:password") is for a server that requires one; it defaults to the
    environment variable GARABATO_MILVUS_TOKEN.
    """
    check_opened(encoder=encoder)
    uri = fspath(uri)
    if "://" in uri:
        from garabato.gallery.milvus.gallery import MilvusGallery

        return MilvusGallery.open(uri, encoder=encoder, must_exist=must_exist, token=token)
    if token is not None:
        raise InputError(f"{uri} is a folder; a token is for a gallery on a server")
    from garabato.gallery.lance.gallery import LanceGallery

    return LanceGallery.open(uri, encoder=encoder, must_exist=must_exist)
