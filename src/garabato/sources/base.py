"""What every source of drawings can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from garabato.drawing import DrawingBatch
from garabato.formats import ReadReport

#: `progress(stage, n_done, n_total)`; the total is None while it is unknown.
Progress = Callable[[str, int, int | None], None]


class Source(Protocol):
    """A place that holds drawings by category."""

    def categories(self) -> dict[str, list[Path]]:
        """The categories, sorted, and the files each is in."""

    def read(
        self, category: str, *, strict: bool = False, report: ReadReport | None = None
    ) -> Iterator[DrawingBatch]:
        """The drawings of one category in batches, each with its category set."""


def first_of_each(source: Source, n: int) -> Iterator[DrawingBatch]:
    """The first `n` drawings of each category that Google's network did not fail to recognise."""
    for category in source.categories():
        n_left = n
        for batch in source.read(category, report=ReadReport()):
            recognized = [i for i, known in enumerate(batch.recognized) if known is not False]
            batch = batch.take(np.array(recognized[:n_left], np.int64))
            yield batch
            n_left -= len(batch)
            if n_left <= 0:
                break
