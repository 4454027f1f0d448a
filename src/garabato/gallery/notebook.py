"""How notebooks show a gallery: its size and some of its drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from garabato.drawing import Drawing
from garabato.drawing.svg import N_SHOWN, drawings_html

if TYPE_CHECKING:
    from garabato.gallery.base import Gallery

#: The categories of larger galleries are not counted, which would take too long.
_MAX_COUNTED = 1_000_000


def gallery_html(gallery: Gallery) -> str:
    """A heading, and N_SHOWN drawings of as many categories as possible."""
    n = gallery.count()
    about = repr(gallery)
    sample: list[Drawing] = []
    if n <= _MAX_COUNTED:
        categories = gallery.count(by="category")
        about += f" of {len(categories):,} categories"
        shown = list(categories)[:N_SHOWN]
        for name in shown:
            if name is not None:  # no filter finds drawings without a category
                where = {"category": [name]}
                sample += gallery.list(limit=N_SHOWN // len(shown), where=where)
    # By key_id alone, they may all be of the first category.
    seen = {drawing.key_id for drawing in sample}
    sample += [d for d in gallery.list(limit=N_SHOWN) if d.key_id not in seen]
    del sample[N_SHOWN:]
    if n > len(sample):
        about += f": {len(sample)} of them"
    return drawings_html([(d, d.category or "") for d in sample], heading=about)
