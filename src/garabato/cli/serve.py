"""garabato serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import garabato
from garabato.cli.options import file_option, model_option
from garabato.cli.output import stderr


class _Port(click.IntRange):
    """A port; says what is wrong with the one that Kubernetes sets."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, str) and value.startswith("tcp://"):
            self.fail(
                f"GARABATO_PORT is {value!r}, which Kubernetes sets for a service named garabato; "
                "rename that service, or set GARABATO_PORT or --port to a number",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


@click.command()
@click.option(
    "--gallery",
    metavar="URI",
    envvar="GARABATO_GALLERY",
    help="Gallery to serve.  [default: the starter gallery, filled on first use]",
)
@model_option
@file_option(
    "--source",
    envvar="GARABATO_SOURCE",
    help="Folder with drawings for the starter gallery.  [default: Google's bucket, else the "
    "starter set]",
)
@click.option("--host", envvar="GARABATO_HOST", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=_Port(0, 65535),
    envvar="GARABATO_PORT",
    default=8000,
    show_default=True,
)
@click.option(
    "--token",
    envvar="GARABATO_TOKEN",
    help="Required for changes. Without a token, only a service bound to this machine allows them.",
)
def command(
    gallery: str | None,
    model: str | None,
    source: Path | None,
    host: str,
    port: int,
    token: str | None,
) -> None:
    """Serve the page and the HTTP API until Ctrl-C.

    Further settings are environment variables such as GARABATO_MAX_BODY_BYTES;
    docs/run_for_others.md lists them.

    \b
    Example: garabato serve --gallery my.gallery
    """
    shown = f"[{host}]" if ":" in host else host
    stderr.print(f"http://{shown}:{port}/ (press Ctrl-C to stop)")
    garabato.serve(gallery, model=model, source=source, host=host, port=port, token=token)
