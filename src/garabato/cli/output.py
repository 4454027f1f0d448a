"""Printing: results on stdout; progress and messages on stderr."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

import garabato
from garabato.cli.group import raise_if_interrupted

#: For progress and messages. Text is printed unchanged, without markup and wrapping.
stderr = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
#: For results.
stdout = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
if not stdout.is_terminal and "COLUMNS" not in os.environ:
    stdout.width = 1000  # else tables in pipes and files would break long key_ids at 80 columns

#: `report(stage, n_done, n_total)`; n_total is None while it is unknown.
ReportProgress = Callable[[str, int, int | None], None]

#: A list of numbers over several lines; no string has a line break in JSON.
_NUMBERS = re.compile(r"\[\n([-+.\deE,\s]+)\]")

#: If stderr is a file, a line of progress is printed this often.
_LINE_EVERY_S = 30.0


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    click.echo(_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text))


def print_result(document: Any, text: str, *, as_json: bool) -> None:
    """Print a result on stdout, as one JSON document or as text."""
    if as_json:
        print_json(document)
    else:
        stdout.print(text)


def print_unreadable(report: garabato.ReadReport) -> None:
    """Print what could not be read, a line for each kind of problem."""
    for line in report.lines():
        stderr.print(line)


def print_busy(meter: garabato.CpuMeter) -> None:
    """Print a note if other processes kept the machine busy since `meter` was created."""
    share = meter.read()
    if share is not None and share.is_busy:
        stderr.print(f"note: {share}")


def print_picture(picture: Path, n_rows: int) -> None:
    """Print where a picture is, and a note if it does not show all of `n_rows` rows."""
    if n_rows > garabato.MAX_PICTURE_ROWS:
        stderr.print(f"the picture shows the first {garabato.MAX_PICTURE_ROWS} of {n_rows} rows")
    stderr.print(f"look at {picture}")


def counted(n: int, noun: str) -> str:
    """ "1 drawing", "2,000 drawings", "3 categories"."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{n:,} {noun if n == 1 else plural}"


def partly_listed(n_listed: int, n_found: int, option: str) -> str:
    """ "; 10 of them listed ..." if a list is incomplete, else "".

    `option` sets the length of the list.
    """
    if n_listed >= n_found:
        return ""
    return f"; {n_listed:,} of them listed ({option} {n_found} lists all)"


@contextmanager
def progress(unit: str = "drawings") -> Iterator[ReportProgress]:
    """A progress bar for each stage, with its rate in `unit` per second and the time left.

    Yields `report(stage, n_done, n_total)`, which functions of the public API take as `progress`.
    A stage is a short text; its bar appears with its first report. If stderr is a file, a line is
    printed every 30 s instead, and one for each stage at the end.
    """
    if not stderr.is_terminal:
        lines = _StageLines(unit)
        yield _interruptible(lines.report)
        lines.finish()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield _interruptible(report)


class TrainingNotes:
    """Prints the notes of a training, each once."""

    def __init__(self) -> None:
        self._printed: set[str] = set()

    def print(self, notes: Iterable[str]) -> None:
        """Print the `notes` that are new."""
        for note in notes:
            if note not in self._printed:
                stderr.print(f"note: {note}")
                self._printed.add(note)


@contextmanager
def training_progress(
    notes: TrainingNotes, *, shown: bool = True
) -> Iterator[Callable[[garabato.TrainingProgress], None]]:
    """A bar with loss, accuracy, rate and time left; a line every 30 s if stderr is a file."""
    has_bar = shown and stderr.is_terminal
    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=stderr)
    task = bar.add_task("", total=1.0)
    with bar if has_bar else nullcontext():  # rich ends any bar with a line, even an unseen one
        next_s = 0.0

        def show(progress: garabato.TrainingProgress) -> None:
            nonlocal next_s
            notes.print(progress.notes)
            if has_bar:
                bar.update(task, completed=progress.share_done, description=_in_words(progress))
            elif progress.share_done >= 1 or time.monotonic() >= next_s:
                next_s = time.monotonic() + _LINE_EVERY_S
                stderr.print(f"training {progress.share_done:4.0%} {_in_words(progress)}")

        yield show if shown else (lambda progress: None)


class _StageLines:
    """Progress as lines: the stage, how much is done, and the rate."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._next_s = time.monotonic() + _LINE_EVERY_S
        self._started_s: dict[str, float] = {}
        self._last: dict[str, tuple[int, int | None, float]] = {}

    def report(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        self._started_s.setdefault(stage, now)
        self._last[stage] = done, total, now
        if now >= self._next_s:
            self._next_s = now + _LINE_EVERY_S
            self._print(stage)

    def finish(self) -> None:
        for stage in [*self._last]:
            self._print(stage)

    def _print(self, stage: str) -> None:
        done, total, now = self._last.pop(stage)
        took_s = now - self._started_s[stage]
        of_total = "" if total is None else f" of {total:,}"
        rate = _rate(done / took_s, self._unit) if took_s >= 1 else ""
        stderr.print(f"{stage} {done:,}{of_total}{rate and f', {rate}'}")


def _rate(per_s: float, unit: str) -> str:
    """Empty without a unit, and if it would be 0 or 1: it counts something larger, or stalled."""
    return f"{per_s:,.0f} {unit}/s" if unit and per_s >= 1.5 else ""


def _interruptible(report: ReportProgress) -> ReportProgress:
    def report_unless_interrupted(stage: str, done: int, total: int | None) -> None:
        raise_if_interrupted()
        report(stage, done, total)

    return report_unless_interrupted


class _RateColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else _rate(speed, self.unit))


def _in_words(progress: garabato.TrainingProgress) -> str:
    return (
        f"epoch {progress.epoch} · loss {progress.loss:.3f} · accuracy "
        f"{progress.accuracy:.3f} · {progress.drawings_per_second:,.0f} drawings/s"
    )
