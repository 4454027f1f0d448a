"""The option --model of the commands that use a gallery or answer a query."""

from __future__ import annotations

import click

model_option = click.option(
    "--model",
    metavar="FILE",
    envvar="GARABATO_MODEL",
    help="Encoder file or run folder.  [default: $GARABATO_MODEL, else the encoder that ships]",
)
