"""What a stopped run needs to go on: the checkpoint, and the log of metrics."""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from garabato.dataset import Dataset
from garabato.errors import TrainingError, storage_errors
from garabato.host.atomic import write_bytes
from garabato.training.config import TrainConfig

#: 1 doesn't say on which drawings it was trained.
FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that isn't a function of the configuration and the step.

    `training_files`: what `training_files` gave for the data set; None in format version 1.
    """

    config: TrainConfig
    categories: list[str]
    step: int
    elapsed_s: float
    model: dict[str, Any]
    optimizer: dict[str, Any]
    average: dict[str, Any]
    training_files: list[str] | None = None


def training_files(dataset: Dataset) -> list[str]:
    """Checksums of the files that hold the training drawings, as dataset.json has them."""
    return [about["sha256"] for about in dataset.manifest["splits"]["train"]["files"]]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically. Raises StorageError."""
    content = io.BytesIO()
    plain = {name: getattr(checkpoint, name) for name in checkpoint.__slots__}
    torch.save(plain | {"config": checkpoint.config.to_dict(), "version": FORMAT_VERSION}, content)
    write_bytes(path, content.getvalue())


def load_checkpoint(path: Path, dataset: Dataset) -> Checkpoint:
    """Read the checkpoint of a run on `dataset`. Raises TrainingError."""
    if not path.is_file():
        raise TrainingError(f"there is nothing to resume: {path} doesn't exist")
    try:
        # weights_only: tensors and plain values, no code from the file is run.
        plain = torch.load(path, map_location="cpu", weights_only=True)
        version = plain.pop("version")
        if version not in (1, FORMAT_VERSION):
            raise TrainingError(
                f"{path} has format version {version}; train again into a new folder"
            )
        config = TrainConfig.from_dict(plain.pop("config"), origin=str(path))
        checkpoint = Checkpoint(config=config, **plain)
    except (RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} is damaged ({error}); train again into a new folder") from None
    if checkpoint.categories != dataset.categories:
        raise TrainingError(
            f"{path} was trained on {len(checkpoint.categories)} categories, the dataset has "
            f"{len(dataset.categories)} or others; give the dataset it was started with"
        )
    if checkpoint.training_files not in (None, training_files(dataset)):
        raise TrainingError(
            f"{path} was trained on other drawings than {dataset.path} holds; "
            "give the dataset it was started with"
        )
    return checkpoint


class MetricsLog:
    """`metrics.jsonl`: one JSON object a line. What lies beyond the checkpoint is dropped first."""

    def __init__(self, path: Path, *, keep_until_step: int) -> None:
        self._path = path
        kept = []
        if path.is_file() and keep_until_step:
            for line in path.read_text().splitlines():
                try:
                    if json.loads(line)["step"] <= keep_until_step:
                        kept.append(line)
                except (ValueError, KeyError):
                    continue  # the last line of a killed run may be cut off
        write_bytes(path, "".join(line + "\n" for line in kept).encode())

    def write(self, kind: str, **values: Any) -> None:
        """Append one line."""
        with storage_errors(self._path), self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, **values}) + "\n")
