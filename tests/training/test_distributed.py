"""Two processes of torchrun, connected by gloo on the CPU, train like one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from garabato.dataset import Dataset
from garabato.encoder import FILE_NAME
from garabato.encoder.torch_runtime import choose_device
from garabato.errors import TrainingError
from garabato.render import RenderSpec
from garabato.training import TrainConfig, train
from garabato.training.config import to_toml
from garabato.training.distributed import ProcessGroup, is_main_process, share_batch_norms
from garabato.training.loop import _Training

pytestmark = pytest.mark.slow

#: 31 drawings a batch: the processes' parts are never equal.
CONFIG = TrainConfig(
    model_options={"widths": [8, 16], "depths": [1, 1], "embedding_dim": 16},
    render=RenderSpec(24),
    epochs=3,
    batch_size=31,
    validation=0.1,
    precision="float32",
    device="cpu",
)


def start(dataset: Dataset, run: Path, config: TrainConfig, *options: str) -> subprocess.Popen[str]:
    preset = run.with_suffix(".toml")
    preset.write_text(to_toml(config))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "garabato", "train", "--data", str(dataset.path), "--out", str(run)]
    return subprocess.Popen(
        [sys.executable, *launch, *command, "--preset", str(preset), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def read_metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    run = tmp_path_factory.mktemp("alone") / "run"
    train(dataset, run, config=CONFIG)
    return run


@pytest.fixture(scope="module")
def together(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The run of two processes, and what they printed on stdout."""
    run = tmp_path_factory.mktemp("together") / "run"
    stdout, stderr = (process := start(dataset, run, CONFIG)).communicate(timeout=300)
    assert process.returncode == 0, stderr
    return run, stdout


def test_two_processes_have_the_loss_curve_of_one(alone: Path, together: tuple[Path, str]) -> None:
    metrics, shared = read_metrics(alone), read_metrics(together[0])
    assert [r["kind"] for r in shared] == [r["kind"] for r in metrics]
    for one, two in zip(metrics[:-1], shared[:-1], strict=True):
        assert two["step"] == one["step"]
        assert two["learning_rate"] == one["learning_rate"]
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert two["accuracy"] == pytest.approx(one["accuracy"], abs=0.002)
    assert metrics[0]["loss"] - metrics[-2]["loss"] > 0.05  # they have learned something


def test_two_processes_come_to_the_weights_and_statistics_of_one(
    alone: Path, together: tuple[Path, str]
) -> None:
    expected, shared = load_file(alone / FILE_NAME), load_file(together[0] / FILE_NAME)
    assert expected.keys() == shared.keys()
    for name, weights in expected.items():
        difference = (weights.double() - shared[name].double()).norm()
        # Adam takes steps even where gradients are only rounding errors.
        assert difference < 0.01 * weights.double().norm() + CONFIG.learning_rate, name


def test_only_the_first_process_writes_and_prints(together: tuple[Path, str]) -> None:
    run, stdout = together
    assert stdout == f"{run / FILE_NAME}\n"
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoint.pt",
        "config.toml",
        FILE_NAME,
        "metrics.jsonl",
    ]
    steps = [r["step"] for r in read_metrics(run) if r["kind"] == "epoch"]
    assert steps == sorted(set(steps))


def test_processes_stop_together_at_ctrl_c_and_go_on(dataset: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(dataset, run, replace(CONFIG, epochs=100_000))
    timer = threading.Timer(200, process.kill)
    timer.start()
    metrics = run / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        threading.Event().wait(0.1)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate()[1]
    timer.cancel()
    assert "--resume" in stderr
    assert stderr.count("stopped after") == 1
    checkpoint = torch.load(run / "checkpoint.pt", weights_only=True)
    assert 0 < checkpoint["step"] < 100_000
    # One process may go on where two were.
    checkpoint["config"]["epochs"] = checkpoint["step"] // 8 + 1
    torch.save(checkpoint, run / "checkpoint.pt")
    result = train(dataset, run, resume=True)
    assert result.steps > checkpoint["step"]
    assert result.encoder is not None


def test_more_processes_than_drawings_in_a_batch_are_refused(
    dataset: Dataset, tmp_path: Path
) -> None:
    processes = ProcessGroup(0, 40, choose_device("cpu"))
    with pytest.raises(TrainingError, match="31 drawings is too small for 40 processes"):
        _Training(dataset, tmp_path, CONFIG, None, processes, None, None)


def test_one_process_sums_alone_and_keeps_its_network_as_it_is() -> None:
    process = ProcessGroup(0, 1, choose_device("cpu"))
    model = nn.Sequential(nn.BatchNorm2d(3))
    assert process.sum([1.5, 2]) == [1.5, 2]
    assert process.share(model) is model
    assert process.is_main


def test_a_rank_that_torchrun_did_not_give_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert is_main_process()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    assert not is_main_process()


def test_a_shared_batch_norm_measured_by_one_process_is_the_ordinary_one(tmp_path: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        results = []
        for shares in (False, True):
            torch.manual_seed(0)
            model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
            model = share_batch_norms(model) if shares else model
            images = torch.randn(6, 1, 8, 8) * 3 + 100
            out = model(images)
            (out**2).sum().backward()
            gradients = [p.grad.clone() for p in model.parameters()]
            model.eval()
            results.append([out, model(images), *gradients, *model.state_dict().values()])
    finally:
        torch.distributed.destroy_process_group()
    for ordinary, shared in zip(*results, strict=True):
        np.testing.assert_allclose(
            ordinary.detach().numpy(), shared.detach().numpy(), rtol=2e-3, atol=2e-3
        )
