"""The command `garabato`: the list of subcommands, and how their errors are shown."""

from __future__ import annotations

import atexit
import importlib
import io
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

import garabato

#: The commands, each in `garabato.cli.<name>`, and their lines of help: all that `--help` needs.
COMMANDS = {
    "download": "Download drawings from Google's public bucket.",
    "prepare": "Sample drawings from a source into a data set.",
    "inspect": "Count what a data set or source holds; find duplicates.",
    "train": "Train a network on a data set.",
    "evaluate": "Measure an encoder on labelled drawings.",
    "classify": "Classify drawings.",
    "categories": "Add categories from a few drawings, without training.",
    "index": "Fill a gallery with drawings and their embeddings.",
    "search": "Find similar drawings in a gallery.",
    "gallery": "Manage a gallery: info, copy, delete, duplicates, odd ...",
    "serve": "Serve the page and the HTTP API.",
    "export": "Export data sets, encoders and the page.",
    "reproduce": "Train the reference project's five configurations.",
    "icons": "Serve icon sets from npm: draw an icon to find it.",
    "demo": "Run everything once, end to end, on 100 categories.",
}

#: The usual handlers of Ctrl-C, of `kill`, `timeout` and Docker, and of a terminal that is closed.
#: All raise KeyboardInterrupt here, so that temporary files are removed.
_USUAL: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
#: The signals received. Python drops a KeyboardInterrupt raised while a destructor or the callback
#: of a weak reference runs, and the command would go on to its end. So they are remembered, and the
#: next report of progress raises it again.
_received: list[int] = []


class Group(click.Group):
    """A group that suggests the nearest command for a misspelt one."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with the whole first sentence of their help; click cuts it off."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, one.get_short_help_str(limit=200)) for name, one in commands.items() if one]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            names = self.list_commands(ctx)
            groups = [outer for outer in names if name in self._subcommands(ctx, outer)]
            elsewhere = [name] if name in COMMANDS else [f"{outer} {name}" for outer in groups]
            choices = f"choose from {', '.join(names)}"
            if elsewhere:
                choices = " or ".join(f"garabato {command}" for command in elsewhere)
                choices = f"did you mean {choices}?"
            hint = garabato.did_you_mean(name, names, otherwise=choices)
            ctx.fail(f"there is no command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def _subcommands(self, ctx: click.Context, name: str) -> list[str]:
        found = self.get_command(ctx, name)
        return found.list_commands(ctx) if isinstance(found, click.Group) else []


class LazyGroup(Group):
    """Imports the module of a command (its attribute `command`) when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"garabato.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with remember_interrupts():
                return super().invoke(ctx)
        except garabato.MissingExtraError as error:
            if error.feature.startswith("garabato."):  # a name of the public API
                feature = f"garabato {ctx.invoked_subcommand}"
                error = garabato.MissingExtraError(feature, error.extra, error.alternative)
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
        except garabato.GarabatoError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="garabato", message="%(prog)s %(version)s")
def main() -> None:
    """Classify hand-drawn sketches and find similar ones.

    \b
    Example: garabato classify drawing.svg
    """
    garabato.limit_native_threads()
    if isinstance(sys.stdout, io.TextIOWrapper):  # Python can't print file names of other encodings
        sys.stdout.reconfigure(errors="backslashreplace")
    kernels = logging.getLogger("garabato.host.kernels")
    if not kernels.handlers:
        kernels.addHandler(_Messages())
        kernels.setLevel(logging.INFO)


@contextmanager
def remember_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt when a signal asks the command to end, and remember it.

    After SIGTERM or SIGHUP the process ends by that signal, as its parent expects.
    """
    _received.clear()
    handled = {n: usual for n, usual in _USUAL.items() if signal.getsignal(n) == usual}
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in handled:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, usual in handled.items():
            signal.signal(number, usual)
        for received in _received:
            if received != signal.SIGINT:
                atexit._run_exitfuncs()  # which a signal skips: some remove temporary folders
                signal.raise_signal(received)


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal has asked the command to end."""
    if _received:
        raise KeyboardInterrupt


class _Messages(logging.Handler):
    """Prints messages on stderr: why the first command takes long, for example."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


def _interrupt(number: int, frame: Any) -> None:
    _received.append(number)
    signal.signal(number, _USUAL[number])  # a second one ends the process at once
    raise KeyboardInterrupt
