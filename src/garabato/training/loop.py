"""The training loop, top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from garabato.dataset import Dataset
from garabato.encoder import FILE_NAME, Encoder, load_encoder
from garabato.encoder.binary_codes import CODE_BITS
from garabato.encoder.calibration import (
    at_temperature,
    fit_temperature,
    threshold_for_precision,
)
from garabato.errors import TrainingError, storage_errors
from garabato.host.atomic import write_bytes
from garabato.render import with_strokes
from garabato.training.batches import Batch, TrainingBatches, prefetch
from garabato.training.checkpoint import (
    Checkpoint,
    MetricsLog,
    load_checkpoint,
    save_checkpoint,
    training_files,
)
from garabato.training.config import TrainConfig, write_toml
from garabato.training.data import split_off_validation
from garabato.training.distributed import Workers, joined_workers
from garabato.training.hash_codes import fit_coder
from garabato.training.interrupt import catching_interrupt
from garabato.training.learner import Learner
from garabato.training.progress import RunningMean, TrainingProgress
from garabato.training.schedule import image_size_px, learning_rate
from garabato.training.teachers import Teachers

CHECKPOINT_NAME = "checkpoint.pt"
METRICS_NAME = "metrics.jsonl"
CONFIG_NAME = "config.toml"
#: A checkpoint is written this often, and at the end and at an interruption.
_CHECKPOINT_EVERY_S = 60.0
_LOG_EVERY_STEPS = 20
#: Drawings that binary codes are learned on.
_MOST_FOR_CODES = 10_000
#: Drawings over which the statistics of batch norms are taken in the end, about.
_FOR_NORMS = 4_096
_LEAST_TO_CALIBRATE = 50


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a training came to. `interrupted`: stopped by Ctrl-C, to go on with `resume`.

    The encoder is None where the training was interrupted, and on all workers but the first.
    """

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
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> RunResult:
    """Train an encoder on a dataset's training drawings; everything is kept in the folder `run`.

    `run` holds `encoder.safetensors` at the end, `config.toml`, `metrics.jsonl` and the last
    checkpoint. With `resume` a stopped run goes on where it was, with its own configuration; on a
    CPU the weights come out the same as without the stop (runs by `minutes` excepted, as they
    depend on the clock). Ctrl-C writes a checkpoint and returns. Under torchrun every worker calls
    this with the same arguments: each takes its part of every batch, and only the first writes and
    reports progress. Raises TrainingError.
    """
    run = Path(run)
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    config = config or TrainConfig()
    checkpoint = None
    if resume:
        checkpoint = load_checkpoint(run / CHECKPOINT_NAME, dataset)
        config = checkpoint.config
    elif (run / CHECKPOINT_NAME).exists() or (run / FILE_NAME).exists():
        raise TrainingError(
            f"{run} holds a training already; go on with --resume or choose another folder"
        )
    with joined_workers(config) as workers:
        if workers.is_first:
            with storage_errors(run):
                run.mkdir(parents=True, exist_ok=True)
        return _Training(dataset, run, config, checkpoint, workers, on_progress).run_to_end()


