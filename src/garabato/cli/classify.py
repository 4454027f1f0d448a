"""garabato classify."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from garabato.cli.console import print_json, stdout
from garabato.cli.model_option import model_option
from garabato.cli.queries import Query, read_queries

if TYPE_CHECKING:
    from garabato.encoder import Encoder, Prediction
    from garabato.gallery.explore import Vote

#: Nearest drawings of a gallery that vote.
VOTERS = 20


@click.command()
@model_option
@click.option("-k", "k", default=5, show_default=True, help="Categories a drawing.")
@click.option("--gallery", "uri", metavar="URI", help="Ask the nearest drawings in it, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the predictions as JSON.")
@click.argument("query", nargs=-1, required=True)
def command(
    model: str | None, k: int, uri: str | None, as_json: bool, query: tuple[str, ...]
) -> None:
    """Say what the drawings in QUERY show: files with one or more drawings, or - for stdin.

    Drawings whose best prediction is less probable than the encoder's threshold are marked
    "unsure". Training chooses the threshold; without one it is 0.5.

    With --gallery the 20 most similar drawings there give a second opinion: each votes for its
    category, the nearer the more.

    \b
    Example: garabato classify --model run query.ndjson -k 3
    Example: garabato classify --gallery my.gallery query.ndjson
    """
    if k < 1:
        raise click.UsageError("-k is at least 1")
    queries = read_queries(query)
    if uri is not None:
        from garabato.gallery import open_gallery

        open_gallery(uri, must_exist=True)  # before PyTorch is loaded: a wrong name is told at once

    from garabato.encoder import load_encoder

    encoder = load_encoder(model)
    answers = [encoder.classify(asked.drawing, k=k) for asked in queries]
    unsure = [encoder.is_unsure(predictions) for predictions in answers]
    votes = None if uri is None else _votes(uri, encoder, queries)
    if as_json:
        documents = []
        for number, (asked, predictions) in enumerate(zip(queries, answers, strict=True)):
            document = asked.to_dict()
            document["predictions"] = [
                {"category": p.category, "probability": round(p.probability, 6)}
                for p in predictions
            ]
            document["unsure"] = unsure[number]
            if votes is not None:
                listed = votes[number][:k]
                document["votes"] = [
                    {"category": v.category, "share": round(v.share, 6)} for v in listed
                ]
                document["agrees"] = bool(listed) and (
                    listed[0].category == predictions[0].category
                )
            documents.append(document)
        print_json({"queries": documents})
        return
    _print_table(queries, answers, unsure, votes)


def _votes(uri: str, encoder: Encoder, queries: list[Query]) -> list[list[Vote]]:
    from garabato.gallery import open_gallery
    from garabato.gallery.explore import vote

    gallery = open_gallery(uri, encoder=encoder, must_exist=True)
    return [vote(gallery.search(asked.drawing, k=VOTERS)) for asked in queries]


def _print_table(
    queries: list[Query],
    answers: list[list[Prediction]],
    unsure: list[bool],
    votes: list[list[Vote]] | None,
) -> None:
    from rich.table import Table

    table = Table()
    table.add_column("drawing")
    table.add_column("category")
    table.add_column("probability", justify="right")
    if votes is not None:
        table.add_column("gallery's vote")
        table.add_column("share", justify="right")
    for number, (asked, predictions) in enumerate(zip(queries, answers, strict=True)):
        for rank, prediction in enumerate(predictions):
            name = asked.name + (" (unsure)" if unsure[number] else "") if rank == 0 else ""
            row = [name, prediction.category, f"{prediction.probability:.1%}"]
            if votes is not None and rank < len(votes[number]):
                voted = votes[number][rank]
                row += [voted.category, f"{voted.share:.1%}"]
            table.add_row(*row, end_section=rank == len(predictions) - 1)
    stdout.print(table)
