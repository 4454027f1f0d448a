"""Write docs/cli.md from the help of the commands; with --check only say whether it is current."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from garabato.cli import COMMANDS, main

TARGET = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEAD = """# Command line

Written by `make docs` from the help of the commands; `garabato COMMAND --help` says the same.

| command | what it does |
| --- | --- |
"""


def reference() -> str:
    """The whole page. Laid out here and not by click, whose layout changes between versions."""
    rows = [f"| [{n}](#garabato-{n}) | {text} |\n" for n, text in COMMANDS.items()]
    context = click.Context(main, info_name="garabato")
    sections = [
        section
        for name in COMMANDS
        for section in sections_of(main.get_command(context, name), f"garabato {name}")
    ]
    return HEAD + "".join(rows) + "\n" + "\n".join(sections)


def sections_of(command: click.Command | None, name: str) -> Iterator[str]:
    """The section of a command, then those of its subcommands."""
    assert command is not None, name
    is_group = isinstance(command, click.Group)
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option)]
    usage = [name, "COMMAND ..." if is_group else "[OPTIONS]", *map(argument, arguments)]
    lines = [f"## {name}\n", f"`{' '.join(usage)}`\n", prose(command.help or "") + "\n"]
    if options:
        lines += ["| option | description |", "| --- | --- |", *map(option, options), ""]
    yield "\n".join(lines)
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for sub in command.list_commands(context):
            yield from sections_of(command.get_command(context, sub), f"{name} {sub}")


def prose(text: str) -> str:
    """The help as Markdown: paragraphs on one line each, the examples as code to copy."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```\n{examples(paragraph)}\n```"
        if paragraph.startswith("\b")
        else " ".join(paragraph.split())
        for paragraph in paragraphs
    )


def argument(param: click.Argument) -> str:
    """An argument as the usage line has it."""
    if param.metavar:
        return param.metavar
    name = (param.name or "").upper()
    name = name if param.required else f"[{name}]"
    return f"{name}..." if param.nargs == -1 else name


def examples(paragraph: str) -> str:
    """The commands of a paragraph of examples; the later ones may be indented below the first."""
    lines = paragraph.removeprefix("\b").strip().splitlines()
    return "\n".join(line.removeprefix("Example: ").removeprefix(" " * 9) for line in lines)


def option(param: click.Option) -> str:
    """One row of the table."""
    names = ", ".join([*param.opts, *param.secondary_opts])
    if not param.is_flag:
        names += f" {param.metavar or type_name(param.type)}"
    notes = [param.help or ""]
    if param.required:
        notes.append("[required]")
    elif param.show_default and not param.is_flag:
        notes.append(f"[default: {param.default}]")
    # Within backticks, GitHub and mkdocs disagree on how to escape a bar.
    code = f"<code>{escaped(names)}</code>" if "|" in names else f"`{names}`"
    return f"| {code} | {escaped('  '.join(filter(None, notes)))} |"


def escaped(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("<", "&lt;").replace("|", "&#124;")


def type_name(kind: click.ParamType[Any]) -> str:
    """What stands for a value of this type."""
    if isinstance(kind, click.Choice):
        return "|".join(map(str, kind.choices))
    if isinstance(kind, click.IntRange):
        kind = click.INT
    elif isinstance(kind, click.FloatRange):
        kind = click.FLOAT
    return str(kind.name).upper()


if __name__ == "__main__":
    page = reference()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text() != page:
            sys.exit(f"{TARGET.name} is not what the help says now; run: make docs")
    else:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(page)
