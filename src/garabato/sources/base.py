"""What every source of drawings can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

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
