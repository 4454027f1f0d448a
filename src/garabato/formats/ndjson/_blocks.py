"""Simplified ndjson to columns, without a Python object for each point or stroke."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from garabato.drawing import DrawingBatch
from garabato.formats.ndjson._columns import (
    COUNTRY,
    KEY_ID,
    NEWLINE,
    TIMESTAMP,
    WORD,
    Columns,
    copy_spans,
    scan_block,
)

_RECOGNIZED_VALUES = (False, True, None)

#: The shortest text of a point ("1,1," over both rows) and of a stroke ("[[],[]],").
_BYTES_PER_POINT, _BYTES_PER_STROKE = 4, 8

#: A line that the scanner did not understand: its number in the block (from 0), its first byte, its
#: end, and the number of drawings of the batch that come before it.
OtherLine = tuple[int, int, int, int]


class BlockParser:
    """Parses blocks one by one, reusing its memory. Not thread-safe."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._grow(n_bytes=0, n_lines=0)

    def parse(self, block: bytes) -> tuple[DrawingBatch, list[OtherLine]]:
        """Parse lines of ndjson; each, including the last, ends with a line end.

        Returns the drawings, and the lines that were not understood or are longer than
        `max_line_bytes`. Blank lines are skipped.
        """
        data = np.frombuffer(block, np.uint8)
        line_ends = np.flatnonzero(data == NEWLINE)
        if len(data) > self._n_bytes or len(line_ends) > self._n_lines:
            self._grow(n_bytes=len(data), n_lines=len(line_ends))
        n_drawings, n_others = scan_block(data, line_ends, self._columns, self._max_line_bytes)
        points, stroke_starts, drawing_starts, spans, recognized, other_lines = self._columns
        n_strokes = drawing_starts[n_drawings]
        texts = [_texts(data, spans[:n_drawings, column]) for column in range(4)]
        batch = DrawingBatch(
            points=points[: stroke_starts[n_strokes]].copy(),
            stroke_starts=stroke_starts[: n_strokes + 1].copy(),
            drawing_starts=drawing_starts[: n_drawings + 1].copy(),
            key_ids=texts[KEY_ID],
            categories=_interned(texts[WORD]),
            countries=_interned(texts[COUNTRY]),
            timestamps=texts[TIMESTAMP],
            recognized=[_RECOGNIZED_VALUES[value] for value in recognized[:n_drawings].tolist()],
        )
        return batch, [tuple(line) for line in other_lines[:n_others].tolist()]

    def _grow(self, *, n_bytes: int, n_lines: int) -> None:
        self._n_bytes, self._n_lines = n_bytes, n_lines
        self._columns = Columns(
            points=np.empty((n_bytes // _BYTES_PER_POINT + 1, 2), np.float32),
            stroke_starts=np.empty(n_bytes // _BYTES_PER_STROKE + 2, np.int64),
            drawing_starts=np.empty(n_lines + 1, np.int64),
            spans=np.empty((n_lines, 4, 2), np.int64),
            recognized=np.empty(n_lines, np.int8),
            other_lines=np.empty((n_lines, 4), np.int64),
        )


def _texts(data: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64]) -> list[str | None]:
    """The strings at `spans` (N, 2); None if missing or empty."""
    lines = copy_spans(data, spans).tobytes().decode("ascii")
    texts: list[str | None] = lines.split("\n")[:-1]
    for row in np.flatnonzero((spans[:, 0] < 0) | (spans[:, 0] == spans[:, 1])).tolist():
        texts[row] = None
    return texts


def _interned(texts: list[str | None]) -> list[str | None]:
    """The same texts; equal ones become one object."""
    unique: dict[str | None, str | None] = {}
    return list(map(unique.setdefault, texts, texts))
