"""Every training option in one place, and the schedules that follow from them.

Presets are TOML files in the folder `presets`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from importlib import resources
from itertools import pairwise
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import tomli_w

from garabato.encoder import SHIPPED
from garabato.encoder.files import is_hub_address
from garabato.errors import TrainingError, did_you_mean
from garabato.render import RenderSpec
from garabato.render.augment import AugmentSpec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Schedule = Literal["cosine", "constant"]
Precision = Literal["auto", "bfloat16", "float32"]
OptimizerName = Literal["adamw", "muon"]
LossName = Literal["softmax", "arcface", "proxy-anchor", "supcon"]
#: The types that a field may have, by its annotation; other fields are checked where they are used.
_TYPES: dict[str, tuple[type, str]] = {
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "bool": (bool, "true or false"),
    "str": (str, "text"),
    "dict[str, Any]": (dict, "a table"),
}
#: Field -> whether a number is right, in comparisons that are False for NaN, and what it must be.
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "epochs": (lambda n: 1 <= n < math.inf, "finite and at least 1"),
    "steps": (lambda n: n >= 1, "at least 1"),
    "minutes": (lambda n: 0 < n < math.inf, "positive"),
    "batch_size": (lambda n: 2 <= n < math.inf, "finite and at least 2"),
    "learning_rate": (lambda n: 0 < n < math.inf, "positive"),
    "unsure_precision": (lambda n: 0 < n <= 1, "in (0, 1]"),
    "teaching": (lambda n: 0 <= n <= 1, "in [0, 1]"),
    "seed": (lambda n: 0 <= n < 2**32, f"between 0 and {2**32 - 1}"),
    **dict.fromkeys(
        ("mixup", "weight_decay"), (lambda n: 0 <= n < math.inf, "finite and at least 0")
    ),
    **dict.fromkeys(
        ("warmup", "label_smoothing", "ema_decay", "validation"),
        (lambda n: 0 <= n < 1, "in [0, 1)"),
    ),
}
_CHOICES = {
    "optimizer": get_args(OptimizerName),
    "loss": get_args(LossName),
    "schedule": get_args(Schedule),
    "precision": get_args(Precision),
}
#: Largest share of a time budget that is reserved for the work after the last step.
_FINISH_SHARE = 0.2
#: Drawings per category that a network must see to be useful: with 100 categories, skfast then
#: reaches the accuracy of the reference project (74.5%).
_USEFUL_PER_CATEGORY = 2_000
#: Share of the time budget after which the forecast of that number is made, and the number of steps
#: that it needs: the first ones are slow. After the larger share it is made from fewer steps.
_FORECAST_AT, _FORECAST_STEPS, _FORECAST_AT_LATEST = 0.05, 10, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Options of a training run."""

    # The network's name in the registry, and the options it is built with.
    model: str = "skfast"
    model_options: dict[str, Any] = field(default_factory=dict)

    # Start from the weights of this encoder (a file, a run folder, "shipped" or "hf://owner/name")
    # instead of random ones.
    start_from: str | PathLike[str] | None = None

    # The images. `render.size_px` is the size the trained encoder uses. Unless `start_from` is
    # given, they don't show the order of the strokes if it is unknown for most drawings of a
    # category: a network that never saw an order would misjudge what people draw.
    render: RenderSpec = field(default_factory=RenderSpec)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    # Progressive resizing, for speed: pairs (until this share of the training, at this image
    # size); after the last pair, `render.size_px`. sknet and skresnet train at one size only.
    sizes: tuple[tuple[float, int], ...] = ()

    # How long: `epochs`, unless `steps` or `minutes` is given. `minutes` covers the whole call of
    # `train`, loading and calibration included.
    epochs: int = 30
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 128

    # AdamW (Loshchilov & Hutter 2019); Adam if weight_decay is 0. Batch norms, biases and the
    # logit scale don't decay. "muon": Muon (Jordan et al. 2024) for the kernels of convolutions,
    # AdamW for the rest.
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    # "cosine": linear warm-up (a share of the training), then a cosine down to zero.
    schedule: Schedule = "cosine"
    warmup: float = 0.05
    label_smoothing: float = 0.1
    # See "Loss functions" in learner.py.
    loss: LossName = "softmax"
    # Blend images and labels in pairs, weighted by Beta(mixup, mixup) (Zhang et al. 2018); 0: off.
    # Needs loss "softmax", as do teachers.
    mixup: float = 0.0
    # Distillation (Hinton et al. 2015): encoders, given as for `start_from`, whose mean
    # probabilities are blended into the labels with weight `teaching`.
    teachers: Sequence[str | PathLike[str]] = ()
    teaching: float = 0.7
    # Decay of the moving average of the weights, which the encoder gets; 0: the last weights.
    ema_decay: float = 0.998

    # Share of the training drawings held out: scored after each epoch, and used at the end to
    # calibrate the probabilities.
    validation: float = 0.0
    # Chooses `Encoder.unsure_below`: predictions above it have this precision on the held-out part
    # together with strongly varied copies of it.
    unsure_precision: float = 0.9

    seed: int = 0
    device: str = "auto"
    # "auto": bfloat16 where the hardware supports it, else float32.
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        _check_fields(TrainConfig, {one.name: getattr(self, one.name) for one in fields(self)})
        if isinstance(self.teachers, str | PathLike):
            raise TrainingError(f"teachers must be a list: [{self.teachers!r}]")
        # Plain values, for TOML and checkpoints.
        object.__setattr__(self, "teachers", tuple(os.fspath(path) for path in self.teachers))
        if self.start_from is not None:
            object.__setattr__(self, "start_from", os.fspath(self.start_from))
        try:
            sizes = tuple((float(until), int(size_px)) for until, size_px in self.sizes)
        except (TypeError, ValueError):
            raise TrainingError(
                f"sizes must be a list of pairs [share, size in px], not {self.sizes!r}"
            ) from None
        object.__setattr__(self, "sizes", sizes)
        for name, (is_right, expected) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not is_right(value):
                raise TrainingError(f"{name} must be {expected}, not {value}")
        for name, known in _CHOICES.items():
            if (given := getattr(self, name)) not in known:
                raise TrainingError(f"unknown {name} {given!r}; choose one of {', '.join(known)}")
        self._check_sizes()
        if self.steps is not None and self.minutes is not None:
            raise TrainingError(
                f"give steps or minutes, not both: steps = {self.steps}, minutes = {self.minutes}"
            )
        if self.loss != "softmax" and (self.mixup > 0 or self.teachers):
            raise TrainingError(f'mixup and teachers need loss = "softmax", not {self.loss!r}')

    def at_size(self, size_px: int) -> TrainConfig:
        """This configuration at another image size; progressive resizing is scaled too."""
        share = size_px / self.render.size_px
        sizes = tuple((until, max(16, 8 * round(size * share / 8))) for until, size in self.sizes)
        return dataclasses.replace(
            self, render=dataclasses.replace(self.render, size_px=size_px), sizes=sizes
        )

    def without_order(self) -> TrainConfig:
        """This configuration for images that don't show the order of the strokes."""
        render = dataclasses.replace(self.render, order=False, path=False)
        return dataclasses.replace(self, render=render)

    def with_absolute_teachers(self) -> TrainConfig:
        """This configuration with absolute paths, so that it can be resumed from any folder."""
        found = (
            name if name == SHIPPED or is_hub_address(name) else os.path.abspath(name)
            for name in self.teachers
        )
        return dataclasses.replace(self, teachers=tuple(found))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for TOML; fields that are None are left out."""
        text = json.dumps(dataclasses.asdict(self), default=lambda number: number.item())  # NumPy's
        plain = json.loads(text)
        return {name: value for name, value in plain.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, origin: str = "configuration") -> TrainConfig:
        """The inverse of `to_dict`. Raises TrainingError naming `origin` and the wrong field."""
        values = dict(values)
        try:
            _check_fields(cls, values)
            for name, table in (("render", RenderSpec), ("augment", AugmentSpec)):
                if name in values:
                    _check_fields(table, values[name], f"[{name}] ")
                    values[name] = table(**values[name])
            return cls(**values)
        except (TrainingError, TypeError, ValueError) as error:
            raise TrainingError(f"{origin}: {error}") from None

    def _check_sizes(self) -> None:
        shares = [0.0, *(until for until, _ in self.sizes), 1.0]
        if not all(earlier < later for earlier, later in pairwise(shares)):
            raise TrainingError(f"the shares in sizes must increase within (0, 1): {self.sizes}")
        if not all(16 <= size_px <= 1024 for _, size_px in self.sizes):
            raise TrainingError(f"image sizes must be 16 to 1024 px: {self.sizes}")


def preset_names() -> list[str]:
    """Names of the presets that ship, sorted."""
    folder = resources.files("garabato.training") / "presets"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[-5:] == ".toml")


def load_preset(name: str | PathLike[str]) -> TrainConfig:
    """Load a preset by name, or a configuration from the path of a .toml file."""
    name = fspath(name)
    if name.endswith(".toml"):
        return read_config(Path(name))
    if name not in preset_names():
        choices = f"choose one of {', '.join(preset_names())} or give a .toml file"
        hint = did_you_mean(name, preset_names(), otherwise=choices)
        raise TrainingError(f"unknown preset {name!r}{hint}")
    text = (resources.files("garabato.training") / "presets" / f"{name}.toml").read_text()
    return TrainConfig.from_dict(tomllib.loads(text), origin=f"preset {name}")


def read_config(path: Path) -> TrainConfig:
    """Read a configuration from a TOML file."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return TrainConfig.from_dict(values, origin=str(path))
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise TrainingError(f"{path} is not valid TOML: {error}") from None


