"""`garabato.serve`: the service in one call. Imports FastAPI only when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import PathLike, fspath

from garabato.errors import MissingExtraError
from garabato.gallery import open_gallery
from garabato.host.machine import limit_native_threads
from garabato.service.settings import Settings
from garabato.sources.choose import choose_source


def serve(
    gallery: str | PathLike[str] | None = None,
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

    Without `gallery` the starter gallery is served; it is filled on first use from `source`, else
    from Google's bucket or the starter set. `public_url` is the address that visitors use, if there
    is a proxy, and then the addresses of other sites whose pages may use the API. Arguments that
    are None or empty take the value of the variable GARABATO_<NAME>, as do all other settings
    (docs/run_for_others.md lists them).

    Raises GalleryError if there is no gallery at `gallery` or the service cannot start, InputError
    for a setting that makes no sense, and MissingExtraError without the extra `serve`.
    """
    settings = Settings.from_environment(
        {
            "gallery": None if gallery is None else fspath(gallery),
            "model": None if model is None else fspath(model),
            "categories": None if categories is None else fspath(categories),
            "host": host,
            "port": port,
            "token": token,
            "public_url": tuple(public_url),
        }
    )
    if settings.gallery is not None:
        open_gallery(settings.gallery, must_exist=True)  # before anything slow is loaded
    limit_native_threads()
    try:
        from garabato.service.app import create_app
        from garabato.service.server import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("garabato"):
            raise
        raise MissingExtraError("garabato serve", "serve") from None
    run(create_app(settings, partial(choose_source, source)), settings)
