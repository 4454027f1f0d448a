"""The training loop."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from garabato.dataset import Dataset
from garabato.encoder import FILE_NAME, Encoder, load_encoder
from garabato.errors import TrainingError
from garabato.host.atomic import write_bytes
from garabato.host.machine import CpuMeter, n_cores
from garabato.render import with_strokes
from garabato.training import finish
from garabato.training.config import TimeBudget, TrainConfig, image_size_px, learning_rate, to_toml
from garabato.training.data import (
    Batch,
    Teachers,
    TrainingBatches,
    prefetch,
    split_off_validation,
    without_order,
)
from garabato.training.distributed import ProcessGroup, ThreadTuner, joined_processes
from garabato.training.learner import Learner
from garabato.training.run_folder import (
    CONFIG_NAME,
    Checkpoint,
    MetricsLog,
    load_checkpoint,
    locked,
    refuse_finished,
    training_files,
)

#: A checkpoint is written this often, at the end, and when the training is interrupted.
_CHECKPOINT_EVERY_S = 60.0
_LOG_EVERY_STEPS = 20
#: Approximate number of drawings for recomputing the batch norm statistics at the end.
_N_FOR_NORMS = 4_096


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """A training after a step; loss, accuracy and rate are means over the last steps.

    `notes` are sentences that users should read, such as a warning that the time is too short.
    """

    share_done: float
    step: int
    epoch: int
    loss: float
    accuracy: float
    drawings_per_second: float
    elapsed_s: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a training. `interrupted`: stopped by Ctrl-C; continue with `resume`.

    `encoder` is None if the training was interrupted, and in all processes but the main one.
    `elapsed_s` covers the whole call of `train`. `notes`: see `TrainingProgress`.
    """

    run: Path
    encoder: Encoder | None
    steps: int
    elapsed_s: float
    interrupted: bool
    validation_top1: float | None = None
    notes: tuple[str, ...] = ()


def train(
    dataset: Dataset | str | PathLike[str],
    run: str | PathLike[str],
    *,
    config: TrainConfig | None = None,
    resume: bool = False,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    on_metrics: Callable[[dict[str, Any]], None] | None = None,
) -> RunResult:
    """Train an encoder on the training drawings of a dataset.

    Writes `encoder.safetensors`, `config.toml`, `metrics.jsonl` and the last checkpoint into the
    folder `run`. Ctrl-C or SIGTERM writes a checkpoint and returns. `resume` continues a stopped
    run with its own configuration; on a CPU, with as many threads, the weights come out the same as
    without the stop, except with a time budget (`minutes`), which depends on the clock.

    `on_metrics` gets every line of `metrics.jsonl` as it is written, as a dictionary with `kind`
    ("step", "epoch" or "validation"), `step` and numbers: for TensorBoard and other loggers.

    Under torchrun every process calls this with the same arguments: each takes its part of every
    batch, and the main process writes the files and reports progress.

    Raises TrainingError, also if another training is running in `run`.
    """
    started = time.perf_counter()
    run = Path(run)
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    config = config or TrainConfig()
    checkpoint = None
    if resume:
        checkpoint = load_checkpoint(run, dataset)
        config = checkpoint.config
    n_threads = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        # PyTorch does not see the CPU quota of a container
        torch.set_num_threads(min(n_threads, n_cores()))
    try:
        with (
            joined_processes(config) as processes,
            locked(run) if processes.is_main else nullcontext(),
        ):
            if processes.is_main and not resume:
                refuse_finished(run)  # after locking: a running training is named as such
            training = _Training(
                dataset, run, config, checkpoint, processes, on_progress, on_metrics
            )
            return training.run_to_end(started)
    finally:
        torch.set_num_threads(n_threads)


class RunningMean:
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


