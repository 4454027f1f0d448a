"""garabato gallery duplicates and odd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garabato.cli.console import counted, print_json, progress, stderr, stdout
from garabato.cli.where import where_options

if TYPE_CHECKING:
    from garabato.analysis.audit import OddOne, Pair
    from garabato.drawing import Drawing
    from garabato.gallery import Gallery

#: Rows of a picture, and neighbours beside an odd drawing.
MAX_PICTURE_ROWS = 50
PICTURE_NEIGHBOURS = 6

_gallery = click.option("--gallery", "uri", required=True, metavar="URI", help="The gallery.")
_limit = click.option(
    "-n", "n_shown", default=50, show_default=True, help="How many to show, at most."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
_picture = click.option(
    "--picture", type=click.Path(path_type=Path), help="Draw those shown into this PNG."
)


@click.command()
@_gallery
@click.option(
    "--above", default=0.995, show_default=True, metavar="SCORE", help="Cosine similarity, least."
)
@_limit
@where_options
@_picture
@_json
def duplicates(
    uri: str,
    above: float,
    n_shown: int,
    where: dict[str, Any],
    picture: Path | None,
    as_json: bool,
) -> None:
    """Find pairs of drawings that are nearly the same, most alike first.

    \b
    Example: garabato gallery duplicates --gallery my.gallery --picture duplicates.png
    """
    from garabato.analysis.audit import duplicates
    from garabato.gallery import open_gallery

    gallery = open_gallery(uri, must_exist=True)
    with progress() as show:
        pairs = duplicates(gallery, above=above, where=where, progress=_stage(show, "compare"))
    shown = pairs[:n_shown]
    drawings = _by_key(gallery, [key for pair in shown for key in (pair.key_id, pair.other_key_id)])
    if picture is not None:
        _draw_pairs(drawings, shown, uri, picture)
    if as_json:
        listed = [
            asdict(pair)
            | {
                "category": _category(drawings, pair.key_id),
                "other_category": _category(drawings, pair.other_key_id),
            }
            for pair in shown
        ]
        print_json({"gallery": uri, "above": above, "n_pairs": len(pairs), "pairs": listed})
        return
    for pair in shown:
        named = (_named(key, drawings.get(key)) for key in (pair.key_id, pair.other_key_id))
        stdout.print(f"{pair.score:.4f}  {'  '.join(named)}")
    are = "is" if len(pairs) == 1 else "are"
    stdout.print(f"{uri}: {counted(len(pairs), 'pair')} {are} alike by {above} or more")
    _tell_picture(picture)


@click.command()
@_gallery
@click.option("-k", "k", default=10, show_default=True, help="Neighbours that judge a drawing.")
@_limit
@where_options
@_picture
@_json
def odd(
    uri: str,
    k: int,
    n_shown: int,
    where: dict[str, Any],
    picture: Path | None,
    as_json: bool,
) -> None:
    """Find drawings that sit among another category: mislabelled, or oddly drawn; oddest first.

    A drawing is odd where most of its nearest neighbours have one other category.

    \b
    Example: garabato gallery odd --gallery my.gallery --picture odd.png
    """
    from garabato.analysis.audit import odd_ones
    from garabato.gallery import open_gallery

    gallery = open_gallery(uri, must_exist=True)
    with progress() as show:
        found = odd_ones(gallery, k=k, where=where, progress=_stage(show, "compare"))
    shown = found[:n_shown]
    if picture is not None:
        _draw_odd(gallery, shown, uri, picture)
    if as_json:
        listed = [asdict(one) for one in shown]
        print_json({"gallery": uri, "k": k, "n_odd": len(found), "odd": listed})
        return
    for one in shown:
        stdout.print(
            f"{one.agreement:>4.0%} of its neighbours are {one.category}, most "
            f"{one.looks_like}: {one.key_id}"
        )
    sit = "sits" if len(found) == 1 else "sit"
    stdout.print(f"{uri}: {counted(len(found), 'drawing')} {sit} among another category")
    _tell_picture(picture)


def _stage(show: Any, name: str) -> Callable[[int, int], None]:
    return lambda n_done, n: show(name, n_done, n)


def _tell_picture(picture: Path | None) -> None:
    if picture is not None:
        stdout.print(f"look at {picture}")


def _category(drawings: dict[str, Drawing], key_id: str) -> str | None:
    return drawings[key_id].category if key_id in drawings else None


def _named(key_id: str, drawing: Drawing | None) -> str:
    """A drawing in a line of text; None: it was deleted meanwhile."""
    return key_id if drawing is None else f"{key_id} ({drawing.category or 'unknown'})"


def _draw_pairs(drawings: dict[str, Drawing], pairs: list[Pair], uri: str, picture: Path) -> None:
    from garabato.render.contact_sheets import Cell, draw_sheet, save_png

    cells = [
        Cell(drawings[key], f"{key}\n{pair.score:.4f} {drawings[key].category or 'unknown'}")
        for pair in pairs[: 3 * MAX_PICTURE_ROWS]
        if pair.key_id in drawings and pair.other_key_id in drawings  # not deleted meanwhile
        for key in (pair.key_id, pair.other_key_id)
    ]
    rows = [cells[first : first + 6] for first in range(0, len(cells), 6)]
    title = f"Nearly the same in {uri}\ndrawings that touch are a pair; the number is the score"
    # so small that a key_id of Google's fits below its drawing
    save_png(draw_sheet(rows, title=title, cell_px=144, caption_px=13, together=2), picture)


def _draw_odd(gallery: Gallery, found: list[OddOne], uri: str, picture: Path) -> None:
    from garabato.render.contact_sheets import Cell, draw_sheet, save_png

    if len(found) > MAX_PICTURE_ROWS:
        stderr.print(f"the picture shows the first {MAX_PICTURE_ROWS} of {len(found)}")
    found = found[:MAX_PICTURE_ROWS]
    keys = [key for one in found for key in (one.key_id, *one.neighbours[:PICTURE_NEIGHBOURS])]
    drawings = _by_key(gallery, keys)
    rows = []
    for one in found:
        if one.key_id not in drawings:  # deleted meanwhile
            continue
        row = [Cell(drawings[one.key_id], f"labelled {one.category}", "query")]
        for key in filter(drawings.__contains__, one.neighbours[:PICTURE_NEIGHBOURS]):
            category = drawings[key].category
            is_own = category == one.category
            row.append(Cell(drawings[key], category or "unknown", "right" if is_own else "wrong"))
        rows.append(row)
    title = (
        f"Odd ones out in {uri}\nleft: the drawing and its label; then its nearest neighbours, "
        "ticked where they have that label"
    )
    save_png(draw_sheet(rows, title=title, cell_px=112), picture)


def _by_key(gallery: Gallery, key_ids: list[str]) -> dict[str, Drawing]:
    drawings = gallery.get(list(dict.fromkeys(key_ids)))
    return {str(drawing.key_id): drawing for drawing in drawings}
