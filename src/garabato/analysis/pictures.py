"""Pictures of search results, odd drawings and duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

from garabato.analysis.duplicates import DuplicatePair
from garabato.analysis.odd import OddDrawing
from garabato.drawing import Drawing
from garabato.errors import check_opened
from garabato.gallery import Gallery, Hit
from garabato.gallery.filters import Where
from garabato.render.contact_sheets import Cell, Frame, draw_sheet, save_png

#: Rows of a picture, at most.
MAX_PICTURE_ROWS = 50
#: Neighbours drawn beside an odd drawing, and pairs drawn in a row.
_N_NEIGHBOURS, _PAIRS_A_ROW = 6, 3
_CELL_PX = 112
#: Large cells with small captions, in which Google's sixteen-digit key_ids fit.
_WITH_KEY_IDS = {"cell_px": 144, "caption_px": 13}


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A query and its hits, for `draw_hits`.

    `like` are the drawings the hits should be similar to, `unlike` those they should not. `hits`
    is a list, best first, or groups of hits by category; each group becomes a row.
    """

    like: Sequence[Drawing]
    hits: Sequence[Hit] | Mapping[str | None, Sequence[Hit]]
    unlike: Sequence[Drawing] = ()

    @property
    def category(self) -> str | None:
        """The category of the query, if all its drawings share one."""
        categories = {drawing.category for drawing in self.like}
        return categories.pop() if len(categories) == 1 else None

    @property
    def groups(self) -> list[Sequence[Hit]]:
        """The hits in groups: one for a plain list."""
        return list(self.hits.values()) if isinstance(self.hits, Mapping) else [self.hits]


def draw_hits(
    results: Sequence[SearchResult],
    gallery: Gallery,
    path: str | PathLike[str],
    *,
    where: Where | None = None,
) -> int:
    """Draw queries and their hits into a PNG, one row per query or group of hits.

    Hits are marked right or wrong if the gallery holds drawings of the query's category that pass
    `where`. Returns the number of rows; the picture shows the first 50. Raises StorageError.
    """
    check_opened(gallery=gallery)
    queries = {result.category: result.like[0] for result in results}
    findable = {
        category
        for category, query in queries.items()
        if category is not None and _holds(gallery, query, category, where or {})
    }
    rows = [row for result in results for row in _rows(result, result.category in findable)]
    several = any(len(result.like) + len(result.unlike) > 1 for result in results)
    left = "drawings the hits should be like (or unlike)" if several else "the query"
    by_name = any(hit.name_match for result in results for group in result.groups for hit in group)
    numbers = "scores by likeness and name" if by_name else "cosine similarities"
    title = f"Most similar in {gallery.uri}\nleft: {left}; numbers are {numbers}"
    save_png(draw_sheet(rows[:MAX_PICTURE_ROWS], title=title, cell_px=_CELL_PX), path)
    return len(rows)


def draw_odd(found: Sequence[OddDrawing], gallery: Gallery, path: str | PathLike[str]) -> int:
    """Draw odd drawings and their nearest neighbours into a PNG, one row each.

    Returns the number of rows; the picture shows the first 50. Raises StorageError.
    """
    shown = found[:MAX_PICTURE_ROWS]
    drawings = _by_key(
        gallery, (key for odd in shown for key in (odd.key_id, *odd.neighbours[:_N_NEIGHBOURS]))
    )
    rows = []
    for odd in shown:
        if odd.key_id not in drawings:  # deleted in the meantime
            continue
        row = [Cell(drawings[odd.key_id], f"{odd.key_id}\nlabelled {odd.category}", "query")]
        for key in filter(drawings.__contains__, odd.neighbours[:_N_NEIGHBOURS]):
            category = drawings[key].category
            frame: Frame = "right" if category == odd.category else "wrong"
            row.append(Cell(drawings[key], category or "unknown", frame))
        rows.append(row)
    title = (
        f"Odd drawings in {gallery.uri}\nleft: the drawing, its key_id and its label; then its "
        "nearest neighbours, ticked if they have the same label"
    )
    save_png(draw_sheet(rows, title=title, **_WITH_KEY_IDS), path)
    return len(found)


def draw_duplicates(
    pairs: Sequence[DuplicatePair], gallery: Gallery, path: str | PathLike[str]
) -> int:
    """Draw pairs of similar drawings into a PNG, three pairs per row.

    Returns the number of rows; the picture shows the first 50. Raises StorageError.
    """
    shown = pairs[: _PAIRS_A_ROW * MAX_PICTURE_ROWS]
    drawings = _by_key(gallery, (key for pair in shown for key in (pair.key_id, pair.other_key_id)))
    cells = [
        Cell(drawings[key], f"{key}\n{pair.score:.4f} {drawings[key].category or 'unknown'}")
        for pair in shown
        if pair.key_id in drawings and pair.other_key_id in drawings  # not deleted in the meantime
        for key in (pair.key_id, pair.other_key_id)
    ]
    n_columns = 2 * _PAIRS_A_ROW
    rows = [cells[first : first + n_columns] for first in range(0, len(cells), n_columns)]
    title = (
        f"Nearly identical drawings in {gallery.uri}\n"
        "adjacent drawings are a pair; numbers are cosine similarities"
    )
    save_png(draw_sheet(rows, title=title, together=2, **_WITH_KEY_IDS), path)
    return -(-len(pairs) // _PAIRS_A_ROW)


def _holds(gallery: Gallery, query: Drawing, category: str, where: Where) -> bool:
    """Whether some drawing of the category passes the filter."""
    wanted = where.get("category")
    if wanted is not None and category not in ([wanted] if isinstance(wanted, str) else wanted):
        return False
    return bool(gallery.search(query, k=1, where={**where, "category": [category]}))


def _rows(result: SearchResult, can_be_right: bool) -> list[list[Cell]]:
    query = [Cell(drawing, drawing.category or "query", "query") for drawing in result.like]
    query += [Cell(drawing, f"not {drawing.category or 'this'}") for drawing in result.unlike]
    rows = []
    for group in result.groups or [[]]:
        cells = []
        for hit in group:
            caption = f"{hit.category or 'unknown'} {hit.score:.2f}"
            if not can_be_right or result.unlike:
                cells.append(Cell(hit.drawing, caption))
            else:
                frame: Frame = "right" if hit.category == result.category else "wrong"
                cells.append(Cell(hit.drawing, caption, frame))
        rows.append([*query, *cells])
    return rows


def _by_key(gallery: Gallery, key_ids: Iterable[str]) -> dict[str, Drawing]:
    check_opened(gallery=gallery)
    return {str(drawing.key_id): drawing for drawing in gallery.get(list(dict.fromkeys(key_ids)))}
