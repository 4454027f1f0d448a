"""garabato serve."""

from __future__ import annotations

from typing import Any

import click

import garabato
from garabato.cli.options import (
    added_categories_option,
    file_option,
    host_option,
    model_option,
    port_option,
)


@click.command()
@click.option(
    "--gallery",
    "galleries",
    metavar="[NAME=]URI",
    multiple=True,
    help="Gallery to serve; repeatable.  [default: the starter gallery, filled on first use, and "
    "the icons that `garabato icons` fetched, if any]",
)
@model_option
@added_categories_option
@file_option(
    "--source",
    envvar="GARABATO_SOURCE",
    help="Folder with drawings for the starter gallery.  [default: Google's bucket, else the "
    "starter set]",
)
@host_option
@port_option
@click.option(
    "--token",
    help="Token that changes need. Without one, only a service bound to this machine allows them.",
)
@click.option(
    "--public-url",
    metavar="URL",
    multiple=True,
    help="Address that visitors use, with its path, if a proxy rewrites Host or serves a subpath. "
    "Repeat it for other sites whose pages may use the API.",
)
def command(galleries: tuple[str, ...], **options: Any) -> None:
    """Serve the page and the HTTP API until Ctrl-C.

    Every option can also be set by an environment variable, such as GARABATO_PORT;
    docs/run_for_others.md lists these and further settings.

    \b
    Example: garabato serve --gallery my.gallery
    Example: garabato serve --gallery icons=my-icons --gallery drawings=my.gallery
    """
    garabato.serve(galleries, **options)
