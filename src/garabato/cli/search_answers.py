"""What `garabato search` asked and found, as JSON, as a table and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from garabato.cli.console import stderr, stdout
from garabato.cli.queries import Query

if TYPE_CHECKING:
    from garabato.gallery import Gallery, Hit
    from garabato.render.contact_sheets import Cell

#: Queries on a picture; more rows than a screen or two nobody looks at.
MAX_PICTURE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: drawings the hits should be like, and drawings they should be unlike."""

    more: tuple[Query, ...]
    less: tuple[Query, ...] = ()

    @property
    def is_combined(self) -> bool:
        """Whether it is made of several drawings."""
        return len(self.more) + len(self.less) > 1

    @property
    def category(self) -> str | None:
        """What the drawings show, where it is one and the same category."""
        categories = {query.drawing.category for query in self.more}
        return categories.pop() if len(categories) == 1 else None

    @property
    def name(self) -> str:
        """For people."""
        text = " + ".join(query.name for query in self.more)
        return " - ".join([text, *(query.name for query in self.less)])

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        if not self.is_combined:
            return self.more[0].to_dict()
        return {
            "like": [query.to_dict() for query in self.more],
            "unlike": [query.to_dict() for query in self.less],
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, best first, or groups of them by category."""

    asked: Asked
    found: list[Hit] | dict[str | None, list[Hit]]
    took_ms: float

    @property
    def hits(self) -> list[Hit]:
        """All hits, group by group where there are groups."""
        if isinstance(self.found, list):
            return self.found
        return [hit for group in self.found.values() for hit in group]

    def to_dict(self, *, with_query: bool) -> dict[str, Any]:
        """As JSON takes it; with the query where several were asked, or it is made of several."""
        document: dict[str, Any]
        if isinstance(self.found, list):
            document = {"hits": [hit.to_dict() for hit in self.found]}
        else:
            document = {
                "groups": [
                    {"category": category, "hits": [hit.to_dict() for hit in group]}
                    for category, group in self.found.items()
                ]
            }
        document["took_ms"] = round(self.took_ms, 2)
        if with_query or self.asked.is_combined:
            document["query"] = self.asked.to_dict()
        return document


def print_table(answer: Answer) -> None:
    """The hits as a table on stdout, a line between groups; nothing where there are none."""
    from rich.table import Table

    if not answer.hits:
        return
    asked = answer.asked
    shows = f" ({asked.category})" if asked.category else ""
    table = Table(title=f"most like {asked.name}{shows}", title_justify="left")
    table.add_column("", justify="right")
    for name in ("score", "category", "country", "key_id"):
        table.add_column(name, justify="right" if name == "score" else "left")
    groups = [answer.found] if isinstance(answer.found, list) else list(answer.found.values())
    rank = 0
    for group in groups:
        for place, hit in enumerate(group, start=1):
            rank += 1
            score, category = f"{hit.score:.3f}", hit.category or ""
            row = (str(rank), score, category, hit.country or "", hit.key_id)
            table.add_row(*row, end_section=place == len(group))
    stdout.print(table)


def draw(answers: list[Answer], gallery: Gallery, where: dict[str, Any], picture: Path) -> None:
    """The queries and their hits as a PNG, one row a query, or a row a group.

    Hits are marked as right or wrong where some drawing that passes `where` could be right.
    """
    from garabato.render.contact_sheets import draw_sheet, save_png

    categories = {answer.asked.category: answer.asked.more[0].drawing for answer in answers}
    there = {
        category
        for category, drawing in categories.items()
        if category is not None
        and category in where.get("category", [category])
        and gallery.search(drawing, k=1, where=where | {"category": [category]})
    }
    rows = [row for answer in answers for row in _rows(answer, answer.asked.category in there)]
    combined = any(answer.asked.is_combined for answer in answers)
    left = "the drawings it should be like (and unlike)" if combined else "the query"
    title = f"Most like it in {gallery.uri}\nleft: {left}; the number is the cosine similarity"
    save_png(draw_sheet(rows[:MAX_PICTURE_ROWS], title=title, cell_px=112), picture)
    if len(rows) > MAX_PICTURE_ROWS:
        stderr.print(f"the picture shows the first {MAX_PICTURE_ROWS} of {len(rows)} rows")


def _rows(answer: Answer, can_be_right: bool) -> list[list[Cell]]:
    from garabato.render.contact_sheets import Cell

    asked = answer.asked
    row = [Cell(one.drawing, one.drawing.category or "query", "query") for one in asked.more]
    row += [Cell(one.drawing, f"not {one.drawing.category or 'this'}") for one in asked.less]
    groups = [answer.found] if isinstance(answer.found, list) else list(answer.found.values())
    rows = []
    for group in groups or [[]]:
        cells = []
        for hit in group:
            caption = f"{hit.category or 'unknown'} {hit.score:.2f}"
            if not can_be_right or asked.less:
                cells.append(Cell(hit.drawing, caption))
            else:
                is_right = hit.category == asked.category
                cells.append(Cell(hit.drawing, caption, "right" if is_right else "wrong"))
        rows.append([*row, *cells])
    return rows
