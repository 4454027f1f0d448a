"""`garabato.serve`: the service in one call. Imports FastAPI only when it is called."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike, fspath

from garabato.errors import EncoderMismatchError, InputError, MissingExtraError
from garabato.gallery import open_gallery
from garabato.host.machine import limit_native_threads
from garabato.service.settings import Settings
from garabato.sources.source import choose_source


def serve(
    gallery: str | PathLike[str] | Sequence[str] | Mapping[str, str | PathLike[str]] | None = None,
    *,
    model: str | PathLike[str] | None = None,
    categories: str | PathLike[str] | None = None,
    source: str | PathLike[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    token: str | None = None,
    public_url: Sequence[str] = (),
) -> None:
    """Serve the page and the HTTP API until SIGTERM or Ctrl-C.

    `gallery` is one gallery, or several by name, all filled by one encoder: {"icons": "icons",
    "drawings": "my.gallery"} or ["icons=icons", "drawings=my.gallery"]. The page switches between
    them; the first is the default. Without `gallery` the starter gallery is served; it is filled on
    first use from `source`, else from Google's bucket or the starter set. The gallery that
    `garabato icons` made is served beside it.

    `public_url` is the address that visitors use, if there is a proxy, and then the addresses of
    other sites whose pages may use the API. Arguments that are None or empty take the value of the
    variable GARABATO_<NAME>, as do all other settings (docs/run_for_others.md lists them).

    Raises GalleryError if there is no gallery at `gallery`, different encoders filled them or the
    service cannot start, InputError for an invalid setting or a port in use, and
    MissingExtraError without the extra `serve`.
    """
    settings = Settings.from_environment(
        {
            "gallery": _listed(gallery),
            "model": None if model is None else fspath(model),
            "categories": None if categories is None else fspath(categories),
            "host": host,
            "port": port,
            "token": token,
            "public_url": tuple(public_url),
        }
    )
    _check_galleries(settings.galleries)  # before anything slow is loaded
    _check_address(settings.host, settings.port)
    limit_native_threads()
    try:
        from garabato.service.app import create_app
        from garabato.service.server import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("garabato"):
            raise
        raise MissingExtraError("garabato serve", "serve") from None
    run(create_app(settings, partial(choose_source, source)), settings)


def _listed(
    gallery: str | PathLike[str] | Sequence[str] | Mapping[str, str | PathLike[str]] | None,
) -> tuple[str, ...]:
    """The galleries as `Settings` takes them."""
    if gallery is None:
        return ()
    if isinstance(gallery, Mapping):
        for name in gallery:
            if not re.fullmatch(r"[\w.-]+", name):
                raise InputError(
                    f"the name of a gallery has letters, digits, '.', '-' and '_', not {name!r}"
                )
        return tuple(f"{name}={fspath(uri)}" for name, uri in gallery.items())
    listed = [gallery] if isinstance(gallery, str | PathLike) else gallery
    return tuple(fspath(one) for one in listed)


def _check_galleries(galleries: Mapping[str, str]) -> None:
    """Raise GalleryError if one is missing, or if they were not filled by one encoder."""
    opened = {name: open_gallery(uri, must_exist=True) for name, uri in galleries.items()}
    if len(opened) < 2:
        return
    filled_by = {name: one.info().encoder for name, one in opened.items()}
    if len({encoder.fingerprint for encoder in filled_by.values()}) > 1:
        listed = ", ".join(
            f"{name} by {encoder.fingerprint} ({encoder.model_name})"
            for name, encoder in filled_by.items()
        )
        raise EncoderMismatchError(
            f"the galleries were filled by different encoders: {listed}. One service has one "
            "encoder: serve them apart, or copy a gallery with the encoder of the others (a file, "
            "or `shipped`):\n"
            "  garabato gallery copy URI NEW --model shipped"
        )


def _check_address(host: str, port: int) -> None:
    """Raise InputError if the server can't listen there."""
    try:
        families = [address[0] for address in socket.getaddrinfo(host or None, port)]
        family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host} is in use, perhaps by another garabato; choose another "
                "port, such as --port 8001"
            ) from None
        raise InputError(f"cannot listen on port {port} of {host}: {error.strerror}") from None
