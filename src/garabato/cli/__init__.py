"""The command line: one small file a command, imported only when that command runs."""

from __future__ import annotations

import importlib
from typing import Any

import click

from garabato.errors import GarabatoError
from garabato.host.machine import limit_native_threads

#: Command -> (its module, one line of help). `garabato --help` reads only this table.
COMMANDS = {
    "download": ("garabato.cli.download", "Fetch drawings from Google's public bucket."),
    "prepare": ("garabato.cli.prepare", "Choose drawings from a source; write a data set."),
    "inspect": ("garabato.cli.inspect", "Count what is in a data set or a source of drawings."),
    "train": ("garabato.cli.train", "Train a network on a data set."),
    "evaluate": ("garabato.cli.evaluate", "Measure an encoder on drawings; write a report."),
    "classify": ("garabato.cli.classify", "Say what drawings show."),
    "index": ("garabato.cli.index", "Fill a gallery with drawings and their embeddings."),
    "search": ("garabato.cli.search", "Find the drawings most like one."),
    "gallery": ("garabato.cli.gallery", "Look after a gallery: info, tune, duplicates, delete ..."),
    "serve": ("garabato.cli.serve", "Serve the page and the HTTP API."),
    "export": ("garabato.cli.export", "Write data sets, encoders, pages: TFRecord, ONNX, web."),
    "reproduce": ("garabato.cli.reproduce", "Train the class project's five configurations again."),
    "demo": ("garabato.cli.demo", "Everything once, end to end, on 100 categories."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module (its attribute `command`) when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GarabatoError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="garabato", message="%(prog)s %(version)s")
def main() -> None:
    """Find out what a hand-drawn sketch shows, and find sketches like it.

    \b
    Example: garabato demo
    """
    limit_native_threads()
