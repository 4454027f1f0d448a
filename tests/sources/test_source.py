"""Which drawings are used when none are given, and why."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_server import BucketServer, serving
from click.testing import CliRunner

from garabato.cli import main
from garabato.drawing import DrawingBatch
from garabato.errors import InputError, SourceError
from garabato.evaluation import evaluate
from garabato.gallery import open_gallery
from garabato.ingest import index
from garabato.sources.source import choose_source


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder on a machine that reaches no bucket and has no npm."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound: nobody else listens there
        monkeypatch.setenv("GARABATO_BUCKET", address)
        monkeypatch.delenv("GARABATO_SOURCE", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        (tmp_path / "bin").mkdir()
        monkeypatch.chdir(tmp_path)
        yield tmp_path


@pytest.fixture
def bucket(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    with serving(BucketServer({"/full/simplified/cat.ndjson": b"{}\n"})) as server:
        monkeypatch.setenv("GARABATO_BUCKET", server.url)
        yield server


@pytest.mark.parametrize("given", ["mine", Path("mine"), io.StringIO("{}\n")])
def test_what_is_no_source_is_refused_with_the_functions_that_open_one(
    given, encoder, tmp_path: Path
) -> None:
    told = (
        r"is not a source of drawings; open one with garabato.open_source\(FOLDER\), or a data set"
    )
    with pytest.raises(InputError, match=told):
        index(given, open_gallery(tmp_path / "g", encoder=encoder), encoder)
    with pytest.raises(InputError, match=told):
        evaluate(encoder, given)


@pytest.mark.parametrize("given", [[], (), DrawingBatch.from_drawings([])])
def test_drawings_in_memory_are_added_to_a_gallery_and_not_evaluated(
    given, encoder, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"in memory with gallery\.add\(drawings\)"):
        index(given, open_gallery(tmp_path / "g", encoder=encoder), encoder)
    with pytest.raises(InputError, match="is not a source of drawings"):
        evaluate(encoder, given)


def add_npm(folder: Path) -> None:
    (folder / "bin" / "npm").write_text("#!/bin/sh\n")
    (folder / "bin" / "npm").chmod(0o755)


def test_a_given_source_comes_first(bucket: BucketServer, desk: Path) -> None:
    chosen = choose_source("mine", desk / "drawings")
    assert (chosen.path, chosen.needs_download) == (Path("mine"), False)
    assert "as given" in chosen.reason
    assert bucket.requests == []


def test_the_bucket_comes_second(bucket: BucketServer, desk: Path) -> None:
    add_npm(desk)
    chosen = choose_source(None, desk / "drawings")
    assert (chosen.path, chosen.needs_download) == (desk / "drawings", True)
    assert "Google's bucket" in chosen.reason


def test_the_starter_set_comes_third(desk: Path) -> None:
    add_npm(desk)
    chosen = choose_source(None, desk / "drawings")
    assert (chosen.path, chosen.needs_download) == (Path("starter"), False)
    assert "cannot be reached: 127.0.0.1" in chosen.reason


def test_without_any_source_the_error_says_what_to_give(desk: Path) -> None:
    with pytest.raises(SourceError, match=r"npm.* is not installed.*--source DIR"):
        choose_source(None, desk / "drawings")
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert "make demo SOURCE=DIR" in result.stderr
    assert not Path("demo").exists()


def test_an_earlier_download_is_used_without_a_network(desk: Path) -> None:
    (desk / "drawings").mkdir()
    (desk / "drawings" / "download.json").write_text("{}")
    chosen = choose_source(None, desk / "drawings")
    assert (chosen.path, chosen.needs_download) == (desk / "drawings", True)
