"""Data sets as TFRecords, for TensorFlow and from what was exported: no TensorFlow needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from garabato.dataset.tfrecord.example import decode_example
from garabato.dataset.tfrecord.framing import read_records
from garabato.dataset.tfrecord.records import from_features
from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import DatasetError, FormatError

__all__ = ["read_categories", "read_split"]


def read_split(files: Sequence[Path]) -> DrawingBatch:
    """The drawings of all shards of a split, in the order that they had before the export.

    Checksums are verified. Raises DatasetError naming the file and the byte or record.
    """
    rows: list[int] = []
    drawings: list[Drawing] = []
    for file in files:
        for row, drawing in _read_file(file):
            rows.append(row)
            drawings.append(drawing)
    batch = DrawingBatch.from_drawings(drawings)
    return batch.take(np.argsort(np.array(rows, np.int64), kind="stable"))


def read_categories(files: Sequence[Path]) -> list[str]:
    """The category of every drawing of a split, in the order of `read_split`."""
    return [str(category) for category in read_split(files).categories]


def _read_file(file: Path) -> Iterator[tuple[int, Drawing]]:
    number = 0
    try:
        for content in read_records(file):
            number += 1
            yield from_features(decode_example(content))
    except FormatError as error:
        where = "" if error.position else f"{file}, record {number}: "
        raise DatasetError(f"{where}{error}; export the data set again") from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read; export the data set again") from error
