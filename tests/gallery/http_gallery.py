"""A gallery as a program on another machine has it: through HTTP, by garabato.Client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import garabato
from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import InputError, ServiceError
from garabato.gallery import Added, Hit
from garabato.gallery.filters import Where

_INSIDE = "embeddings stay in the service"
_OPENING = "the service opens its gallery"
_ONE_BY_ONE = "a client sends query by query"
_FILES = "files are written where the gallery is"
#: Tests of the contract on what has no form in HTTP.
NO_HTTP_FORM = {
    "test_a_search_by_embedding_is_a_search_by_drawing": _INSIDE,
    "test_many_queries_are_searched_as_one_by_one": _ONE_BY_ONE,
    "test_hidden_drawings_leave_room_for_others_in_each_of_many_queries": _ONE_BY_ONE,
    "test_one_of_many_queries_that_cannot_be_answered_is_named": _ONE_BY_ONE,
    "test_ready_embeddings_spare_the_encoder": _INSIDE,
    "test_embeddings_that_do_not_match_the_drawings_are_refused": _INSIDE,
    "test_list_gives_pages_in_the_order_of_key_ids": "test_stored_drawings.py",
    "test_drawings_are_counted_by_any_field_there_is": "it counts categories only",
    "test_a_hidden_drawing_is_found_by_nothing_until_it_is_shown_again": "test_hiding.py",
    "test_a_drawing_that_was_deleted_is_no_longer_hidden": "test_hiding.py",
    "test_a_drawing_keeps_its_title_tags_link_path_and_original_file": "test_originals.py",
    "test_scan_gives_every_drawing_once_with_its_embedding": _INSIDE,
    "test_the_last_counts_among_strokes_and_bitmaps_too": (
        "drawings are strokes there: test_python_client.py"
    ),
    "test_a_tag_in_place_of_a_list_is_one_tag": ("a body has a list there: test_bad_requests.py"),
    "test_bitmaps_are_stored_beside_strokes_and_come_back_as_they_were": (
        "drawings are strokes there: test_python_client.py"
    ),
    "test_drawings_without_ink_are_left_out_and_counted": (
        "they are refused there: test_bad_requests.py"
    ),
    "test_galleries_and_hits_are_shown_in_one_short_line": _INSIDE,
    "test_a_query_that_is_no_drawing_is_told_with_how_to_read_one": (
        "a client reads files: test_python_client.py"
    ),
    "test_queries_that_cannot_be_answered_say_why": (
        "the service says it in its words: test_bad_requests.py"
    ),
    "test_what_is_exported_reads_back_as_what_was_added": _FILES,
    "test_compacting_changes_nothing_that_can_be_seen": "it is done where the gallery is",
    "test_info_says_what_is_there_and_who_filled_it": _OPENING,
    "test_another_encoder_is_refused_with_the_commands_that_index_again": _OPENING,
    "test_without_an_encoder_there_is_no_new_gallery": _OPENING,
    "test_a_gallery_that_must_exist_is_not_made": _OPENING,
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
        missing = set(self.missing(key_ids))
        return [self._client.get(key_id) for key_id in key_ids if key_id not in missing]

    def missing(self, key_ids: Sequence[str]) -> list[str]:
        return [key_id for key_id in key_ids if not self._has(key_id)]

    def __len__(self) -> int:
        return len(self._key_ids())

    def _key_ids(self) -> set[str]:
        return {drawing.key_id for drawing in self._client.drawings()}

    def _has(self, key_id: str) -> bool:
        try:
            self._client.get(key_id)
        except ServiceError as error:
            if error.status == 404:
                return False
            raise
        return True


@contextmanager
def refusals() -> Iterator[None]:
    """What the service refuses with 422 is the contract's InputError."""
    try:
        yield
    except ServiceError as error:
        if error.status == 422:
            raise InputError(str(error)) from error
        raise
