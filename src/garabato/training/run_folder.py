"""The folder of a training run: its lock, the checkpoint, and the logs of metrics."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from garabato.dataset import Dataset
from garabato.encoder import FILE_NAME
from garabato.errors import MissingExtraError, TrainingError, storage_errors
from garabato.host.atomic import write_bytes
from garabato.training.config import TrainConfig

CHECKPOINT_NAME = "checkpoint.pt"
METRICS_NAME = "metrics.jsonl"
CONFIG_NAME = "config.toml"
#: Version 1 has no `training_files`; versions 1 and 2 have one `optimizer`, AdamW.
_FORMAT_VERSION = 3


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Create the folder `run` and hold it. Raises TrainingError if another training holds it."""
    with storage_errors(run):
        run.mkdir(parents=True, exist_ok=True)
        folder = os.open(run, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(
                f"another training is running in {run}; wait for it or choose another folder"
            ) from None
        yield
    finally:
        os.close(folder)  # which releases the lock, as does the end of the process


def refuse_finished(run: Path) -> None:
    """Raise TrainingError if `run` holds a training, which a new one would overwrite."""
    if (run / CHECKPOINT_NAME).exists() or (run / FILE_NAME).exists():
        raise TrainingError(
            f"{run} already holds a training; continue it with --resume or choose another folder"
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a training that the configuration and the step don't determine.

    `weights` is `Weights.state()`. `training_files`: see `training_files`; None in version 1.
    """

    config: TrainConfig
    categories: list[str]
    step: int
    elapsed_s: float
    weights: dict[str, dict[str, Any]]
    training_files: list[str] | None = None

    def save(self, run: Path) -> None:
        """Write the checkpoint of the folder `run`, atomically. Raises StorageError."""
        plain = {
            "version": _FORMAT_VERSION,
            "config": self.config.to_dict(),
            "categories": self.categories,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "training_files": self.training_files,
            **self.weights,
        }
        content = io.BytesIO()
        torch.save(plain, content)
        write_bytes(run / CHECKPOINT_NAME, content.getvalue())


def training_files(dataset: Dataset) -> list[str]:
    """The SHA-256 checksums of the files with the training drawings, from dataset.json."""
    return [about["sha256"] for about in dataset.manifest["splits"]["train"]["files"]]


def load_checkpoint(run: Path, dataset: Dataset) -> Checkpoint:
    """Load the checkpoint in the folder `run`, of a training on `dataset`. Raises TrainingError."""
    path = run / CHECKPOINT_NAME
    if not path.is_file():
        raise TrainingError(f"nothing to resume: there is no {path}")
    try:
        # weights_only: reads tensors and plain values; runs no code from the file.
        plain = torch.load(path, map_location="cpu", weights_only=True)
        version = plain["version"]
        if version not in range(1, _FORMAT_VERSION + 1):
            raise TrainingError(
                f"{path} has format version {version}; train again into a new folder"
            )
        checkpoint = Checkpoint(
            config=TrainConfig.from_dict(plain["config"], origin=str(path)),
            categories=plain["categories"],
            step=plain["step"],
            elapsed_s=plain["elapsed_s"],
            weights={
                "model": plain["model"],
                "optimizers": plain["optimizers"] if version > 2 else {"adamw": plain["optimizer"]},
                "average": plain["average"],
            },
            training_files=plain.get("training_files"),
        )
    except (RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} is damaged ({error}); train again into a new folder") from None
    if checkpoint.categories != dataset.categories:
        raise TrainingError(
            f"{path} was trained on {len(checkpoint.categories)} categories that differ from the "
            f"{len(dataset.categories)} in {dataset.path}; use the data set that the run began with"
        )
    if checkpoint.training_files not in (None, training_files(dataset)):
        raise TrainingError(
            f"{path} was trained on drawings that differ from those in {dataset.path}; "
            "use the data set that the run began with"
        )
    return checkpoint


class MetricsLog:
    """`metrics.jsonl`: one JSON object per line.

    Lines after `keep_until_step`, and that of an earlier end, are dropped first. `on_write` gets
    every new line as a dictionary, too.
    """

    def __init__(
        self,
        run: Path,
        *,
        keep_until_step: int,
        on_write: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._path, self._on_write = run / METRICS_NAME, on_write
        kept = []
        if self._path.is_file() and keep_until_step:
            for line in self._path.read_text().splitlines():
                try:
                    values = json.loads(line)
                    if values["step"] <= keep_until_step and values["kind"] != "validation":
                        kept.append(line)
                except (ValueError, KeyError):
                    continue  # the last line of a killed run may be cut off
        write_bytes(self._path, "".join(line + "\n" for line in kept).encode())

    def write(self, kind: str, **values: Any) -> None:
        """Append one line."""
        with storage_errors(self._path), self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, **values}) + "\n")
        if self._on_write is not None:
            self._on_write({"kind": kind, **values})


class TensorBoardLog:
    """Event files with the numbers of `metrics.jsonl`; pass it to `train` as `on_metrics`.

    Scalars are named by kind and name, such as `epoch/loss`. A resumed training may continue
    in the same `folder`: TensorBoard then hides earlier entries of the repeated steps. Raises
    MissingExtraError without the extra `tensorboard`.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            raise MissingExtraError("a log for TensorBoard", "tensorboard") from None

        self._folder, self._writer_class = str(folder), SummaryWriter
        self._writer: SummaryWriter | None = None

    def __call__(self, line: dict[str, Any]) -> None:
        """Log one line of `metrics.jsonl`."""
        step = line["step"]
        if self._writer is None:
            self._writer = self._writer_class(self._folder, purge_step=step)
        for name, value in line.items():
            if isinstance(value, int | float) and name != "step":
                self._writer.add_scalar(f"{line['kind']}/{name}", value, step)
        self._writer.flush()
