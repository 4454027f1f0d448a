"""Log a training for TensorBoard."""

from __future__ import annotations

from os import PathLike
from typing import Any

from garabato.errors import MissingExtraError


class TensorBoardLog:
    """Event files with the numbers of `metrics.jsonl`; pass it to `train` as `on_metrics`.

    Scalars are named by kind and name, such as `epoch/loss`. A resumed training may go on in the
    same `folder`: its first line hides what TensorBoard knows of later steps. Raises
    MissingExtraError without the extra `tensorboard`.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            raise MissingExtraError("a log for TensorBoard", "tensorboard") from None

        self._folder, self._writer_class = str(folder), SummaryWriter
        self._writer: SummaryWriter | None = None

    def __call__(self, line: dict[str, Any]) -> None:
        """Log one line of `metrics.jsonl`."""
        step = line["step"]
        if self._writer is None:
            self._writer = self._writer_class(self._folder, purge_step=step)
        for name, value in line.items():
            if isinstance(value, int | float) and name != "step":
                self._writer.add_scalar(f"{line['kind']}/{name}", value, step)
        self._writer.flush()
