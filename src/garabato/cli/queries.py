"""Queries as commands take them: files with one or more drawings, or - for stdin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garabato.cli.console import stderr

if TYPE_CHECKING:
    from garabato.drawing import Drawing


@dataclass(frozen=True, slots=True)
class Query:
    """One drawing asked about, and where it stands: the file and the how-manyth in it."""

    drawing: Drawing
    file: str
    number: int

    @property
    def name(self) -> str:
        """For people."""
        file = "stdin" if self.file == "-" else Path(self.file).name
        return f"{file}, drawing {self.number}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it; key_id and category only where they are known."""
        document: dict[str, Any] = {"file": self.file, "number": self.number}
        for name in ("key_id", "category"):
            if getattr(self.drawing, name) is not None:
                document[name] = getattr(self.drawing, name)
        return document


def read_queries(files: Iterable[str]) -> list[Query]:
    """The drawings of all files that have ink; others are told on stderr."""
    from garabato.errors import InputError
    from garabato.formats import ReadReport, read_drawings

    report = ReadReport()
    queries = [
        Query(drawing, file, number)
        for file in files
        for number, drawing in enumerate(read_drawings(file, report=report), start=1)
    ]
    for line in report.lines():
        stderr.print(line)
    inked = []
    for query in queries:
        if query.drawing.is_empty:
            stderr.print(f"{query.name}: no ink, passed over")
        else:
            inked.append(query)
    if not inked:
        raise InputError("there is no drawing with ink to ask about")
    return inked
