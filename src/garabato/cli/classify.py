"""garabato classify."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

import garabato
from garabato.cli.options import (
    Query,
    added_categories_option,
    json_option,
    model_option,
    read_queries,
)
from garabato.cli.output import counted, print_json, stderr, stdout


@click.command()
@model_option
@added_categories_option
@click.option(
    "-k", "k", type=click.IntRange(1), default=5, show_default=True, help="Categories per drawing."
)
@click.option(
    "--among",
    multiple=True,
    metavar="CATEGORY",
    help="Consider only this category; repeatable.",
)
@click.option(
    "--gallery", "uri", metavar="URI", help="Add the votes of the nearest drawings of a gallery."
)
@json_option
@click.argument("query", nargs=-1, required=True)
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    categories: Path | None,
    k: int,
    among: tuple[str, ...],
    uri: str | None,
    as_json: bool,
    query: tuple[str, ...],
) -> None:
    """Classify the drawings in QUERY: files with one or more drawings, or - for stdin.

    Low-confidence predictions are marked "unsure": the best category is less probable than the
    threshold that training chose, or than 0.5 if it chose none. They are marked "unknown" if even
    the five best categories together are less probable than a second threshold: the drawing seems
    to show nothing that the encoder knows.

    Files that cannot be read are named at the end; the others are classified, and the exit status
    is 1.

    With --among, only these categories are considered; their probabilities sum to 1.

    With --gallery, the 20 most similar drawings of the gallery give a second opinion: each votes
    for its category, and more similar ones have more weight.

    \b
    Example: garabato classify --model run query.ndjson -k 3
    Example: garabato classify --among car --among fish query.ndjson
    Example: garabato classify --gallery my.gallery query.ndjson
    """
    unreadable: list[garabato.FormatError] = []
    queries = read_queries(query, unreadable)
    if uri is not None:
        garabato.open_gallery(uri, must_exist=True)  # report a wrong name before loading an encoder
    encoder = garabato.load_encoder(model, categories=categories)
    results = [encoder.classify(one.drawing, k=k, among=among or None) for one in queries]
    votes = None if uri is None else _votes(uri, encoder, queries, k)
    if as_json:
        document: dict[str, object] = {"queries": _documents(queries, results, votes)}
        if unreadable:
            document["unreadable"] = [str(error) for error in unreadable]
        print_json(document)
    else:
        _print_table(queries, results, votes)
    if unreadable:
        stderr.print(f"unreadable: {len(unreadable):,} of {counted(len(query), 'file')}")
        for error in unreadable:
            stderr.print(f"  {error}")
        ctx.exit(1)


def _votes(
    uri: str, encoder: garabato.Encoder, queries: list[Query], k: int
) -> list[list[garabato.CategoryVote]]:
    gallery = garabato.open_gallery(uri, encoder=encoder, must_exist=True)
    hits = gallery.search_many([query.drawing for query in queries], k=garabato.N_VOTERS)
    return [garabato.category_votes(found)[:k] for found in hits]


def _documents(
    queries: list[Query],
    results: list[garabato.Predictions],
    votes: list[list[garabato.CategoryVote]] | None,
) -> list[dict[str, object]]:
    documents = []
    for number, (query, result) in enumerate(zip(queries, results, strict=True)):
        document = query.to_dict() | result.to_dict()
        if votes is not None:
            voted = votes[number]
            document["votes"] = [vote.to_dict() for vote in voted]
            document["agrees"] = bool(voted) and voted[0].category == result[0].category
        documents.append(document)
    return documents


def _print_table(
    queries: list[Query],
    results: list[garabato.Predictions],
    votes: list[list[garabato.CategoryVote]] | None,
) -> None:
    table = Table()
    table.add_column("drawing", overflow="fold")
    table.add_column("category", overflow="fold")
    table.add_column("probability", justify="right")
    if votes is not None:
        table.add_column("gallery's vote", overflow="fold")
        table.add_column("share", justify="right")
    for number, (query, result) in enumerate(zip(queries, results, strict=True)):
        mark = " (unknown)" if result.unknown else " (unsure)" if result.unsure else ""
        for rank, prediction in enumerate(result):
            name = query.name + mark if rank == 0 else ""
            row = [name, prediction.category, f"{prediction.probability:.1%}"]
            if votes is not None and rank < len(votes[number]):
                voted = votes[number][rank]
                row += [voted.category, f"{voted.share:.1%}"]
            table.add_row(*row, end_section=rank == len(result) - 1)
    stdout.print(table)