@contextmanager
def catching_interrupt(*, repeated: bool = False) -> Iterator[threading.Event]:
    """Set the event on Ctrl-C or SIGTERM, so that the current step can finish.

    A second signal stops at once, except with `repeated`: torchrun passes a Ctrl-C on to processes
    that already received it, and itself stops those that don't end.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def on_signal(number: int, frame: Any) -> None:
        event.set()
        if not repeated:
            restore()

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    previous = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield event
    finally:
        restore()


class _Training:
    """State of one training."""

    def __init__(
        self,
        dataset: Dataset,
        run: Path,
        config: TrainConfig,
        checkpoint: Checkpoint | None,
        processes: ProcessGroup,
        on_progress: Callable[[TrainingProgress], None] | None,
        on_metrics: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.run, self.dataset = run, dataset
        self.processes, self.on_progress = processes, on_progress
        self.drawings, labels, self.held_out = split_off_validation(dataset, config)
        self.notes: list[str] = []
        start = None
        if checkpoint is None and config.start_from is not None:
            start = load_encoder(config.start_from, runtime="pytorch")
            if not start.spec.order:
                config = config.without_order()
        elif checkpoint is None and config.render.order:
            label = without_order(self.drawings, labels)
            if label is not None:
                config = config.without_order()
                self.notes.append(
                    "trained without the order of the strokes, which is unknown for most drawings "
                    f"of {dataset.categories[label]}"
                )
        # config.toml, which model cards quote, keeps the paths as given.
        self.config = config.with_absolute_teachers()
        self.batches = TrainingBatches(
            with_strokes(self.drawings),
            labels,
            min(config.batch_size, len(labels)),
            config.augment,
            config.render,
            config.seed,
            rank=processes.rank,
            n_processes=processes.n,
            teachers=Teachers(config, dataset.categories, processes.device)
            if config.teachers
            else None,
        )
        if self.batches.batch_size < processes.n:
            raise TrainingError(
                f"a batch of {self.batches.batch_size} drawings is too small for {processes.n} "
                "processes; start fewer or make the batch larger"
            )
        self.learner = Learner(config, dataset.categories, self.drawings, processes)
        self.step, self.elapsed_s = 0, 0.0
        self.budget: TimeBudget | None = None  # for steps, with `minutes`
        if checkpoint is not None:
            self.learner.weights.restore(checkpoint.weights)
            self.step, self.elapsed_s = checkpoint.step, checkpoint.elapsed_s
        elif start is not None:
            self.learner.start_from(start)
        if processes.is_main:
            self.log = MetricsLog(run, keep_until_step=self.step, on_write=on_metrics)
            if checkpoint is None:
                write_bytes(run / CONFIG_NAME, to_toml(config).encode())

    @property
    def share_done(self) -> float:
        """How far the training is, 0..1: by the clock with a time budget, otherwise by steps."""
        if self.budget is not None:
            return self.budget.share_done(self.elapsed_s)
        return self.step / self._n_steps

    def run_to_end(self, started: float) -> RunResult:
        """Train until the end or Ctrl-C; the main process writes the encoder.

        A time budget counts from `started`, a time of `perf_counter`.
        """
        already_s = self.elapsed_s
        meter = CpuMeter()
        if self.config.minutes is not None:
            finish_s = self._time_to_finish() if self.processes.is_main else 0.0
            self.budget = TimeBudget(
                self.config.minutes,
                self.processes.sum([finish_s])[0],
                n_categories=len(self.dataset.categories),
                from_scratch=self.config.start_from is None,
            )
        last_checkpoint_s = self.elapsed_s
        with catching_interrupt(repeated=self.processes.n > 1) as interrupted:
            for outcome in self._steps(interrupted, started):
                if not self.processes.is_main:
                    continue
                if self.step % self.batches.steps_per_epoch == 0:
                    validates = self.held_out is not None and self.share_done < 1
                    validated = {"validation_top1": self._validate()} if validates else {}
                    self.log.write("epoch", **outcome, **validated)
                if self.elapsed_s - last_checkpoint_s > _CHECKPOINT_EVERY_S:
                    self._save_checkpoint()
                    last_checkpoint_s = self.elapsed_s
            if self.processes.is_main:
                self._save_checkpoint()
        unfinished = self.share_done < 1
        encoder, validation_top1 = None, None
        if self.budget is not None and not unfinished:
            self.budget.end(self.step * self.batches.batch_size)
        if self.processes.is_main:
            if not unfinished:
                try:
                    encoder, validation_top1 = self._finish(started, already_s)
                except KeyboardInterrupt:  # nothing is lost: the checkpoint is written
                    unfinished = True
            share = meter.read()
            if share is not None and share.is_busy:
                self.notes.append(str(share))
        return RunResult(
            self.run,
            encoder,
            self.step,
            already_s + time.perf_counter() - started,
            unfinished,
            validation_top1,
            tuple(self._notes),
        )

    @property
    def _n_steps(self) -> int:
        return self.config.steps or self.config.epochs * self.batches.steps_per_epoch

    @property
    def _notes(self) -> list[str]:
        warning = "" if self.budget is None else self.budget.warning
        return [*self.notes, warning] if warning else [*self.notes]

    def _steps(self, interrupted: threading.Event, started: float) -> Iterator[dict[str, Any]]:
        """Take steps until the end or an interruption, yielding what to log after each."""
        running = RunningMean()
        batch_size = self.batches.batch_size
        threads = ThreadTuner() if self._tunes_threads else None
        # Batches are planned a few steps ahead. All processes then agree on `share_done`, so they
        # choose the same image size.
        batches = prefetch(
            lambda step: partial(self.batches.at, step, size_px=self._size_at(step)),
            self.step,
            n_threads=2,
        )
        step_started = time.perf_counter()
        with closing(batches):
            for _, batch in batches:
                if self.share_done >= 1:
                    break
                rate = learning_rate(self.config, self.share_done)
                loss, n_right = self.learner.learn(
                    batch, step=self.step, learning_rate=rate, batch_size=batch_size
                )
                now = time.perf_counter()
                # One exchange per step: losses, the main process's clock, and a Ctrl-C anywhere.
                took_s = now - started if self.processes.is_main else 0.0
                loss, all_right, took_s, n_interrupted = self.processes.sum(
                    [loss, n_right, took_s, interrupted.is_set()]
                )
                drawings_per_second = batch_size / (now - step_started)
                started = step_started = now
                self.step += 1
                self.elapsed_s += took_s
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"the loss became {loss} at step {self.step}; train with a lower "
                        "learning_rate"
                    )
                running.add(loss / batch_size, all_right / batch_size, drawings_per_second)
                if threads is not None:
                    threads.after_step(drawings_per_second, size_px=batch.images.shape[1])
                if self.budget is not None:
                    n_seen = self.step * batch_size
                    self.budget.forecast(
                        self.elapsed_s, step=self.step, n_seen=n_seen, rate=running.rate
                    )
                yield self._report(running, image_size_px=batch.images.shape[1])
                if n_interrupted:
                    break

    @property
    def _tunes_threads(self) -> bool:
        """Only with a time budget: the number of threads changes the last bits of sums, and other
        runs must be reproducible."""
        return (
            self.config.minutes is not None
            and self.processes.n == 1
            and self.processes.device.type == "cpu"
        )

    def _report(self, running: RunningMean, *, image_size_px: int) -> dict[str, Any]:
        """Log every 20th step, report progress, and return what to log."""
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
        if self.processes.is_main:
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
                        tuple(self._notes),
                    )
                )
        return outcome

    def _size_at(self, step: int) -> int:
        if self.config.minutes is not None:
            return image_size_px(self.config, self.share_done)
        return image_size_px(self.config, step / self._n_steps)

    def _validate(self) -> float:
        """Top-1 accuracy on the held-out drawings, at the current image size."""
        assert self.held_out is not None
        drawings, labels = self.held_out
        spec = replace(self.config.render, size_px=self._size_at(self.step))
        probabilities = self.learner.encoder(spec).predict(drawings).probabilities
        return float((probabilities.argmax(1) == labels).mean())

    def _time_to_finish(self) -> float:
        """Estimate, from a short trial, the seconds that `_finish` takes without a deadline."""
        encoder = self.learner.encoder(self.config.render)
        sample = self.drawings[:64]
        # Kernels are compiled on first use, which takes a minute on a busy machine: do it now.
        first = sample[:32]
        finish.calibrate(encoder, (first, np.zeros(len(first), int)), 1.0, finish.Deadline(None))
        began = time.perf_counter()
        encoder.predict(sample)
        encode_s = (time.perf_counter() - began) / len(sample)
        n_held_out = 0 if self.held_out is None else len(self.held_out[1])
        n = finish.n_drawings_to_encode(
            len(self.drawings), n_held_out, has_branches=bool(self.learner.model.branches)
        )
        # In training mode, as for the norms, a drawing takes about twice as long.
        return encode_s * (1.2 * n + 2 * _N_FOR_NORMS)

    def _finish(self, started: float, already_s: float) -> tuple[Encoder, float | None]:
        """Make, calibrate and save the encoder, within the time budget if there is one."""
        left_s = None
        if self.budget is not None:
            left_s = self.budget.seconds - already_s - (time.perf_counter() - started)
            if already_s:  # resumed, perhaps after a stop in the middle of this work: all its time
                left_s = max(left_s, self.budget.finish_s)
        deadline = finish.Deadline(left_s)
        self.learner.measure_norms(deadline.limit(self._batches_for_norms(), share=0.3))
        encoder, top1 = self.learner.encoder(self.config.render), None
        if not all(one.isfinite().all() for one in encoder.as_pytorch().stored_weights().values()):
            raise TrainingError(
                f"the weights became NaN or infinite at step {self.step}; train with a lower "
                "learning_rate"
            )
        if self.held_out is not None:
            finish.fit_stroke_weights(encoder, self.held_out, deadline)
            precision = self.config.unsure_precision
            top1 = finish.calibrate(encoder, self.held_out, precision, deadline)
            if encoder.unsure_precision is None:
                n = len(self.held_out[1])
                self.notes.append(
                    "the probabilities and the threshold of `unsure` are not calibrated: only "
                    f"{n} drawing{' was' if n == 1 else 's were'} held out, at least "
                    f"{finish.MIN_TO_CALIBRATE} are needed; prepare more drawings, or raise "
                    "`validation` in a preset"
                )
            self.log.write(
                "validation",
                step=self.step,
                seconds=self.elapsed_s,
                top1=top1,
                temperature=encoder.temperature,
                unsure_below=encoder.unsure_below,
                unknown_below=encoder.unknown_below,
            )
        finish.add_binary_codes(encoder, self.drawings, seed=self.config.seed, deadline=deadline)
        encoder.save(self.run / FILE_NAME)
        return encoder, top1

    def _batches_for_norms(self) -> Iterator[Batch]:
        """The batches that would come next, as a single process would get them."""
        batches = replace(self.batches, rank=0, n_processes=1, teachers=None)
        for ahead in range(-(-_N_FOR_NORMS // batches.batch_size)):
            yield batches.at(self.step + ahead, size_px=self.config.render.size_px)

    def _save_checkpoint(self) -> None:
        Checkpoint(
            config=self.config,
            categories=self.dataset.categories,
            step=self.step,
            elapsed_s=self.elapsed_s,
            weights=self.learner.weights.state(),
            training_files=training_files(self.dataset),
        ).save(self.run)