class _Training:
    """State of one training."""

    def __init__(
        self,
        dataset: Dataset,
        run: Path,
        config: TrainConfig,
        checkpoint: Checkpoint | None,
        workers: Workers,
        on_progress: Callable[[TrainingProgress], None] | None,
    ) -> None:
        # The settings as given stay in config.toml, which goes into model cards; the checkpoint's
        # are for a resumption from anywhere.
        self.config = config.with_absolute_teachers()
        self.run, self.dataset = run, dataset
        self.workers, self.on_progress = workers, on_progress
        self.drawings, labels, self.held_out = split_off_validation(dataset, config)
        self.batches = TrainingBatches(
            with_strokes(self.drawings),
            self.drawings.bitmaps is None,
            labels,
            min(config.batch_size, len(labels)),
            config.augment,
            config.render,
            config.seed,
            worker=workers.place,
            n_workers=workers.n,
            teachers=Teachers(config, dataset.categories, workers.device)
            if config.teachers
            else None,
        )
        if self.batches.batch_size < workers.n:
            raise TrainingError(
                f"a batch of {self.batches.batch_size} has no drawing for each of {workers.n} "
                "workers; start fewer or make the batch larger"
            )
        self.learner = Learner(config, dataset.categories, self.drawings, workers)
        self.step, self.elapsed_s = 0, 0.0
        if checkpoint is not None:
            self.learner.restore(checkpoint)
            self.step, self.elapsed_s = checkpoint.step, checkpoint.elapsed_s
        elif config.start_from is not None:
            given = None if config.start_from == "shipped" else config.start_from
            self.learner.start_from(load_encoder(given))
        if workers.is_first:
            self.log = MetricsLog(run / METRICS_NAME, keep_until_step=self.step)
            if checkpoint is None:
                write_bytes(run / CONFIG_NAME, write_toml(config).encode())

    @property
    def _n_steps(self) -> int:
        return self.config.steps or self.config.epochs * self.batches.steps_per_epoch

    @property
    def share_done(self) -> float:
        """How far the training is, 0..1: by the clock where it has a time budget, else by steps."""
        if self.config.minutes is not None:
            return min(1.0, self.elapsed_s / (60 * self.config.minutes))
        return self.step / self._n_steps

    def run_to_end(self) -> RunResult:
        """Train until all is done or Ctrl-C is typed; the first worker writes what came of it."""
        last_checkpoint_s = self.elapsed_s
        with catching_interrupt(repeated=self.workers.n > 1) as interrupted:
            for outcome in self._steps(interrupted):
                if not self.workers.is_first:
                    continue
                if self.step % self.batches.steps_per_epoch == 0:
                    validates = self.held_out is not None and self.share_done < 1
                    validated = {"validation_top1": self._validate()} if validates else {}
                    self.log.write("epoch", **outcome, **validated)
                if self.elapsed_s - last_checkpoint_s > _CHECKPOINT_EVERY_S:
                    self._save_checkpoint()
                    last_checkpoint_s = self.elapsed_s
            if self.workers.is_first:
                self._save_checkpoint()
        encoder, validation_top1 = None, None
        unfinished = self.share_done < 1
        if self.workers.is_first and not unfinished:
            self.learner.measure_norms(self._some_batches())
            encoder = self.learner.encoder(self.config.render)
            validation_top1 = self._calibrate(encoder)
            self._fit_codes(encoder)
            encoder.save(self.run / FILE_NAME)
        return RunResult(self.run, encoder, self.step, self.elapsed_s, unfinished, validation_top1)

    def _steps(self, interrupted: Event) -> Iterator[dict[str, Any]]:
        """Train step after step, yielding what each came to, until all is done or interrupted."""
        running = RunningMean()
        batch_size = self.batches.batch_size
        # The size of a step's images is settled when its turn to be prepared comes, a few steps
        # ahead, by what all workers have agreed on until then.
        batches = prefetch(
            lambda step: partial(self.batches.at, step, size_px=self._size_at(step)),
            self.step,
            n_threads=2,
        )
        with closing(batches):
            started = time.perf_counter()
            for _, batch in batches:
                if self.share_done >= 1:
                    break
                rate = learning_rate(self.config, self.share_done)
                loss, n_right = self.learner.learn(
                    batch, step=self.step, learning_rate=rate, batch_size=batch_size
                )
                now = time.perf_counter()
                # One exchange a step: what came of it, the first worker's clock, any one's Ctrl-C.
                took_s = now - started if self.workers.is_first else 0.0
                loss, all_right, took_s, n_interrupted = self.workers.sum(
                    [loss, n_right, took_s, interrupted.is_set()]
                )
                started = now
                self.step += 1
                self.elapsed_s += took_s
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"the loss became {loss} at step {self.step}; lower learning_rate"
                    )
                running.add(loss / batch_size, all_right / batch_size, batch_size / took_s)
                yield self._report(running, image_size_px=batch.images.shape[1])
                if n_interrupted:
                    break

    def _report(self, running: RunningMean, *, image_size_px: int) -> dict[str, Any]:
        """Log the step now and then, show it; what it came to, on average over the last ones."""
        outcome = {
            "step": self.step,
            "epoch": self.step // self.batches.steps_per_epoch,
            "loss": running.loss,
            "accuracy": running.accuracy,
            "learning_rate": learning_rate(self.config, self.share_done),
            "image_size_px": image_size_px,
            "drawings_per_second": running.rate,
            "seconds": self.elapsed_s,
        }
        if self.workers.is_first:
            if self.step % _LOG_EVERY_STEPS == 0 or self.share_done >= 1:
                self.log.write("step", **outcome)
            if self.on_progress:
                self.on_progress(
                    TrainingProgress(
                        self.share_done,
                        self.step,
                        self.step // self.batches.steps_per_epoch,
                        running.loss,
                        running.accuracy,
                        running.rate,
                        self.elapsed_s,
                    )
                )
        return outcome

    def _size_at(self, step: int) -> int:
        if self.config.minutes is not None:
            return image_size_px(self.config, self.share_done)
        return image_size_px(self.config, step / self._n_steps)

    def _validate(self) -> float:
        """Top-1 accuracy on the training drawings kept out, at the size trained on now."""
        assert self.held_out is not None
        drawings, labels = self.held_out
        spec = replace(self.config.render, size_px=self._size_at(self.step))
        probabilities = self.learner.encoder(spec).predict(drawings).probabilities
        return float((probabilities.argmax(1) == labels).mean())

    def _calibrate(self, encoder: Encoder) -> float | None:
        """Fit temperature and threshold to the drawings kept out, if any; top-1 on them.

        Where these are fewer than `_LEAST_TO_CALIBRATE` the probabilities stay as they are.
        """
        if self.held_out is None:
            return None
        drawings, labels = self.held_out
        probabilities = encoder.predict(drawings).probabilities
        right = probabilities.argmax(1) == labels
        if len(labels) >= _LEAST_TO_CALIBRATE:
            encoder.temperature = fit_temperature(probabilities, labels)
            confidence = at_temperature(probabilities, encoder.temperature).max(axis=1)
            precision = encoder.unsure_precision = self.config.unsure_precision
            encoder.unsure_below = threshold_for_precision(confidence, right, precision)
        self.log.write(
            "validation",
            step=self.step,
            seconds=self.elapsed_s,
            top1=float(right.mean()),
            temperature=encoder.temperature,
            unsure_below=encoder.unsure_below,
        )
        return float(right.mean())

    def _some_batches(self) -> Iterator[Batch]:
        """The batches that would come next, as one process would have them."""
        batches = replace(self.batches, worker=0, n_workers=1, teachers=None)
        for ahead in range(-(-_FOR_NORMS // batches.batch_size)):
            yield batches.at(self.step + ahead, size_px=self.config.render.size_px)

    def _fit_codes(self, encoder: Encoder) -> None:
        """Teach it binary codes, on some of the training drawings.

        Bitmaps stay bitmaps, as in use: traced ones would be drawn with an order of strokes.
        """
        seed = self.config.seed
        order = np.random.default_rng([seed, 2]).permutation(len(self.drawings))
        embeddings = encoder.embed(self.drawings.take(order[:_MOST_FOR_CODES]))
        encoder.coders = {n: fit_coder(embeddings, n, seed=seed) for n in CODE_BITS}

    def _save_checkpoint(self) -> None:
        save_checkpoint(
            self.run / CHECKPOINT_NAME,
            Checkpoint(
                config=self.config,
                categories=self.dataset.categories,
                step=self.step,
                elapsed_s=self.elapsed_s,
                model=self.learner.model.state_dict(),
                optimizer=self.learner.optimizer.state_dict(),
                average=self.learner.average,
                training_files=training_files(self.dataset),
            ),
        )
