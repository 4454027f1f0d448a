"""Every knob of training, in one commented place; presets are TOML files beside this module."""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import tomli_w

from garabato.errors import TrainingError
from garabato.render import RenderSpec
from garabato.render.augment import AugmentSpec
from garabato.training.losses import LossName

Schedule = Literal["cosine", "constant"]
Precision = Literal["auto", "bfloat16", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What to train, on what images, for how long and how."""

    # The network, and what it is built with beyond the number of categories and the image size.
    model: str = "skfast"
    model_options: dict[str, Any] = field(default_factory=dict)

    # An encoder's file or a run's folder, to start with its weights and not with random ones;
    # "shipped": the encoder that ships.
    start_from: str | PathLike[str] | None = None

    # The images. `render.size_px` is the size the encoder works at in the end.
    render: RenderSpec = field(default_factory=RenderSpec)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    # Progressive resizing, for speed: (up to this share of the training, at this image size).
    # After the last entry: `render.size_px`. Not for the seed's networks, which know one size only.
    sizes: tuple[tuple[float, int], ...] = ()

    # How long: a number of epochs; or so many `steps`; or that much time on this machine.
    epochs: int = 30
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 128

    # AdamW (Loshchilov & Hutter 2019); with weight decay 0 it is Adam. Batch norms, biases and the
    # logit scale don't decay.
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    # "cosine": from a linear warm-up (share of the training) down to zero; "constant": as it says.
    schedule: Schedule = "cosine"
    warmup: float = 0.05
    label_smoothing: float = 0.1
    # "softmax"; or one that shapes distances: see losses.py.
    loss: LossName = "softmax"
    # Images are blended in pairs, and so are their labels, by a share from Beta(mixup, mixup)
    # (Zhang et al. 2018); 0: not at all. With "softmax" only, as are teachers.
    mixup: float = 0.0
    # Encoders' files or runs' folders (or "shipped") whose mean answer to each image is learned
    # beside the labels, and the share that it has in what is learned.
    teachers: Sequence[str | PathLike[str]] = ()
    teaching: float = 0.7
    # The encoder gets an exponential moving average of the weights; 0 keeps the last weights.
    ema_decay: float = 0.998

    # A share of the training drawings kept out: scored after each epoch, to choose recipes by, and
    # in the end used to calibrate the probabilities.
    validation: float = 0.0
    # The encoder calls an answer unsure below the probability from which on answers on that part
    # are right this often.
    unsure_precision: float = 0.9

    seed: int = 0
    device: str = "auto"
    # "auto" is bfloat16 where the device computes with it, else float32.
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.teachers, str | PathLike):
            raise TrainingError(f"teachers is a list, also of a single one: [{self.teachers!r}]")
        # Plain values, which go through TOML and checkpoints.
        object.__setattr__(self, "teachers", tuple(os.fspath(path) for path in self.teachers))
        if self.start_from is not None:
            object.__setattr__(self, "start_from", os.fspath(self.start_from))
        object.__setattr__(self, "sizes", tuple((float(a), int(b)) for a, b in self.sizes))

        # Comparisons are written so that NaN fails them.
        for name, least in (("epochs", 1), ("batch_size", 2), ("mixup", 0)):
            if not getattr(self, name) >= least:
                raise TrainingError(f"{name} is at least {least}, not {getattr(self, name)}")
        for name in ("warmup", "label_smoothing", "ema_decay", "validation"):
            if not 0 <= getattr(self, name) < 1:
                raise TrainingError(f"{name} is a share in [0, 1), not {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise TrainingError(f"learning_rate is more than 0, not {self.learning_rate}")
        self._check_sizes()
        if self.steps is not None and (self.steps < 1 or self.minutes is not None):
            raise TrainingError(
                f"steps is at least 1 and goes without minutes, not {self.steps} "
                f"with {self.minutes} minutes"
            )
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise TrainingError(f"minutes is more than 0, not {self.minutes}")
        for name, known in (
            ("loss", get_args(LossName)),
            ("schedule", get_args(Schedule)),
            ("precision", get_args(Precision)),
        ):
            if (given := getattr(self, name)) not in known:
                raise TrainingError(f"unknown {name} {given!r}; there are {', '.join(known)}")
        if self.loss != "softmax" and (self.mixup > 0 or self.teachers):
            raise TrainingError(
                f'mixup and teachers go with loss = "softmax" only, not with {self.loss!r}'
            )
        if not 0 <= self.teaching <= 1:
            raise TrainingError(f"teaching is a share in [0, 1], not {self.teaching}")
        if not 0 < self.unsure_precision <= 1:
            raise TrainingError(
                f"unsure_precision is a share in (0, 1], not {self.unsure_precision}"
            )

    def _check_sizes(self) -> None:
        shares = [0.0, *(until for until, _ in self.sizes), 1.0]
        if not all(earlier < later for earlier, later in pairwise(shares)):
            raise TrainingError(
                f"sizes has shares in (0, 1), each more than the last: {self.sizes}"
            )
        if not all(16 <= size_px <= 1024 for _, size_px in self.sizes):
            raise TrainingError(f"sizes has images of 16 to 1024 px, not {self.sizes}")

    def at_size(self, size_px: int) -> TrainConfig:
        """The same recipe for another image size; the steps of progressive resizing go along."""
        share = size_px / self.render.size_px
        sizes = tuple((until, max(16, 8 * round(size * share / 8))) for until, size in self.sizes)
        return dataclasses.replace(
            self, render=dataclasses.replace(self.render, size_px=size_px), sizes=sizes
        )

    def with_absolute_teachers(self) -> TrainConfig:
        """The same recipe, whose teachers are found from any working directory."""
        found = (name if name == "shipped" else os.path.abspath(name) for name in self.teachers)
        return dataclasses.replace(self, teachers=tuple(found))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for TOML; what is None is left out."""
        plain = dataclasses.asdict(self)
        plain["sizes"] = [list(pair) for pair in self.sizes]
        plain["teachers"] = list(self.teachers)
        return {name: value for name, value in plain.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, origin: str = "configuration") -> TrainConfig:
        """The config `to_dict` gave; raises TrainingError naming `origin` and the unknown field."""
        values = dict(values)
        try:
            if "render" in values:
                values["render"] = RenderSpec(**values["render"])
            if "augment" in values:
                values["augment"] = AugmentSpec(**values["augment"])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise TrainingError(f"{origin}: {error}") from None


def preset_names() -> list[str]:
    """The presets that ship, sorted."""
    folder = resources.files("garabato.training") / "presets"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[-5:] == ".toml")


def load_preset(name: str) -> TrainConfig:
    """A preset by its name, or a TOML file by its path."""
    if name.endswith(".toml"):
        return read_config(Path(name))
    if name not in preset_names():
        raise TrainingError(
            f"unknown preset {name!r}; there are {', '.join(preset_names())}, or give a .toml file"
        )
    text = (resources.files("garabato.training") / "presets" / f"{name}.toml").read_text()
    return TrainConfig.from_dict(tomllib.loads(text), origin=f"preset {name}")


def read_config(path: Path) -> TrainConfig:
    """The configuration in a TOML file."""
    try:
        return TrainConfig.from_dict(tomllib.loads(path.read_text()), origin=str(path))
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{path} is not TOML: {error}") from None


def write_toml(config: TrainConfig) -> str:
    """The configuration as TOML text that `read_config` reads back."""
    return tomli_w.dumps(config.to_dict())
