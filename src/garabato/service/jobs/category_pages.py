"""Category pages, made when they are first asked for and kept while nothing changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from garabato.analysis.category import portray
from garabato.drawing import Drawing
from garabato.errors import InputError
from garabato.service.http.problems import ProblemError
from garabato.service.http.serializers import drawing_document

if TYPE_CHECKING:
    from garabato.service.service import Service

#: Pages kept; one takes some 20 kB.
_MAX_KEPT = 500
#: Categories it is confused with that are named.
_N_CONFUSED = 8


class Portraits:
    """The category pages of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: OrderedDict[str, tuple[Any, dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, category: str) -> dict[str, Any]:
        """The page of a category, as JSON takes it. Blocks, the first time for a second or two.

        Raises ProblemError 404 where all its drawings are gone or hidden.
        """
        hidden = self._service.hidden.key_ids
        state = (self._service.census.version, hidden)
        with self._lock:
            kept = self._kept.get(category)
        if kept is not None and kept[0] == state:
            return kept[1]
        try:
            portrait = portray(self._service.gallery, category, but=hidden)
        except InputError:
            raise ProblemError(404, f"the gallery has no drawing of {category!r}") from None
        confused = list(portrait.confused_with.items())[:_N_CONFUSED]
        page = {
            "category": category,
            "n_drawings": portrait.n_drawings,
            "typical": self._documents(portrait.typical),
            "odd": self._documents(portrait.odd),
            "confused_with": [
                {"category": name, "share": round(share, 4)} for name, share in confused
            ],
        }
        with self._lock:
            self._kept[category] = (state, page)
            if len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
        return page

    def _documents(self, drawings: list[Drawing]) -> list[dict[str, Any]]:
        stored = self._service.stored([str(drawing.key_id) for drawing in drawings])
        return [drawing_document(*one) for one in stored]
