"""A report on reading: unreadable drawings, counted by kind of problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from garabato.errors import FormatError

#: For each kind of problem this many positions are kept; the rest are only counted.
MAX_POSITIONS = 10
#: This many kinds are kept, so that a file of a million different problems cannot fill the memory.
MAX_KINDS = 100
OTHER = "other problems"


@dataclass(slots=True)
class Problem:
    """One kind of problem: how often it occurred, and its first ten positions."""

    n: int = 0
    positions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ReadReport:
    """How many drawings were read, how many were unreadable, and why.

    Pass one to any reader; it adds up over files. `problems` maps a kind of problem (the `problem`
    of the FormatErrors) to its count and its first ten positions ("cat.ndjson, line 12"). `notes`
    counts drawings that were read without some of their metadata, by what was left out.
    """

    n_read: int = 0
    n_unreadable: int = 0
    problems: dict[str, Problem] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def add_notes(self, notes: Mapping[str, int]) -> None:
        """Add the notes on one file."""
        for note, n in notes.items():
            if note not in self.notes and len(self.notes) >= MAX_KINDS:
                note = OTHER
            self.notes[note] = self.notes.get(note, 0) + n

    def add(self, error: FormatError) -> None:
        """Count one unreadable drawing."""
        self.n_unreadable += 1
        kind = error.problem
        if kind not in self.problems and len(self.problems) >= MAX_KINDS:
            kind = OTHER
        problem = self.problems.setdefault(kind, Problem())
        problem.n += 1
        if len(problem.positions) < MAX_POSITIONS:
            where = ", ".join(part for part in (error.path, error.position) if part)
            problem.positions.append(where or "unknown position")

    def lines(self) -> list[str]:
        """The report as lines of text; none if everything was read."""
        lines = []
        for kind, problem in self.problems.items():
            lines.append(f"{problem.n:,} unreadable: {kind}")
            lines += [f"  {position}" for position in problem.positions]
            if problem.n > len(problem.positions):
                lines.append(f"  ... and {problem.n - len(problem.positions):,} more")
        lines += [f"{n:,} read, but {note}" for note, n in self.notes.items()]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON: n_read, n_unreadable, problems (kind -> n, places), notes if any."""
        document: dict[str, Any] = {
            "n_read": self.n_read,
            "n_unreadable": self.n_unreadable,
            "problems": {
                kind: {"n": problem.n, "places": list(problem.positions)}
                for kind, problem in self.problems.items()
            },
        }
        return document | ({"notes": dict(self.notes)} if self.notes else {})
