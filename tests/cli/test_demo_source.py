"""Which drawings the demo takes, and why."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from bucket_server import BucketServer, serving
from click.testing import CliRunner

from garabato.cli import main
from garabato.cli.demo_source import choose_source


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside nothing, on a machine that reaches no bucket and has no npm."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("GARABATO_BUCKET", address)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path


@pytest.fixture
def bucket(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    with serving(BucketServer({"/full/simplified/cat.ndjson": b"{}\n"})) as server:
        monkeypatch.setenv("GARABATO_BUCKET", server.url)
        yield server


def add_npm(folder: Path) -> None:
    (folder / "bin" / "npm").write_text("#!/bin/sh\n")
    (folder / "bin" / "npm").chmod(0o755)


def test_a_given_source_comes_first(bucket: BucketServer, nowhere: Path) -> None:
    chosen = choose_source(Path("mine"), nowhere / "drawings")
    assert (chosen.place, chosen.is_fetched) == (Path("mine"), False)
    assert "as given" in chosen.said
    assert bucket.requests == []


def test_then_the_folder_beside(bucket: BucketServer, nowhere: Path) -> None:
    (nowhere / "shared" / "quickdraw" / "simplified").mkdir(parents=True)
    chosen = choose_source(None, nowhere / "drawings")
    assert chosen.place == Path("../shared/quickdraw/simplified")
    assert bucket.requests == []


def test_then_google_s_bucket(bucket: BucketServer, nowhere: Path) -> None:
    add_npm(nowhere)
    chosen = choose_source(None, nowhere / "drawings")
    assert (chosen.place, chosen.is_fetched) == (nowhere / "drawings", True)
    assert "Google's bucket, as none were given and there is no ../shared" in chosen.said


def test_then_the_starter_set(nowhere: Path) -> None:
    add_npm(nowhere)
    chosen = choose_source(None, nowhere / "drawings")
    assert (chosen.place, chosen.is_fetched) == (Path("starter"), False)
    assert "out of reach: 127.0.0.1" in chosen.said


def test_without_any_it_says_what_to_give(nowhere: Path) -> None:
    with pytest.raises(click.UsageError, match=r"npm.* is not installed(.|\n)*make demo SOURCE="):
        choose_source(None, nowhere / "drawings")
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 2
    assert "make demo SOURCE=DIR" in result.stderr
    assert not Path("demo").exists()


def test_what_was_fetched_before_is_used_without_a_network(nowhere: Path) -> None:
    (nowhere / "drawings").mkdir()
    (nowhere / "drawings" / "download.json").write_text("{}")
    chosen = choose_source(None, nowhere / "drawings")
    assert (chosen.place, chosen.is_fetched) == (nowhere / "drawings", True)
