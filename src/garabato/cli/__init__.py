"""The command line: one file a command, imported only when that command runs."""

from garabato.cli.group import COMMANDS, main

__all__ = ["COMMANDS", "main"]