def to_toml(config: TrainConfig) -> str:
    """The configuration as TOML text, which `read_config` reads back."""
    return tomli_w.dumps(config.to_dict())


def learning_rate(config: TrainConfig, progress: float) -> float:
    """The learning rate after the share `progress` (0..1) of the training."""
    if config.schedule == "constant":
        return config.learning_rate
    if progress < config.warmup:
        return config.learning_rate * (0.02 + 0.98 * progress / config.warmup)
    share = (progress - config.warmup) / (1 - config.warmup)
    return config.learning_rate * max(0.002, 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def image_size_px(config: TrainConfig, progress: float) -> int:
    """The side of the training images after the share `progress` (0..1) of the training."""
    for until, size_px in config.sizes:
        if progress < until:
            return size_px
    return config.render.size_px


class TimeBudget:
    """`minutes` for the whole training, including `finish_s` after the last step.

    The network tells `n_categories` apart. With `from_scratch`, it starts from random weights;
    others are useful from the start.
    """

    def __init__(
        self, minutes: float, finish_s: float, *, n_categories: int, from_scratch: bool
    ) -> None:
        self.seconds = 60 * minutes
        #: The seconds for the work after the last step, and those for steps.
        self.finish_s = min(finish_s, _FINISH_SHARE * self.seconds)
        self.steps_s = self.seconds - self.finish_s
        #: A warning that the time is too short, empty if there is none.
        self.warning = ""
        self._n_categories = n_categories
        self._n_useful = _USEFUL_PER_CATEGORY * n_categories if from_scratch else 0

    def share_done(self, elapsed_s: float) -> float:
        """The share of the steps' time that has passed, 0..1."""
        return min(1.0, elapsed_s / self.steps_s)

    def forecast(self, elapsed_s: float, *, step: int, n_seen: int, rate: float) -> None:
        """Set `warning` if the time is too short for a useful network.

        `n_seen` drawings were seen in `step` steps, and `rate` will be seen per second.
        """
        share_done = self.share_done(elapsed_s)
        if self.warning or share_done < _FORECAST_AT:
            return
        if step < _FORECAST_STEPS and share_done < _FORECAST_AT_LATEST:
            return
        n_forecast = max(1.0, n_seen + max(0.0, self.steps_s - elapsed_s) * rate)
        if n_forecast < self._n_useful:
            minutes = self.seconds / 60
            self.warning = (
                f"the time is too short for a useful network: in {minutes:g} min, at {rate:,.0f} "
                f"drawings/s, it will see about {n_forecast / self._n_categories:,.0f} drawings of "
                f"each category, and needs about {_USEFUL_PER_CATEGORY:,}; give it about "
                f"{math.ceil(minutes * self._n_useful / n_forecast):,} min"
            )

    def end(self, n_seen: int) -> None:
        """Replace the forecast, which was only a guess, by what came of it."""
        self.warning = ""
        if n_seen < self._n_useful:
            self.warning = (
                f"the network saw only {n_seen / self._n_categories:,.0f} drawings of each "
                f"category in {self.seconds / 60:g} min, and needs about "
                f"{_USEFUL_PER_CATEGORY:,} to be useful; train for longer or on a faster machine"
            )


def _check_fields(spec: type[DataclassInstance], values: Any, where: str = "") -> None:
    """Raise TrainingError for an unknown name or a wrong type in the fields of a dataclass."""
    if not isinstance(values, dict):
        raise TrainingError(f"{where}must be a table of settings, not {values!r}")
    known = {one.name: str(one.type) for one in fields(spec)}
    for name, value in values.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise TrainingError(f"{where}there is no setting {name!r}{hint}")
        annotation = known[name].removesuffix(" | None")
        if annotation not in _TYPES or (value is None and annotation != known[name]):
            continue
        kind, expected = _TYPES[annotation]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TrainingError(f"{where}{name} must be {expected}, not {value!r}")
