"""garabato search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garabato.cli.console import print_json, stderr, stdout
from garabato.cli.model_option import model_option
from garabato.cli.queries import read_queries
from garabato.cli.search_answers import Answer, Asked, draw, print_table
from garabato.cli.where import tell_unknown, where_options

if TYPE_CHECKING:
    from garabato.gallery import Embedder, Gallery


@click.command()
@click.option("--gallery", "uri", required=True, metavar="URI", help="Gallery to search.")
@model_option
@click.option("-k", "k", default=10, show_default=True, help="Hits a query, or categories.")
@click.option(
    "--like", multiple=True, metavar="FILE", help="Drawings the hits should be like, too."
)
@click.option("--unlike", multiple=True, metavar="FILE", help="Drawings they should be unlike.")
@click.option("--diverse", is_flag=True, help="Hits that are not all alike.")
@click.option(
    "--by-category",
    "per_category",
    type=click.IntRange(min=1),
    metavar="N",
    help="The best N hits of each of the -k nearest categories.",
)
@where_options
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the hits into this PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print the hits as JSON.")
@click.argument("query")
def command(
    uri: str,
    model: str | None,
    k: int,
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    diverse: bool,
    per_category: int | None,
    where: dict[str, Any],
    picture: Path | None,
    as_json: bool,
    query: str,
) -> None:
    """Find the drawings most like those in QUERY, a file with one or more drawings or - for stdin.

    With --like or --unlike all drawings given make one question: more like those in QUERY and
    --like, less like those of --unlike; they themselves are no hits.

    \b
    Example: garabato search --gallery my.gallery query.ndjson -k 10 --picture hits.png
    Example: garabato search --gallery my.gallery cat.ndjson --unlike dog.ndjson --diverse
    """
    if diverse and per_category is not None:
        raise click.UsageError("--diverse or --by-category, one of the two")

    from garabato.gallery import open_gallery

    open_gallery(uri, must_exist=True)  # before PyTorch is loaded: a wrong name is told at once
    questions = _questions(query, like, unlike)

    from garabato.encoder import load_encoder

    encoder = load_encoder(model)
    gallery = open_gallery(uri, encoder=encoder, must_exist=True)
    answers = []
    for asked in questions:
        started = time.perf_counter()
        groups = _find(gallery, encoder, asked, k, diverse, per_category, where)
        answers.append(Answer(asked, groups, 1000 * (time.perf_counter() - started)))
    if picture is not None:
        draw(answers, gallery, where, picture)
    if as_json:
        documents = [answer.to_dict(with_query=len(answers) > 1) for answer in answers]
        print_json(documents[0] if len(documents) == 1 else {"queries": documents})
    else:
        for answer in answers:
            print_table(answer)
        if picture is not None:
            stdout.print(f"look at {picture}")
    if not any(answer.hits for answer in answers):
        stderr.print(f"no drawing in {uri} passes the filter" if where else f"nothing in {uri}")
        tell_unknown(where)


def _questions(query: str, like: tuple[str, ...], unlike: tuple[str, ...]) -> list[Asked]:
    """One question a drawing of QUERY, or with `like` or `unlike` one of all drawings."""
    queries = read_queries([query])
    if not like and not unlike:
        return [Asked((one,)) for one in queries]
    more = [*queries, *(read_queries(like) if like else ())]
    return [Asked(tuple(more), tuple(read_queries(unlike) if unlike else ()))]


def _find(
    gallery: Gallery,
    encoder: Embedder,
    asked: Asked,
    k: int,
    diverse: bool,
    per_category: int | None,
    where: dict[str, Any],
) -> Any:
    """The hits, as a list, or by category where `per_category` is given."""
    from garabato.gallery import explore

    more, less = ([one.drawing for one in some] for some in (asked.more, asked.less))
    combined = len(more) + len(less) > 1
    question = explore.direction(encoder, more, less) if combined else more[0]
    given = {drawing.key_id for drawing in (*more, *less)} if combined else set()
    if per_category is not None:
        return explore.by_category(
            gallery, question, k, per_category=per_category, where=where, leave_out=given
        )
    if diverse:
        return explore.diverse(gallery, encoder, question, k, where=where, leave_out=given)
    if combined:
        return explore.more_like(gallery, encoder, more, less, k, where=where)
    return gallery.search(question, k=k, where=where)
