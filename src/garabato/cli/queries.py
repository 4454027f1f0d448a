"""Queries: files with one or more drawings, or - for stdin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import garabato
from garabato.cli.output import print_unreadable, stderr


@dataclass(frozen=True, slots=True)
class Query:
    """A drawing to classify or search for: the `number`th of `file`, shown as `name`."""

    drawing: garabato.Drawing
    file: str
    number: int
    name: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON; key_id and category only if they are known."""
        document: dict[str, Any] = {"file": self.file, "number": self.number}
        for name in ("key_id", "category"):
            if getattr(self.drawing, name) is not None:
                document[name] = getattr(self.drawing, name)
        return document


def read_queries(
    files: Iterable[str], unreadable: list[garabato.FormatError] | None = None
) -> list[Query]:
    """The drawings of all files, except empty ones, which are reported on stderr.

    Files that cannot be read are added to `unreadable`. The first one raises if there is no such
    list, or if no file can be read.
    """
    report = garabato.ReadReport()
    queries = []
    for file, label in _labels(list(files)):
        try:
            drawings = list(garabato.read_drawings(file, report=report))
        except garabato.FormatError as error:
            if unreadable is None:
                raise
            unreadable.append(error)
            continue
        for number, drawing in enumerate(drawings, start=1):
            queries.append(Query(drawing, file, number, f"{label}, drawing {number}"))
    print_unreadable(report)
    if unreadable and not queries:
        for other in unreadable[1:]:
            stderr.print(str(other))
        raise unreadable[0]
    for query in queries:
        if query.drawing.is_empty:
            stderr.print(f"{query.name}: empty, skipped")
    drawn = [query for query in queries if not query.drawing.is_empty]
    if not drawn:
        raise garabato.InputError("the query drawing is empty; draw at least one stroke")
    return drawn


def _labels(files: list[str]) -> list[tuple[str, str]]:
    """Each file and its name for people: the whole path if two files have the same name."""
    names = Counter(Path(file).name for file in dict.fromkeys(files))
    return [
        (file, "stdin" if file == "-" else Path(file).name if names[Path(file).name] == 1 else file)
        for file in files
    ]
