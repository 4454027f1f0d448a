"""A gallery as a program on another machine has it: through HTTP, by garabato.Client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import garabato
from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import InputError, ServiceError
from garabato.gallery import Added, Hidden, Hit
from garabato.gallery.filters import Where

_INSIDE = "embeddings stay in the service"
_OPENING = "the service opens its gallery"
_ONE_BY_ONE = "a client sends query by query"
_FILES = "files are written where the gallery is"
#: Tests of the contract on what has no form in HTTP.
NO_HTTP_FORM = {
    "test_a_search_by_embedding_is_a_search_by_drawing": _INSIDE,
    "test_search_many_returns_the_hits_of_single_searches": _ONE_BY_ONE,
    "test_hidden_drawings_are_replaced_by_others_in_each_of_many_queries": _ONE_BY_ONE,
    "test_the_error_for_an_invalid_query_among_many_gives_its_number": _ONE_BY_ONE,
    "test_given_embeddings_are_stored_without_the_encoder": _INSIDE,
    "test_embeddings_that_do_not_match_the_drawings_are_refused": _INSIDE,
    "test_key_ids_may_be_one_text_or_an_iterator": "a client gets drawings one by one",
    "test_list_gives_pages_in_the_order_of_key_ids": "test_stored_drawings.py",
    "test_drawings_are_counted_by_each_field": "it counts categories only",
    "test_a_hidden_drawing_is_not_found_until_it_is_restored": "test_hiding.py",
    "test_a_drawing_keeps_its_title_tags_link_path_and_original_file": "test_originals.py",
    "test_scan_gives_every_drawing_once_with_its_embedding": _INSIDE,
    "test_embeddings_give_the_true_nearest_neighbours_of_every_drawing": _INSIDE,
    "test_the_last_drawing_is_kept_among_strokes_and_bitmaps_too": (
        "drawings are strokes there: test_python_client.py"
    ),
    "test_bitmaps_survive_the_round_trip": ("drawings are strokes there: test_python_client.py"),
    "test_empty_drawings_are_skipped_and_counted": ("they are refused there: test_bad_requests.py"),
    "test_galleries_and_hits_are_shown_in_one_short_line": _INSIDE,
    "test_the_error_for_a_bad_drawing_among_others_gives_its_number": "test_bad_requests.py",
    "test_a_query_of_the_wrong_type_is_an_error_that_says_how_to_read_drawings": (
        "a client reads files: test_python_client.py"
    ),
    "test_the_error_for_an_invalid_query_says_what_is_wrong": (
        "the service says it in its words: test_bad_requests.py"
    ),
    "test_exported_drawings_read_back_as_they_were_added": _FILES,
    "test_compacting_changes_nothing_that_can_be_seen": "it is done where the gallery is",
    "test_info_has_the_counts_and_the_encoder": _OPENING,
    "test_another_encoder_is_refused_with_the_commands_that_index_again": _OPENING,
    "test_without_an_encoder_no_gallery_is_created": _OPENING,
    "test_a_gallery_that_must_exist_is_not_created": _OPENING,
    "test_without_an_encoder_drawings_cannot_be_embedded": _OPENING,
}


class HttpGallery:
    """What of the `Gallery` protocol has a form in HTTP."""

    def __init__(self, url: str) -> None:
        self._client = garabato.Client(url)

    def add(self, drawings: Iterable[Drawing] | DrawingBatch, *, tags: Sequence[str] = ()) -> Added:
        before = self._key_ids()
        with refusals():
            key_ids = set(self._client.add(drawings, tags=tags))
        return Added(len(key_ids - before), len(key_ids & before))

    def search(self, query: Drawing, k: int = 10, *, where: Where | None = None) -> list[Hit]:
        with refusals():
            return self._client.search(query, k, where=where)

    def delete(self, key_ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        with refusals():
            return self._client.delete(key_ids, where=where)

    def get(self, key_ids: Sequence[str]) -> list[Drawing]:
        found = map(self._client.get, key_ids)
        return [drawing for drawing in found if drawing is not None]

    def missing(self, key_ids: Sequence[str]) -> list[str]:
        return [key_id for key_id in key_ids if self._client.get(key_id) is None]

    def hide(self, key_ids: Iterable[str]) -> None:
        self._client.hide(key_ids)

    def restore(self, key_ids: Iterable[str]) -> int:
        return self._client.restore(key_ids)

    def hidden(self) -> list[Hidden]:
        return self._client.hidden()

    def __len__(self) -> int:
        return len(self._key_ids())

    def _key_ids(self) -> set[str]:
        return {drawing.key_id for drawing in self._client.drawings()}


@contextmanager
def refusals() -> Iterator[None]:
    """What the service refuses with 422 is the contract's InputError."""
    try:
        yield
    except ServiceError as error:
        if error.status == 422:
            raise InputError(str(error)) from error
        raise
