"""What holds for every command: lazy import, errors, exit statuses."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import garabato
from garabato.cli import COMMANDS, main, output
from garabato.cli.output import print_json, progress

ENDINGS = """
import signal
import click
from garabato.cli.output import progress
from garabato.errors import FormatError

class Destroyed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

@click.command()
@click.argument("ending")
def command(ending):
    if ending == "garabato":
        raise FormatError("not JSON", path="cat.ndjson", position="line 7")
    if ending == "interrupt":
        raise KeyboardInterrupt
    if ending == "destructor":
        with progress() as show:
            show("draw", 1, 2)
            Destroyed()
            show("draw", 2, 2)
    click.echo(ending)
"""


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A runner where `garabato ends HOW` is a command in a module of its own."""
    (tmp_path / "command_that_ends.py").write_text(ENDINGS)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("command_that_ends")
    monkeypatch.setitem(sys.modules, "garabato.cli.ends", module)
    monkeypatch.setitem(COMMANDS, "ends", "End somehow.")
    return CliRunner()


def test_an_error_of_garabato_is_one_line_on_stderr_and_status_1(ends: CliRunner) -> None:
    result = ends.invoke(main, ["ends", "garabato"])
    assert result.exit_code == 1
    assert result.stderr == "error: cat.ndjson, line 7: not JSON\n"
    assert result.stdout == ""


def test_an_interruption_exits_with_status_130(ends: CliRunner) -> None:
    result = ends.invoke(main, ["ends", "interrupt"])
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


_TERMINATED = """
import signal, sys, tempfile
import click
from garabato.cli import COMMANDS, main

@click.command()
@click.argument("number", type=int)
def command(number):
    sys.kept = tempfile.TemporaryDirectory(dir=".")  # is removed when the interpreter ends
    with tempfile.TemporaryDirectory(dir=".") as folder:
        signal.raise_signal(number)

sys.modules["garabato.cli.ends"] = sys.modules["__main__"]
COMMANDS["ends"] = "End somehow."
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_removes_its_temporary_files_and_ends_by_the_signal(
    tmp_path: Path, number: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TERMINATED, "ends", str(int(number))],
        cwd=tmp_path,
        check=False,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (-number, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_drops_ends_the_command_at_its_next_progress(
    ends: CliRunner,
) -> None:
    result = ends.invoke(main, ["ends", "destructor"])
    assert (result.exit_code, result.stdout) == (130, "")
    assert ends.invoke(main, ["ends", "well"]).exit_code == 0


def test_a_successful_command_exits_with_status_0(ends: CliRunner) -> None:
    result = ends.invoke(main, ["ends", "well"])
    assert (result.exit_code, result.stdout) == (0, "well\n")


def test_an_unknown_command_or_option_is_status_2(ends: CliRunner) -> None:
    assert ends.invoke(main, ["fly"]).exit_code == 2
    assert ends.invoke(main, ["ends", "well", "--loudly"]).exit_code == 2


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (("serch",), "there is no command 'serch'; did you mean 'search'?"),
        (("fly",), "there is no command 'fly'; choose from download, prepare"),
        (
            ("duplicates",),
            "there is no command 'duplicates'; did you mean garabato gallery duplicates?",
        ),
        (("gallery", "inspect"), "there is no command 'inspect'; did you mean garabato inspect?"),
        (("gallery", "duplicate"), "did you mean 'duplicates'?"),
        (("export", "tfrecords"), "did you mean 'tfrecord'?"),
        (("download", "--out", "x", "--format", "simplifed"), "did you mean 'simplified'?"),
        (("index", "--gallery", "g", "--data", "d", "--split", "tset"), "did you mean 'test'?"),
        (("train", "--data", "d", "--out", "o", "--model", "skfst"), "did you mean 'skfast'?"),
        (("search", "--galery", "g", "q"), "--gallery"),
    ],
)
def test_a_misspelt_name_gets_a_hint(typed: tuple[str, ...], hint: str) -> None:
    result = CliRunner().invoke(main, list(typed))
    assert result.exit_code == 2
    assert hint in " ".join(result.stderr.split())


def test_help_lists_every_command_with_its_line() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    for name, text in COMMANDS.items():
        (line,) = [line for line in shown.splitlines() if line.split()[:1] == [name]]
        assert text in line


#: What scripts rely on: an option may be added, but none of these goes.
OPTIONS = {
    "download": "--out --categories --per-category --seed",
    "prepare": "--source --out --categories --train --test --seed --recognized-only",
    "train": "--data --out --model --preset --image-size --epochs --minutes --device --seed"
    " --resume",
    "evaluate": "--model --data --split --source --gallery-split --report --json",
    "classify": "--model -k --json",
    "index": "--model --data --source --gallery",
    "search": "--gallery -k --category --country --picture --json",
    "serve": "--gallery --model --host --port",
    "reproduce": "--scale",
}


@pytest.mark.parametrize("name", OPTIONS)
def test_commands_keep_the_options_that_scripts_rely_on(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    offered = {option for parameter in command.params for option in parameter.opts}
    assert set(OPTIONS[name].split()) <= offered


def test_the_version_is_the_package_s() -> None:
    result = CliRunner().invoke(main, ["--version"], prog_name="garabato")
    assert result.stdout == f"garabato {garabato.__version__}\n"


def test_the_installed_command_starts() -> None:
    script = Path(sys.executable).parent / "garabato"
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: garabato")


def test_json_keeps_letters_and_refuses_what_json_lacks() -> None:
    @click.command()
    def show() -> None:
        print_json({"category": "piñata", "score": 0.5})

    assert json.loads(CliRunner().invoke(show).stdout) == {"category": "piñata", "score": 0.5}
    assert "piñata" in CliRunner().invoke(show).stdout
    with pytest.raises(ValueError, match="JSON compliant"):
        print_json(float("nan"))


def test_progress_goes_to_stderr_a_line_a_stage(capfd: pytest.CaptureFixture[str]) -> None:
    with progress("drawings") as report:
        report("read", 0, None)
        report("read", 3, 3)
        report("draw", 5, 10)
    shown = capfd.readouterr()
    assert shown.out == ""
    read, draw = [line for line in shown.err.splitlines() if line.strip()]
    assert "read" in read
    assert "3 of 3" in read
    assert "draw" in draw
    assert "5 of 10" in draw


def test_a_line_of_progress_is_not_repeated_at_the_end(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_LINE_EVERY_S", 0.0)
    with progress("drawings") as report:
        report("read", 2, 3)
        report("read", 3, 3)
    assert capfd.readouterr().err == "read 2 of 3\nread 3 of 3\n"


def test_the_list_of_subcommands_has_whole_sentences() -> None:
    for name in ("gallery", "export", "categories"):
        listed = CliRunner().invoke(main, [name, "--help"]).stdout.split("Commands:")[1]
        assert "..." not in listed.replace("FILE...", ""), listed


@pytest.mark.parametrize("arguments", [["train", "--data", "d"], ["reproduce", "--source", "d"]])
def test_training_without_pytorch_names_the_command_and_the_extra(arguments: list[str]) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        f"from garabato.cli import main; main({[*arguments, '--out', 'run']})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: garabato {arguments[0]} needs the extra `train`: pip install 'garabato[train]'\n"
    )
