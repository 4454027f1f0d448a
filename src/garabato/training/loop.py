"""The training loop, top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from garabato.atomic import write_bytes
from garabato.dataset import Dataset
from garabato.drawing import ByteArray, IntArray
from garabato.encoder import FILE_NAME, Encoder
from garabato.errors import TrainingError, storage_errors
from garabato.models import Model, as_input, create_model
from garabato.render import RenderSpec, with_strokes
from garabato.training.batches import TrainingBatches, prefetch
from garabato.training.calibration import (
    at_temperature,
    fit_temperature,
    threshold_for_precision,
)
from garabato.training.checkpoint import Checkpoint, MetricsLog, load_checkpoint, save_checkpoint
from garabato.training.config import TrainConfig, write_toml
from garabato.training.data import mean_image, split_off_validation
from garabato.training.device import choose_device, chooses_bfloat16
from garabato.training.interrupt import catching_interrupt
from garabato.training.schedule import image_size_px, learning_rate

CHECKPOINT_NAME = "checkpoint.pt"
METRICS_NAME = "metrics.jsonl"
CONFIG_NAME = "config.toml"
#: A checkpoint is written this often, and at the end and at an interruption.
_CHECKPOINT_EVERY_S = 60.0
_LOG_EVERY_STEPS = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How a training stands, for whoever shows it."""

    share_done: float
    step: int
    epoch: int
    loss: float
    accuracy: float
    drawings_per_second: float
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a training came to. `interrupted`: stopped by Ctrl-C, to go on with `resume`."""

    run: Path
    encoder: Encoder | None
    steps: int
    elapsed_s: float
    interrupted: bool
    validation_top1: float | None = None


def train(
    dataset: Dataset | str | PathLike[str],
    run: str | PathLike[str],
    *,
    config: TrainConfig | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Train an encoder on a dataset's training drawings; everything is kept in the folder `run`.

    `run` holds `encoder.safetensors` at the end, `config.toml`, `metrics.jsonl` and the last
    checkpoint. With `resume` a stopped run goes on where it was, with its own configuration; on a
    CPU the weights come out the same as without the stop (runs by `minutes` excepted, as they
    depend on the clock). Ctrl-C writes a checkpoint and returns. Raises TrainingError.
    """
    run = Path(run)
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    config = config or TrainConfig()
    checkpoint = None
    if resume:
        checkpoint = load_checkpoint(run / CHECKPOINT_NAME, dataset.categories)
        config = checkpoint.config
    elif (run / CHECKPOINT_NAME).exists() or (run / FILE_NAME).exists():
        raise TrainingError(
            f"{run} holds a training already; go on with --resume or choose another folder"
        )
    with storage_errors(run):
        run.mkdir(parents=True, exist_ok=True)
    trainer = _Trainer(dataset, run, config, checkpoint, on_progress)
    return trainer.run_to_end()


