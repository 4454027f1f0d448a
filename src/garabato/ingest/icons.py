"""Index icon sets: every icon with its title, tags, link and SVG file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from garabato.formats import ReadReport
from garabato.gallery import Embedder, Gallery
from garabato.host.cache import cache_folder
from garabato.ingest.bulk_load import Filled
from garabato.ingest.index import index
from garabato.sources.icons import DEFAULT_ICON_SETS, IconSource


def index_icons(
    gallery: Gallery,
    encoder: Embedder,
    sets: Sequence[str] = DEFAULT_ICON_SETS,
    *,
    report: ReadReport | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Filled:
    """Fetch icon sets from npm and store their icons in `gallery`; icons it holds are skipped.

    `sets` are names of `ICON_SETS`. Icons that cannot be read are counted in `report`.
    `progress(stage, n_done, n_total)` is called with the stages "fetch" (sets) and "index" (icons).
    Raises InputError for an unknown set and SourceError if npm cannot fetch one.
    """
    show = progress or (lambda stage, n_done, n_total: None)
    names = list(dict.fromkeys(sets))
    IconSource.check(names)
    for number, name in enumerate(names):
        show("fetch", number, len(names))
        IconSource([name])
    show("fetch", len(names), len(names))
    source = IconSource(names)
    key_ids = source.key_ids()
    missing = set(gallery.missing(key_ids))
    source.leave_out = frozenset(key_ids) - missing
    n_there = len(source.leave_out)
    if not missing:
        return Filled(n_there=n_there)
    filled = index(
        source,
        gallery,
        encoder,
        report=report,
        progress=lambda n_done, _: show("index", n_there + n_done, len(key_ids)),
    )
    return Filled(filled.n_new, filled.n_there + n_there, filled.n_empty)


def icon_gallery_folder(sets: Sequence[str], encoder: Embedder) -> str:
    """A folder in the user's cache for the gallery of these sets and this encoder."""
    name = "-".join(["icons", *dict.fromkeys(sets), encoder.fingerprint])
    return str(cache_folder() / "galleries" / name)
