"""Category pages, computed on the first request and cached until the gallery changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from garabato.analysis.category import summarize_category
from garabato.drawing import Drawing
from garabato.errors import InputError
from garabato.gallery import Gallery, StoredDrawing
from garabato.service.http.problems import ProblemError
from garabato.service.http.serializers import drawing_document

#: Pages kept in memory; a page takes about 20 kB.
_MAX_CACHED = 500


class CategoryPages:
    """The category pages of one gallery; `stored` gives its drawings by key_id."""

    def __init__(
        self, gallery: Gallery, stored: Callable[[Sequence[str]], list[StoredDrawing]]
    ) -> None:
        self._gallery = gallery
        self._stored = stored
        self._cached: OrderedDict[str, tuple[Any, dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, category: str) -> dict[str, Any]:
        """The page of a category, as JSON. Blocks, the first time for a second or two.

        Raises ProblemError 404 if all its drawings are gone or hidden.
        """
        version = self._gallery.version()
        with self._lock:
            cached = self._cached.get(category)
        if cached is not None and cached[0] == version:
            return cached[1]
        try:
            summary = summarize_category(self._gallery, category)
        except InputError:
            raise ProblemError(404, f"the gallery has no drawing of {category!r}") from None
        page = {
            "category": category,
            "n_drawings": summary.n_drawings,
            "typical": self._documents(summary.typical),
            "odd": self._documents(summary.odd),
            "confused_with": summary.confusions(),
        }
        with self._lock:
            self._cached[category] = (version, page)
            if len(self._cached) > _MAX_CACHED:
                self._cached.popitem(last=False)
        return page

    def _documents(self, drawings: list[Drawing]) -> list[dict[str, Any]]:
        stored = self._stored([str(drawing.key_id) for drawing in drawings])
        return [drawing_document(*one) for one in stored]
