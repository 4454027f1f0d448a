"""Commands as they are typed."""

from __future__ import annotations

import json

from click.testing import CliRunner

from garabato.cli import main


def run(*arguments, stdin=None):
    """`garabato ARGUMENTS`: what it printed and its exit code."""
    return CliRunner().invoke(main, list(map(str, arguments)), input=stdin)


def read_json(done):
    """What a command with --json printed."""
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
