"""garabato search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garabato.cli.console import print_json, stderr, stdout
from garabato.cli.queries import Query, read_queries

if TYPE_CHECKING:
    from garabato.gallery import Hit

#: Queries on a picture; more rows than a screen or two nobody looks at.
MAX_PICTURE_ROWS = 50


def split_names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Names with commas between them, as options take them."""
    if value is None:
        return None
    return [name.strip() for name in value.split(",") if name.strip()]


@click.command()
@click.option("--gallery", "uri", required=True, metavar="URI", help="Gallery to search.")
@click.option("--model", type=click.Path(path_type=Path), help="Encoder file or run folder.")
@click.option("-k", "k", default=10, show_default=True, help="Hits a query.")
@click.option("--category", callback=split_names, metavar="C[,C]", help="Only drawings of these.")
@click.option(
    "--country", callback=split_names, metavar="CC[,CC]", help="Only drawings from these."
)
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the hits into this PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print the hits as JSON.")
@click.argument("query")
def command(
    uri: str,
    model: Path | None,
    k: int,
    category: list[str] | None,
    country: list[str] | None,
    picture: Path | None,
    as_json: bool,
    query: str,
) -> None:
    """Find the drawings most like those in QUERY, a file with one or more drawings or - for stdin.

    \b
    Example: garabato search --gallery my.gallery query.ndjson -k 10 --picture hits.png
    """
    from garabato.gallery import open_gallery

    where: dict[str, Any] = {}
    if category:
        where["category"] = category
    if country:
        where["country"] = country
    open_gallery(uri, must_exist=True)  # before PyTorch is loaded: a wrong name is told at once
    queries = read_queries([query])

    from garabato.encoder import load_encoder

    gallery = open_gallery(uri, encoder=load_encoder(model), must_exist=True)
    answers: list[tuple[Query, list[Hit], float]] = []
    for asked in queries:
        started = time.perf_counter()
        hits = gallery.search(asked.drawing, k=k, where=where)
        answers.append((asked, hits, 1000 * (time.perf_counter() - started)))
    if picture is not None:
        _draw(answers, uri, picture)
    if as_json:
        documents = [
            {"hits": [hit.to_dict() for hit in hits], "took_ms": round(took_ms, 2)}
            for _, hits, took_ms in answers
        ]
        if len(documents) > 1:
            for (asked, _, _), document in zip(answers, documents, strict=True):
                document["query"] = asked.to_dict()
        print_json(documents[0] if len(documents) == 1 else {"queries": documents})
    else:
        for asked, hits, _ in answers:
            _print_table(asked, hits)
        if picture is not None:
            stdout.print(f"look at {picture}")
    if category and not any(hits for _, hits, _ in answers):
        _explain_nothing(category)


def _print_table(asked: Query, hits: list[Hit]) -> None:
    from rich.table import Table

    shows = f" ({asked.drawing.category})" if asked.drawing.category else ""
    table = Table(title=f"most like {asked.name}{shows}", title_justify="left")
    table.add_column("", justify="right")
    for name in ("score", "category", "country", "key_id"):
        table.add_column(name, justify="right" if name == "score" else "left")
    for rank, hit in enumerate(hits, start=1):
        country = hit.country or ""
        row = (str(rank), f"{hit.score:.3f}", hit.category or "", country, hit.key_id)
        table.add_row(*row)
    stdout.print(table)


def _draw(answers: list[tuple[Query, list[Hit], float]], uri: str, picture: Path) -> None:
    from garabato.sheets import Cell, draw_sheet, save_png

    rows = []
    for asked, hits, _ in answers[:MAX_PICTURE_ROWS]:
        category = asked.drawing.category
        row = [Cell(asked.drawing, category or "query", "query")]
        for hit in hits:
            caption = f"{hit.category or 'unknown'} {hit.score:.2f}"
            if category is None:
                row.append(Cell(hit.drawing, caption))
            else:
                is_right = hit.category == category
                row.append(Cell(hit.drawing, caption, "right" if is_right else "wrong"))
        rows.append(row)
    title = f"Most like it in {uri}\nleft: the query; the number is the cosine similarity"
    save_png(draw_sheet(rows, title=title, cell_px=112), picture)
    if len(answers) > MAX_PICTURE_ROWS:
        stderr.print(f"the picture shows the first {MAX_PICTURE_ROWS} of {len(answers)} queries")


def _explain_nothing(names: list[str]) -> None:
    from garabato.categories import CATEGORIES, nearest_category

    for name in names:
        if name not in CATEGORIES:
            nearest = nearest_category(name, CATEGORIES)
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            stderr.print(f"no drawing found of category {name!r}{hint}")
