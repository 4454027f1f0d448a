"""What commands print with: progress and words for people on stderr, results on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

#: For everything that is not the result itself. Text is printed as it is: no markup, no wrapping.
stderr = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
#: For results in words and tables.
stdout = Console(highlight=False, markup=False, soft_wrap=True)

#: `report(stage, done, total)`: how far a stage is; total None where it is not known.
ReportProgress = Callable[[str, int, int | None], None]


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))


def counted(n: int, noun: str) -> str:
    """ "1 drawing", "2,000 drawings", "3 categories"."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{n:,} {noun if n == 1 else plural}"


@contextmanager
def progress(unit: str = "drawings") -> Iterator[ReportProgress]:
    """A progress bar a stage on stderr, with the rate in `unit` a second and the time to go.

    Yields `report(stage, done, total)`, which long-running functions of the public API take as
    their `progress` argument; a stage is a short text and begins when it is first reported.
    """
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

        yield report


class _RateColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self.unit}/s")
