"""Logs for TensorBoard, read back as TensorBoard reads them."""

import builtins
import json

import pytest
from click.testing import CliRunner

from garabato import MissingExtraError, TensorBoardLog
from garabato.cli import main

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def scalars(folder):
    """Tag -> [(step, value), ...]."""
    events = event_accumulator.EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_each_number_is_a_scalar_of_its_kind(tmp_path):
    log = TensorBoardLog(tmp_path)
    log({"kind": "step", "step": 10, "loss": 0.5})
    log({"kind": "step", "step": 20, "loss": 0.25})
    log({"kind": "epoch", "step": 20, "loss": 0.375, "epoch": 1})
    assert scalars(tmp_path) == {
        "step/loss": [(10, 0.5), (20, 0.25)],
        "epoch/loss": [(20, 0.375)],
        "epoch/epoch": [(20, 1.0)],
    }


def test_a_resumed_training_hides_later_steps_of_the_stopped_one(tmp_path):
    stopped = TensorBoardLog(tmp_path)
    for step in (10, 20, 30):
        stopped({"kind": "step", "step": step, "loss": 1.0})
    resumed = TensorBoardLog(tmp_path)
    resumed({"kind": "step", "step": 20, "loss": 0.5})
    assert scalars(tmp_path) == {"step/loss": [(10, 1.0), (20, 0.5)]}


def test_without_tensorboard_the_error_names_the_extra(tmp_path, monkeypatch):
    imported = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("torch.utils.tensorboard"):
            raise ModuleNotFoundError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"garabato\[tensorboard\]"):
        TensorBoardLog(tmp_path)


def test_the_command_logs_what_metrics_jsonl_has(tmp_path, sketch_source):
    data, run = tmp_path / "data", tmp_path / "run"
    options = ["--categories", "all", "--train", "30", "--test", "2"]
    arguments = ["prepare", "--source", str(sketch_source), "--out", str(data), *options]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    options = ["--epochs", "2", "--image-size", "32", "--tensorboard"]
    done = CliRunner().invoke(main, ["train", "--data", str(data), "--out", str(run), *options])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [(line["step"], line["loss"]) for line in lines if line["kind"] == "epoch"]
    assert len(losses) == 2
    logged = scalars(run / "tensorboard")["epoch/loss"]
    assert [step for step, _ in logged] == [step for step, _ in losses]
    assert [loss for _, loss in logged] == pytest.approx([loss for _, loss in losses])
