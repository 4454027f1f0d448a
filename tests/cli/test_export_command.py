"""garabato export, as typed."""

from __future__ import annotations

import json

from click.testing import CliRunner

from garabato.cli import main
from garabato.dataset import Dataset, prepare


def run(*arguments):
    return CliRunner().invoke(main, ["export", "tfrecord", *map(str, arguments)])


def test_a_data_set_is_written_as_tfrecords(sketch_source, tmp_path):
    data = tmp_path / "data"
    prepare(sketch_source, data, categories=2, n_train=10, n_test=5, sheets=False)
    out = tmp_path / "records"
    done = run("--data", data, "--out", out, "--image-size", 16, "--shards", 2)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("train: 20 drawings, 0.0 MB in 2 files")
    assert lines[2] == f"described in {out}/dataset.json"
    exported = Dataset.open(out)
    assert exported.split("test").key_ids == Dataset.open(data).split("test").key_ids
    assert exported.manifest["image"]["size_px"] == 16
    again = run("--data", data, "--out", out, "--image-size", 16, "--json")
    assert json.loads(again.stdout) == Dataset.open(out).manifest


def test_errors_are_one_line_and_status_1(tmp_path):
    done = run("--data", tmp_path / "nowhere", "--out", tmp_path / "records")
    assert done.exit_code == 1
    assert "holds no data set" in done.stderr
