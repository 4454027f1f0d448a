"""Galleries: sets of drawings you can ask "what looks like this?"."""

from __future__ import annotations

from os import PathLike, fspath

from garabato.errors import InputError
from garabato.gallery.base import Added, Embedder, Gallery, GalleryInfo, Hit, Stored

__all__ = ["Added", "Embedder", "Gallery", "GalleryInfo", "Hit", "Stored", "open_gallery"]


def open_gallery(
    uri: str | PathLike[str],
    *,
    encoder: Embedder | None = None,
    must_exist: bool = False,
    token: str | None = None,
) -> Gallery:
    """Open the gallery at `uri`: a folder, or `http(s)://host:19530/collection` on a Milvus server.

    Where there is none yet it is made, filled by `encoder` from then on; without an encoder, or
    with `must_exist`, that is a GalleryError. Raises EncoderMismatchError, which says how to
    re-index, where another encoder filled it. Without an encoder a gallery can be searched by
    embeddings only, and added to only with embeddings. `token` ("user:password") is for a server
    that asks for one; default is the environment's GARABATO_MILVUS_TOKEN.
    """
    uri = fspath(uri)
    if "://" in uri:
        from garabato.gallery.milvus.gallery import MilvusGallery

        return MilvusGallery.open(uri, encoder=encoder, must_exist=must_exist, token=token)
    if token is not None:
        raise InputError(f"{uri} is a folder; a token is for a gallery on a server")
    from garabato.gallery.lance.gallery import LanceGallery

    return LanceGallery.open(uri, encoder=encoder, must_exist=must_exist)
