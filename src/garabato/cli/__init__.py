"""The command line: one file per command, imported only when that command runs."""

from garabato.cli.group import COMMANDS, main

__all__ = ["COMMANDS", "main"]
