"""The five configurations of the reference project, on a few sketches and for moments."""

from __future__ import annotations

import json
import shlex
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from garabato.cli import main
from garabato.errors import InputError
from garabato.evaluation.report import REFERENCE_RESULTS
from garabato.training.reproduce import REPRODUCE_SCALES, _config, as_markdown, reproduce

pytestmark = pytest.mark.slow

TINY = replace(
    REPRODUCE_SCALES["small"], image_size_px=16, categories=3, n_train=20, n_test=5, minutes=0.02
)


@pytest.fixture(scope="module")
def finished(sketch_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reproduce") / "out"
    sizes = ["--categories", "3", "--train", "20", "--test", "5", "--image-size", "16"]
    done = CliRunner().invoke(
        main,
        [
            "reproduce",
            "--source",
            str(sketch_source),
            "--out",
            str(out),
            "--minutes",
            "0.02",
            *sizes,
        ],
    )
    assert done.exit_code == 0, done.output
    assert "| skNet, 200, published | 10,259 |" in done.stdout
    return out


def test_all_five_are_measured_and_compared_with_the_published_results(finished: Path) -> None:
    document = json.loads((finished / "reproduce.json").read_text())
    assert (document["n_train"], document["n_test"]) == (60, 15)
    assert [row["published"]["steps"] for row in document["rows"]] == [
        row.steps for row in REFERENCE_RESULTS
    ]
    assert "cores" in document["machine"] or "NVIDIA" in document["machine"]
    for row in document["rows"]:
        measured = row["measured"]
        assert measured["steps"] >= 1
        assert measured["loss"] > 0
        for name in ("train_top1", "test_top1", "map"):
            assert 0 <= measured[name] <= 1
    assert (finished / "reproduce.md").read_text() == as_markdown(document)


def test_finished_configurations_are_not_trained_again(finished: Path, sketch_source: Path) -> None:
    before = (finished / "reproduce.json").read_text()
    reproduce(sketch_source, finished, settings=TINY)
    assert (finished / "reproduce.json").read_text() == before


def test_a_folder_with_other_settings_is_refused(finished: Path, sketch_source: Path) -> None:
    with pytest.raises(InputError, match="other settings"):
        reproduce(sketch_source, finished, settings=replace(TINY, seed=1))


def test_ctrl_c_stops_and_the_same_call_goes_on(sketch_source: Path, tmp_path: Path) -> None:
    seen = []

    def stop(progress: Any) -> None:
        seen.append(progress.step)
        if len(seen) in (1, 3):  # after a step of the first call, and of the second
            signal.raise_signal(signal.SIGINT)

    slow = replace(TINY, minutes=None)  # all published steps, however slow the machine is
    assert reproduce(sketch_source, tmp_path, settings=slow, on_progress=stop) is None
    assert (tmp_path / "1-sknet" / "checkpoint.pt").is_file()
    assert not (tmp_path / "reproduce.json").exists()
    assert reproduce(sketch_source, tmp_path, settings=slow, on_progress=stop) is None
    assert seen == [1, 2, 3, 4]


def test_full_scale_has_the_settings_of_the_reference_project() -> None:
    full = REPRODUCE_SCALES["full"]
    configs = [_config(row, full, "cpu") for row in REFERENCE_RESULTS]
    assert [c.steps for c in configs] == [20_000, 10_259, 7_000, 14_000, 7_000]
    assert [c.batch_size for c in configs] == [100, 200, 200, 50, 50]
    assert {c.render.size_px for c in configs} == {128}
    assert {c.learning_rate for c in configs} == {0.001}
    assert (full.n_train, full.n_test, full.categories) == (1000, 50, 100)


def test_small_scale_takes_the_same_share_of_all_published_steps(finished: Path) -> None:
    document = json.loads((finished / "reproduce.json").read_text())
    share = document["share_of_steps"]
    assert 0 < share < 1
    assert [row["measured"]["steps"] for row in document["rows"]] == [
        max(1, round(share * row.steps)) for row in REFERENCE_RESULTS
    ]


def test_the_tables_begin_with_the_command_that_repeats_them(
    finished: Path, sketch_source: Path
) -> None:
    document = json.loads((finished / "reproduce.json").read_text())
    first = (finished / "reproduce.md").read_text().splitlines()[0]
    assert first == f"`{document['command']}` on {document['machine']}:"
    words = shlex.split(document["command"])
    assert words[:2] == ["garabato", "reproduce"]
    before = (finished / "reproduce.json").read_text()
    done = CliRunner().invoke(main, words[1:])  # refused if a setting were another one
    assert done.exit_code == 0, done.output
    assert (finished / "reproduce.json").read_text() == before
