"""garabato download, as typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_server import BucketServer, serve_sketches, serving
from click.testing import CliRunner, Result

from garabato.categories import CATEGORIES, choose_categories
from garabato.cli import main


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    with serving(BucketServer()) as server:
        serve_sketches(server, ["star", "house"], 60, tmp_path_factory.mktemp("bin"))
        yield server


def run(bucket: BucketServer, out: Path, *more: str) -> Result:
    command = ["download", "--out", str(out), "--bucket", bucket.url, *more]
    return CliRunner().invoke(main, command)


def test_it_prints_what_it_downloaded_and_what_was_complete_before(
    bucket: BucketServer, tmp_path: Path
) -> None:
    wanted = ["--categories", "star,house", "--per-category", "30"]
    result = run(bucket, tmp_path, *wanted)
    assert result.exit_code == 0, result.output
    assert "2 categories, 60 drawings" in result.stdout
    assert "MB downloaded" in result.stdout
    assert "2 of them earlier, 60 drawings, 0.0 MB" in run(bucket, tmp_path, *wanted).stdout


def test_json_equals_the_record_in_the_folder(bucket: BucketServer, tmp_path: Path) -> None:
    result = run(bucket, tmp_path, "--categories", "star", "--per-category", "30", "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "download.json").read_bytes())
    assert json.loads(result.stdout)["categories"]["star"]["n_drawings"] == 30


def test_too_few_drawings_are_reported(bucket: BucketServer, tmp_path: Path) -> None:
    result = run(bucket, tmp_path, "--categories", "star", "--format", "bin")
    assert result.exit_code == 0, result.output
    assert "fewer than 1,050 drawings in the bucket: star 60" in result.stderr


def test_whole_files_by_full(bucket: BucketServer, tmp_path: Path) -> None:
    result = run(bucket, tmp_path, "--categories", "star,house", "--full", "--format", "npy")
    assert result.exit_code == 0, result.output
    assert "whole files" in result.stdout
    content = (tmp_path / "house.npy").read_bytes()
    assert content == bucket.files["/full/numpy_bitmap/house.npy"]


def test_a_server_without_range_requests_is_reported(
    bucket: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "has_ranges", False)
    result = run(bucket, tmp_path, "--categories", "star", "--per-category", "10")
    assert result.exit_code == 0, result.output
    assert "does not support Range" in result.stderr
    assert "instead of a random sample" in result.stderr


def test_unknown_categories_are_an_error_with_the_nearest(
    bucket: BucketServer, tmp_path: Path
) -> None:
    result = run(bucket, tmp_path, "--categories", "star,huose", "--per-category", "10")
    assert result.exit_code == 1
    assert "no category 'huose'; did you mean 'house'?" in result.stderr
    assert (tmp_path / "star.ndjson").exists()


def test_a_number_of_categories_is_what_prepare_would_choose(
    bucket: BucketServer, tmp_path: Path
) -> None:
    result = run(bucket, tmp_path, "--categories", "3", "--seed", "7")
    assert result.exit_code == 1  # this bucket has but two
    for name in choose_categories(CATEGORIES, 3, seed=7):
        if name not in ("star", "house"):
            assert repr(name) in result.stderr
