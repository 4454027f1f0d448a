"""garabato search."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table

import garabato
from garabato.cli.options import (
    Query,
    gallery_option,
    json_option,
    model_option,
    picture_option,
    read_queries,
    suggest_categories,
    where_options,
)
from garabato.cli.output import counted, partly_listed, print_json, print_picture, stderr, stdout

#: Hits, best first, or groups of hits by category.
HitsOrGroups = garabato.Hits | dict[str | None, garabato.Hits]


@click.command()
@gallery_option
@model_option
@click.option(
    *("-k", "k"),
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Hits per query; with --by-category, categories.",
)
@click.option("--like", multiple=True, metavar="FILE", help="More drawings to search with.")
@click.option(
    "--unlike", multiple=True, metavar="FILE", help="Drawings that hits should not resemble."
)
@click.option("--diverse", is_flag=True, help="Prefer hits that differ from each other.")
@click.option(
    "--by-category",
    "per_category",
    type=click.IntRange(min=1),
    metavar="N",
    help="The best N hits of each of the -k nearest categories.",
)
@where_options
@picture_option
@json_option
@click.argument("query", required=False)
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
    query: str | None,
) -> None:
    """Find the drawings most similar to those in QUERY, a file or - for stdin.

    Without QUERY, list the drawings whose title, category or tags have the words of --text, sorted
    by key_id.

    Each drawing in QUERY is a query of its own. With --like or --unlike, all drawings together
    make one query, for drawings similar to QUERY and --like but not to --unlike. Drawings with the
    key_id of one of these are left out of the hits.

    If the encoder knows the categories of fewer than half of the gallery's drawings, drawings whose
    title or tags name what the query probably shows move up. The gallery's vote is printed above
    the hits: the 20 best hits vote for their category, better ones with more weight. The vote is
    marked "unsure" if its best category has less than half of the votes.

    \b
    Example: garabato search --gallery my.gallery query.ndjson -k 10 --picture hits.png
    Example: garabato search --gallery my.gallery cat.ndjson --unlike dog.ndjson --diverse
    Example: garabato search --gallery icons.gallery --text "arrow left"
    """
    if query is None:
        if "text" not in where:
            raise click.UsageError("give QUERY (a file of drawings) or --text (words to look for)")
        if like or unlike or diverse or per_category is not None or picture is not None:
            raise click.UsageError(
                "--like, --unlike, --diverse, --by-category and --picture need QUERY"
            )
        _list_by_words(uri, k, where, as_json)
        return
    if diverse and per_category is not None:
        raise click.UsageError("give --diverse or --by-category, not both")
    garabato.open_gallery(uri, must_exist=True)  # report a wrong name before loading an encoder
    queries = _queries(query, like, unlike)
    encoder = garabato.load_encoder(model)
    gallery = garabato.open_gallery(uri, encoder=encoder, must_exist=True)
    has_vote = garabato.has_own_categories(gallery.count(by="category"), encoder.categories)
    results = []
    for one in queries:
        started = time.perf_counter()
        if has_vote and not diverse and per_category is None:
            voters = _voters(gallery, encoder, one, max(k, garabato.N_VOTERS), where)
            hits: HitsOrGroups = voters[:k]
            took_s = time.perf_counter() - started
        else:
            hits = _search(gallery, encoder, one, k, diverse, per_category, where)
            took_s = time.perf_counter() - started
            voters = garabato.Hits()
            if has_vote:
                voters = _voters(gallery, encoder, one, garabato.N_VOTERS, where)
        votes = garabato.category_votes(voters[: garabato.N_VOTERS])
        found = garabato.SearchResult(one.like, hits, one.unlike)
        results.append(_Result(one, found, 1000 * took_s, votes))
    if picture is not None:
        drawn = [result.found for result in results]
        print_picture(picture, garabato.draw_hits(drawn, gallery, picture, where=where))
    if as_json:
        documents = [result.to_dict(with_query=len(results) > 1) for result in results]
        print_json(documents[0] if len(documents) == 1 else {"queries": documents})
    else:
        for result in results:
            _print_table(result)
    if not any(any(result.found.groups) for result in results):
        stderr.print(f"no drawing in {uri} passes the filter" if where else f"{uri} is empty")
        suggest_categories(gallery, where)


def _list_by_words(uri: str, k: int, where: dict[str, Any], as_json: bool) -> None:
    gallery = garabato.open_gallery(uri, must_exist=True)
    started = time.perf_counter()
    found = gallery.list(limit=k, where=where)
    n_found = gallery.count(where=where)
    took_ms = 1000 * (time.perf_counter() - started)
    if as_json:
        documents = [drawing.to_dict() for drawing in found]
        print_json({"drawings": documents, "n_found": n_found, "took_ms": round(took_ms, 2)})
    elif found:
        table = Table()
        for name in ("title", "category", "tags", "key_id"):
            table.add_column(name, overflow="fold")
        for drawing in found:
            tags = ", ".join(drawing.tags)
            cells = (drawing.title or "", drawing.category or "", tags, str(drawing.key_id))
            table.add_row(*cells)
        stdout.print(table)
        stdout.print(
            f"{uri}: {counted(n_found, 'drawing')}{partly_listed(len(found), n_found, '-k')}"
        )
    if not found:
        stderr.print(f"no drawing in {uri} passes the filter")
        suggest_categories(gallery, where)


def _queries(query: str, like: tuple[str, ...], unlike: tuple[str, ...]) -> list[_SearchQuery]:
    """A query for each drawing of QUERY; a single one with `like` or `unlike`."""
    queries = read_queries([query])
    if not like and not unlike:
        return [_SearchQuery((one,)) for one in queries]
    more = read_queries(like) if like else []
    less = read_queries(unlike) if unlike else []
    return [_SearchQuery((*queries, *more), tuple(less))]


@dataclass(frozen=True, slots=True)
class _SearchQuery:
    """Drawings that the hits should be like, and drawings that they should be unlike."""

    more: tuple[Query, ...]
    less: tuple[Query, ...] = ()

    @property
    def like(self) -> list[garabato.Drawing]:
        return [query.drawing for query in self.more]

    @property
    def unlike(self) -> list[garabato.Drawing]:
        return [query.drawing for query in self.less]

    @property
    def is_combined(self) -> bool:
        return len(self.more) + len(self.less) > 1

    @property
    def name(self) -> str:
        text = " + ".join(query.name for query in self.more)
        return " - ".join([text, *(query.name for query in self.less)])

    def to_dict(self) -> dict[str, Any]:
        if not self.is_combined:
            return self.more[0].to_dict()
        return {
            "like": [query.to_dict() for query in self.more],
            "unlike": [query.to_dict() for query in self.less],
        }


def _search(
    gallery: garabato.Gallery,
    encoder: garabato.Encoder,
    query: _SearchQuery,
    k: int,
    diverse: bool,
    per_category: int | None,
    where: dict[str, Any],
) -> HitsOrGroups:
    like, unlike = query.like, query.unlike
    if query.is_combined and per_category is None and not diverse:
        return garabato.search_like(gallery, encoder, like, unlike, k, where=where)
    target: Any = like[0]
    left_out: set[str | None] = set()
    if query.is_combined:
        target = garabato.query_direction(encoder, like, unlike)
        left_out = {drawing.key_id for drawing in (*like, *unlike)}
    if per_category is not None:
        return garabato.search_by_category(
            gallery, target, k, per_category=per_category, where=where, leave_out=left_out
        )
    if diverse:
        return garabato.search_diverse(gallery, encoder, target, k, where=where, leave_out=left_out)
    return gallery.search(target, k=k, where=where)


def _voters(
    gallery: garabato.Gallery,
    encoder: garabato.Encoder,
    query: _SearchQuery,
    k: int,
    where: dict[str, Any],
) -> garabato.Hits:
    """The `k` best hits in a gallery with categories of its own."""
    if query.is_combined:
        return garabato.search_like(gallery, encoder, query.like, query.unlike, k, where=where)
    (drawing,) = query.like
    predictions = encoder.classify(drawing)
    return garabato.search_with_names(gallery, drawing, predictions, k, where=where)


@dataclass(frozen=True, slots=True)
class _Result:
    """The hits of a query; `votes` are the gallery's, empty if its categories are the encoder's."""

    query: _SearchQuery
    found: garabato.SearchResult
    took_ms: float
    votes: list[garabato.CategoryVote]

    def to_dict(self, *, with_query: bool) -> dict[str, Any]:
        document: dict[str, Any]
        if isinstance(self.found.hits, Mapping):
            document = {
                "groups": [
                    {"category": category, "hits": [hit.to_dict() for hit in group]}
                    for category, group in self.found.hits.items()
                ]
            }
        else:
            document = {"hits": [hit.to_dict() for hit in self.found.hits]}
        document["headline"] = "gallery" if self.votes else "encoder"
        if self.votes:
            document["votes"] = [vote.to_dict() for vote in self.votes]
            document["votes_unsure"] = garabato.is_vote_unsure(self.votes)
        document["took_ms"] = round(self.took_ms, 2)
        if with_query or self.query.is_combined:
            document["query"] = self.query.to_dict()
        return document


def _print_table(result: _Result) -> None:
    """The hits as a table, with a line between groups; nothing if there are none."""
    if not any(result.found.groups):
        return
    category = f" ({result.found.category})" if result.found.category else ""
    title = f"most similar to {result.query.name}{category}"
    if result.votes:
        best = result.votes[0]
        unsure = ", unsure" if garabato.is_vote_unsure(result.votes) else ""
        title = f"looks like {best.category} ({best.share:.0%} of the votes{unsure})\n{title}"
    table = Table(title=title, title_justify="left")
    table.add_column("", justify="right")
    for name in ("score", "category", "country", "key_id"):
        table.add_column(name, justify="right" if name == "score" else "left", overflow="fold")
    rank = 0
    for group in result.found.groups:
        for number, hit in enumerate(group, start=1):
            rank += 1
            cells = (f"{hit.score:.3f}", hit.category or "", hit.country or "", hit.key_id)
            table.add_row(str(rank), *cells, end_section=number == len(group))
    stdout.print(table)
