"""garabato gallery tune."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from garabato.cli.console import print_json, stdout

if TYPE_CHECKING:
    from garabato.gallery import Tuned


@click.command()
@click.option("--gallery", "uri", required=True, metavar="URI", help="The gallery.")
@click.option(
    "--recall", default=0.98, show_default=True, metavar="SHARE", help="Recall@10 to reach."
)
@click.option("--queries", default=100, show_default=True, help="Drawings to measure it with.")
@click.option("--json", "as_json", is_flag=True, help="Print what was measured as JSON.")
def tune(uri: str, recall: float, queries: int, as_json: bool) -> None:
    """Measure recall against exact search on the gallery's own drawings and set it to reach it.

    The fewest cells that give --recall of the true ten nearest are kept with the gallery, and
    measured anew when its index is made anew. Where search is exact there is nothing to set.

    \b
    Example: garabato gallery tune --gallery my.gallery --recall 0.98
    """
    from garabato.gallery import open_gallery

    gallery = open_gallery(uri, must_exist=True)
    measured = gallery.tune(recall=recall, n_queries=queries)
    info = gallery.info()
    if as_json:
        tried = [one.to_dict() for one in measured]
        print_json({"gallery": uri, "exact": info.exact, "mode": info.mode, "tried": tried})
        return
    _print_tried(measured)
    nothing = "there is nothing to tune: " if info.exact else ""
    stdout.print(f"{uri}: {nothing}{info.mode}")


def _print_tried(measured: list[Tuned]) -> None:
    for one in measured:
        stdout.print(
            f"{one.n_probes:>6,} cells  recall@10 {one.recall:.4f}  median {one.p50_ms:.1f} ms"
        )
