"""What a reader could not read: counted, with the first positions of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from garabato.errors import FormatError

#: Positions kept of each kind; more are only counted.
MAX_POSITIONS = 10
#: Kinds kept; a file of a million different faults must not fill the memory.
MAX_KINDS = 100
OTHER = "other problems"


@dataclass(slots=True)
class Problem:
    """One kind of fault: how often it was met, and the first ten positions."""

    n: int = 0
    positions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ReadReport:
    """How many drawings were read, how many positions were unreadable, and why.

    Hand one to any reader; it adds up over many files. `problems` maps a kind of fault (the
    `problem` of the FormatErrors) to its count and its first ten positions ("cat.ndjson, line 12").
    """

    n_read: int = 0
    n_unreadable: int = 0
    problems: dict[str, Problem] = field(default_factory=dict)

    def add(self, error: FormatError) -> None:
        """Count one unreadable position."""
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
        """The report for people: nothing where all was read."""
        lines = []
        for kind, problem in self.problems.items():
            lines.append(f"{problem.n:,} unreadable: {kind}")
            lines += [f"  {position}" for position in problem.positions]
            if problem.n > len(problem.positions):
                lines.append(f"  ... and {problem.n - len(problem.positions):,} more")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it: n_read, n_unreadable, problems (kind -> n, places)."""
        return {
            "n_read": self.n_read,
            "n_unreadable": self.n_unreadable,
            "problems": {
                kind: {"n": problem.n, "places": list(problem.positions)}
                for kind, problem in self.problems.items()
            },
        }
