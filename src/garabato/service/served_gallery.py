"""One of the galleries of a service, with its counts, reports, category pages and map."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from garabato.drawing import FloatArray
from garabato.encoder import Encoder, Prediction
from garabato.gallery import Gallery, Hit, StoredDrawing
from garabato.gallery.explore import N_VOTERS, has_own_categories
from garabato.gallery.names import search_with_names
from garabato.service.http.problems import ProblemError
from garabato.service.jobs.category_pages import CategoryPages
from garabato.service.jobs.gallery_map import GalleryMap
from garabato.service.metrics import Metrics
from garabato.service.state.stored import Reports, state_folder

#: A gallery that takes longer to count is not counted again for every request.
_SLOW_COUNT_S = 0.5


class ServedGallery:
    """An open gallery under the name by which requests choose it. All methods block."""

    def __init__(
        self, name: str, gallery: Gallery, encoder: Callable[[], Encoder], metrics: Metrics
    ) -> None:
        self.name = name
        self.gallery = gallery
        self.reports = Reports(state_folder(gallery.uri))
        self.pages = CategoryPages(gallery, self.stored)
        self.map = GalleryMap(gallery)
        #: Whether searches are headed by the gallery's vote; decided when categories are counted.
        self.has_own_categories = False
        self._encoder = encoder
        self._metrics = metrics
        #: Column -> the time of the count, how long it took (0 if not long), and the counts.
        self._counts: dict[str, tuple[float, float, dict[Any, int]]] = {}

    def count_by(self, column: str) -> dict[Any, int]:
        """`gallery.count(by=column)`, reused for ten times as long as it took."""
        counted_at, took_s, counts = self._counts.get(column, (0.0, 0.0, {}))
        started = time.monotonic()
        if started - counted_at >= 10 * took_s:
            counts = self.gallery.count(by=column)
            ended = time.monotonic()
            took_s = ended - started if ended - started > _SLOW_COUNT_S else 0.0
            self._counts[column] = (ended, took_s, counts)
            if column == "category":
                self.encoder_changed()
        return counts

    def encoder_changed(self) -> None:
        """Decide anew whether the gallery has categories of its own."""
        _, _, counts = self._counts["category"]
        self.has_own_categories = has_own_categories(counts, self._encoder().categories)

    def drawings_changed(self) -> None:
        """Update counts and metrics after drawings were stored, deleted or hidden."""
        self.count_by("category")
        self._metrics.drawings.labels(self.name).set(self.gallery.count())
        self._metrics.hidden.labels(self.name).set(len(self.gallery.hidden()))

    def reports_changed(self) -> None:
        """Update the metric after drawings were reported, or reports dismissed."""
        self._metrics.reported.labels(self.name).set(len(self.reports.key_ids))

    def search(
        self,
        embedding: FloatArray,
        k: int,
        where: Mapping[str, Any] | None,
        *,
        predictions: Sequence[Prediction] = (),
        leave_out: str | None = None,
    ) -> list[Hit]:
        """The k nearest drawings, or enough to vote, without the one with the key_id `leave_out`.

        In a gallery with categories of its own, drawings named as `predictions` say come first.
        """
        started = time.perf_counter()
        if self.has_own_categories:
            k = max(k, N_VOTERS)
        n = k + (leave_out is not None)
        if self.has_own_categories and predictions:
            hits = search_with_names(self.gallery, embedding, predictions, n, where=where)
        else:
            hits = self.gallery.search(embedding, n, where=where)
        self._metrics.search_seconds.observe(time.perf_counter() - started)
        return [hit for hit in hits if hit.key_id != leave_out][:k]

    def stored(self, key_ids: Sequence[str]) -> list[StoredDrawing]:
        """The stored drawings with these key_ids, in that order."""
        limit = max(1, len(key_ids))
        found = {
            str(stored.drawing.key_id): stored
            for stored in self.gallery.list(where={"key_id": list(key_ids)}, limit=limit)
        }
        return [found[key_id] for key_id in key_ids if key_id in found]

    def stored_one(self, key_id: str) -> StoredDrawing:
        """One drawing. Raises ProblemError 404 if it is not stored or is hidden."""
        found = self.stored([key_id])
        if not found:
            raise ProblemError(404, f"there is no drawing with the key_id {key_id!r}")
        return found[0]