class _Trainer:
    """State of one training."""

    def __init__(
        self,
        dataset: Dataset,
        run: Path,
        config: TrainConfig,
        checkpoint: Checkpoint | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.run, self.config, self.categories = run, config, dataset.categories
        self.on_progress = on_progress
        self.device = choose_device(config.device)
        self.autocast = chooses_bfloat16(config, self.device)
        drawings, labels, self.held_out = split_off_validation(dataset, config)
        self.batches = TrainingBatches(
            with_strokes(drawings),
            drawings.bitmaps is None,
            labels,
            min(config.batch_size, len(labels)),
            config.augment,
            config.render,
            config.seed,
        )
        torch.manual_seed(config.seed)
        model = self._new_model()
        if model.mean_image is not None:
            model.mean_image.copy_(mean_image(drawings, config))
        self.model = model.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _optimizer(self.model, config)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.step, self.elapsed_s = 0, 0.0
        if checkpoint is not None:
            self.model.load_state_dict(checkpoint.model)
            self.optimizer.load_state_dict(checkpoint.optimizer)
            self.average = {n: v.to(self.device) for n, v in checkpoint.average.items()}
            self.step, self.elapsed_s = checkpoint.step, checkpoint.elapsed_s
        self.log = MetricsLog(run / METRICS_NAME, keep_until_step=self.step)
        write_bytes(run / CONFIG_NAME, write_toml(config).encode())

    @property
    def share_done(self) -> float:
        """How far the training is, 0..1: by the clock where it has a time budget, else by steps."""
        if self.config.minutes is not None:
            return min(1.0, self.elapsed_s / (60 * self.config.minutes))
        return self.step / (self.config.epochs * self.batches.steps_per_epoch)

    def run_to_end(self) -> RunResult:
        validation_top1 = None
        with catching_interrupt() as interrupted:
            for outcome in self._steps():
                end_of_epoch = self.step % self.batches.steps_per_epoch == 0
                done = self.share_done >= 1
                if end_of_epoch and self.held_out is not None and not done:
                    self.log.write("epoch", **outcome, validation_top1=self._validate())
                elif end_of_epoch:
                    self.log.write("epoch", **outcome)
                if interrupted.is_set():
                    break
        self._save_checkpoint()
        if self.share_done < 1:
            return RunResult(self.run, None, self.step, self.elapsed_s, interrupted=True)
        encoder = self._encoder(self.config.render)
        if self.held_out is not None:
            drawings, labels = self.held_out
            probabilities = encoder.predict(drawings).probabilities
            right = probabilities.argmax(1) == labels
            validation_top1 = float(right.mean())
            encoder.temperature = fit_temperature(probabilities, labels)
            confidence = at_temperature(probabilities, encoder.temperature).max(axis=1)
            encoder.unsure_precision = self.config.unsure_precision
            encoder.unsure_below = threshold_for_precision(
                confidence, right, encoder.unsure_precision
            )
            self.log.write(
                "validation",
                step=self.step,
                seconds=self.elapsed_s,
                top1=validation_top1,
                temperature=encoder.temperature,
                unsure_below=encoder.unsure_below,
            )
        encoder.save(self.run / FILE_NAME)
        return RunResult(
            self.run,
            encoder,
            self.step,
            self.elapsed_s,
            interrupted=False,
            validation_top1=validation_top1,
        )

    def _steps(self) -> Iterator[dict[str, Any]]:
        """Train step after step, yielding what each came to, until all is done."""
        running = _RunningMean()
        last_checkpoint_s = self.elapsed_s
        # The size of a step's images is settled when it is prepared, a few steps ahead.
        batches = prefetch(
            lambda step: self.batches.at(step, size_px=self._size_at(step)),
            self.step,
            n_threads=2,
        )
        started = time.perf_counter()
        for _, batch in batches:
            if self.share_done >= 1:
                break
            loss, n_right = self._train_on(batch.images, batch.labels)
            self.step += 1
            now = time.perf_counter()
            self.elapsed_s += now - started
            running.add(loss, n_right / len(batch.labels), len(batch.labels) / (now - started))
            started = now
            outcome = {
                "step": self.step,
                "epoch": self.step // self.batches.steps_per_epoch,
                "loss": running.loss,
                "accuracy": running.accuracy,
                "learning_rate": learning_rate(self.config, self.share_done),
                "image_size_px": batch.images.shape[1],
                "drawings_per_second": running.rate,
                "seconds": self.elapsed_s,
            }
            if self.step % _LOG_EVERY_STEPS == 0 or self.share_done >= 1:
                self.log.write("step", **outcome)
            if self.on_progress:
                self.on_progress(
                    Progress(
                        self.share_done,
                        self.step,
                        outcome["epoch"],
                        running.loss,
                        running.accuracy,
                        running.rate,
                        self.elapsed_s,
                    )
                )
            if self.elapsed_s - last_checkpoint_s > _CHECKPOINT_EVERY_S:
                self._save_checkpoint()
                last_checkpoint_s = self.elapsed_s
            yield outcome
        batches.close()

    def _train_on(self, images: ByteArray, labels: IntArray) -> tuple[float, int]:
        """One step: (B, *image_shape) uint8, (B,) -> loss and the number of right answers."""
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # dropout, if there is any
        rate = learning_rate(self.config, self.share_done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        inputs = as_input(images, self.device)  # (B, K, S, S)
        targets = torch.from_numpy(labels).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            logits, _ = self.model(inputs)
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._update_average()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss.item()} at step {self.step}; lower learning_rate"
            )
        return loss.item(), int((logits.argmax(1) == targets).sum())

    def _update_average(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if decay > 0 and value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def _size_at(self, step: int) -> int:
        if self.config.minutes is not None:
            return image_size_px(self.config, self.share_done)
        total = self.config.epochs * self.batches.steps_per_epoch
        return image_size_px(self.config, step / total)

    def _new_model(self) -> Model:
        options = dict(self.config.model_options)
        if self.config.render.n_channels > 1:
            options["n_channels"] = self.config.render.n_channels
        return create_model(
            self.config.model,
            n_categories=len(self.categories),
            image_size_px=self.config.render.size_px,
            **options,
        )

    def _encoder(self, spec: RenderSpec) -> Encoder:
        """The averaged network as an encoder."""
        model = self._new_model()
        model.load_state_dict(self.average)
        return Encoder(model, spec=spec, categories=self.categories, device=self.device)

    def _validate(self) -> float:
        """Top-1 accuracy on the training drawings kept out, at the size trained on now."""
        assert self.held_out is not None
        drawings, labels = self.held_out
        spec = replace(self.config.render, size_px=self._size_at(self.step))
        probabilities = self._encoder(spec).predict(drawings).probabilities
        return float((probabilities.argmax(1) == labels).mean())

    def _save_checkpoint(self) -> None:
        save_checkpoint(
            self.run / CHECKPOINT_NAME,
            Checkpoint(
                config=self.config,
                categories=self.categories,
                step=self.step,
                elapsed_s=self.elapsed_s,
                model=self.model.state_dict(),
                optimizer=self.optimizer.state_dict(),
                average=self.average,
            ),
        )


class _RunningMean:
    """Means over about the last fifty steps."""

    def __init__(self) -> None:
        self.n = 0
        self.loss = self.accuracy = self.rate = 0.0

    def add(self, loss: float, accuracy: float, rate: float) -> None:
        self.n += 1
        share = 1 / min(self.n, 50)
        self.loss += share * (loss - self.loss)
        self.accuracy += share * (accuracy - self.accuracy)
        self.rate += share * (rate - self.rate)


def _optimizer(model: Model, config: TrainConfig) -> torch.optim.Optimizer:
    decaying = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": decaying, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        fused=True,
    )
