"""garabato serve."""

from __future__ import annotations

from pathlib import Path

import click

from garabato.cli.console import stderr
from garabato.cli.demo_source import DemoSource, choose_source
from garabato.cli.model_option import model_option


@click.command()
@click.option(
    "--gallery",
    metavar="URI",
    envvar="GARABATO_GALLERY",
    help="Gallery to serve.  [default: the starter gallery, made on first use]",
)
@model_option
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    envvar="GARABATO_SOURCE",
    help="Folder with drawings for the starter gallery.  [default: what the demo takes]",
)
@click.option("--host", envvar="GARABATO_HOST", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    envvar="GARABATO_PORT",
    default=8000,
    show_default=True,
)
@click.option(
    "--token",
    envvar="GARABATO_TOKEN",
    help="What changes need; without one only a service for this machine takes them.",
)
def command(
    gallery: str | None,
    model: str | None,
    source: Path | None,
    host: str,
    port: int,
    token: str | None,
) -> None:
    """Serve the page and the HTTP API, until Ctrl-C.

    Everything else is set by variables, GARABATO_MAX_BODY_BYTES for one; docs/run_for_others.md
    lists them.

    \b
    Example: garabato serve --gallery my.gallery
    """
    from garabato.errors import MissingExtraError
    from garabato.gallery import open_gallery
    from garabato.host.machine import limit_native_threads

    if gallery is not None:
        open_gallery(gallery, must_exist=True)  # a wrong name is told at once
    limit_native_threads(spin=False)
    try:
        from garabato.service.app import create_app
        from garabato.service.server import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("garabato"):
            raise
        raise MissingExtraError("garabato serve", "serve") from None
    from garabato.service.settings import Settings

    given = {"gallery": gallery, "model": model, "host": host, "port": port, "token": token}
    settings = Settings.from_environment(given)

    def choose(fetched: Path) -> DemoSource:
        return choose_source(source, fetched)

    shown = f"[{host}]" if ":" in host else host
    stderr.print(f"http://{shown}:{port}/ (Ctrl-C ends it)")
    run(create_app(settings, choose), settings)
