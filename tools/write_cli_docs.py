"""Write docs/cli.md from the help of the commands; with --check only say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from garabato.cli import COMMANDS, main

TARGET = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEAD = """# Command line

Written by `make docs` from the help of the commands; `garabato COMMAND --help` says the same.

| command | what it does |
| --- | --- |
"""


def reference() -> str:
    """The whole page."""
    rows = [f"| [{n}](#garabato-{n}) | {text} |\n" for n, (_, text) in COMMANDS.items()]
    context = click.Context(main, info_name="garabato")
    sections = [
        section
        for name in COMMANDS
        for section in sections_of(main.get_command(context, name), name, context)
    ]
    return HEAD + "".join(rows) + "\n" + "\n".join(sections)


def sections_of(command: click.Command | None, name: str, parent: click.Context) -> list[str]:
    """The section of a command, and those of its subcommands."""
    assert command is not None, name
    context = click.Context(command, info_name=name, parent=parent, terminal_width=96)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    sections = [f"## {context.command_path}\n\n```\n{text}\n```\n"]
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            sections += sections_of(command.get_command(context, sub), sub, context)
    return sections


if __name__ == "__main__":
    page = reference()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text() != page:
            sys.exit(f"{TARGET.name} is not what the help says now; run: make docs")
    else:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(page)
