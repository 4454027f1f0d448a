"""garabato classify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from garabato.cli.console import print_json, stdout
from garabato.cli.queries import Query, read_queries

if TYPE_CHECKING:
    from garabato.encoder import Prediction


@click.command()
@click.option("--model", type=click.Path(path_type=Path), help="Encoder file or run folder.")
@click.option("-k", "k", default=5, show_default=True, help="Categories a drawing.")
@click.option("--json", "as_json", is_flag=True, help="Print the predictions as JSON.")
@click.argument("query", nargs=-1, required=True)
def command(model: Path | None, k: int, as_json: bool, query: tuple[str, ...]) -> None:
    """Say what the drawings in QUERY show: files with one or more drawings, or - for stdin.

    "unsure" marks a drawing whose best answer is too improbable to be relied on: less so than the
    threshold that the encoder's training chose.

    \b
    Example: garabato classify --model run query.ndjson -k 3
    """
    if k < 1:
        raise click.UsageError("-k is at least 1")
    queries = read_queries(query)

    from garabato.encoder import load_encoder

    encoder = load_encoder(model)
    answers = [encoder.classify(asked.drawing, k=k) for asked in queries]
    if as_json:
        print_json(
            {
                "queries": [
                    asked.to_dict()
                    | {
                        "predictions": [
                            {"category": p.category, "probability": round(p.probability, 6)}
                            for p in predictions
                        ],
                        "unsure": encoder.is_unsure(predictions),
                    }
                    for asked, predictions in zip(queries, answers, strict=True)
                ]
            }
        )
        return
    unsure = [encoder.is_unsure(predictions) for predictions in answers]
    _print_table(queries, answers, unsure)


def _print_table(queries: list[Query], answers: list[list[Prediction]], unsure: list[bool]) -> None:
    from rich.table import Table

    table = Table()
    for name in ("drawing", "category", "probability"):
        table.add_column(name, justify="right" if name == "probability" else "left")
    for asked, predictions, is_unsure in zip(queries, answers, unsure, strict=True):
        for rank, prediction in enumerate(predictions):
            name = asked.name + (" (unsure)" if is_unsure else "") if rank == 0 else ""
            last = rank == len(predictions) - 1
            row = (name, prediction.category, f"{prediction.probability:.1%}")
            table.add_row(*row, end_section=last)
    stdout.print(table)
