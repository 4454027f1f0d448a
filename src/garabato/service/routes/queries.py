"""POST /v1/classify and /v1/search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter, Request, Response

from garabato.drawing import IntArray
from garabato.encoder import Encoder
from garabato.errors import InputError
from garabato.gallery import Hit
from garabato.gallery.explore import N_NAMED, N_VOTERS, category_votes, is_vote_unsure
from garabato.service.http.parsing import (
    MAX_VALUES,
    StrictRoute,
    first_drawing,
    media_type,
    read_form,
    read_json,
    to_drawing,
)
from garabato.service.http.problems import ANY, ProblemError, problems
from garabato.service.http.requests import Classify, Search, body_of
from garabato.service.http.responses import Classified, Found
from garabato.service.http.serializers import hit_document, json_response
from garabato.service.jobs.file_reader import FileQuery
from garabato.service.service import CurrentGallery, CurrentService, Service

router = APIRouter(route_class=StrictRoute, tags=["queries"])
M = TypeVar("M", Classify, Search)
_PROBLEMS = problems(400, 413, 415, *ANY)
#: In place of an upload's drawing while the form's other fields are checked.
_ANY_STROKES = [[[0.0], [0.0]]]


@router.post(
    "/v1/classify",
    response_model=Classified,
    responses=_PROBLEMS,
    openapi_extra=body_of("Classify", "k", "among"),
)
async def classify(request: Request, service: CurrentService) -> Response:
    """Classify a drawing, given as JSON or as a form with a `file` in any format garabato reads.
    The first drawing of the file is used."""
    started = time.perf_counter()
    body, uploaded = await _read(request, service, Classify)
    if uploaded is not None:
        drawing = uploaded.drawing
    else:
        drawing = to_drawing(body.drawing, service.settings).replace(traced=body.traced)
    _ = service.encoder  # 503 until it is loaded
    encoded = await service.batcher.encode(drawing)
    among = _among(encoded.encoder, body.among)
    predictions = encoded.encoder.best_predictions(encoded.probabilities, body.k, among=among)
    return _respond(predictions.to_dict(), started, uploaded)


@router.post(
    "/v1/search",
    response_model=Found,
    responses=_PROBLEMS | problems(404),
    openapi_extra=body_of("Search", "k", "predictions", "among", "where"),
)
async def search(request: Request, service: CurrentService, served: CurrentGallery) -> Response:
    """Find the stored drawings most similar to a query: strokes, a file, or the key_id of a stored
    drawing, which is left out of the hits."""
    started = time.perf_counter()
    body, uploaded = await _read(request, service, Search)
    if uploaded is not None:
        drawing = uploaded.drawing
    elif body.drawing is not None and body.key_id is None:
        drawing = to_drawing(body.drawing, service.settings).replace(traced=body.traced)
    elif body.key_id is not None and body.drawing is None:
        if body.traced is not None:
            raise ProblemError.of_field("traced", "leave it out: it is stored with the drawing")
        drawing = await service.searching(served.stored, body.key_id)
    else:
        raise ProblemError.of_field("drawing", "give either drawing or key_id")
    encoded = await service.batcher.encode(drawing)
    among = _among(encoded.encoder, body.among)
    where = None if body.where is None else body.where.model_dump(exclude_none=True)

    def to_document(hits: Sequence[Hit]) -> dict[str, Any]:
        hits = [hit for hit in hits if hit.key_id != body.key_id]
        votes = category_votes(hits[:N_VOTERS]) if served.has_own_categories else []
        document: dict[str, Any] = {
            "hits": [hit_document(hit) for hit in hits[: body.k]],
            "headline": "gallery" if votes else "encoder",
        }
        if votes:
            document["votes"] = [vote.to_dict() for vote in votes]
            document["votes_unsure"] = is_vote_unsure(votes)
        return document

    def find() -> dict[str, Any]:
        shown = encoded.encoder.best_predictions(encoded.probabilities, N_NAMED)
        named = shown if body.key_id is None else []  # a stored drawing has its own name
        return to_document(served.search(encoded.embedding, n_hits, where, predictions=named))

    n_hits = body.k + (body.key_id is not None)
    if where is None and served.is_exact and not served.has_own_categories:
        document = await service.search_batcher.search(
            served.gallery, encoded.embedding, n_hits, to_document
        )
    else:
        document = await service.searching(find)
    if body.predictions is not None:
        document |= encoded.encoder.best_predictions(
            encoded.probabilities, body.predictions, among=among
        ).to_dict()
    return _respond(document, started, uploaded)


async def _read(request: Request, service: Service, model: type[M]) -> tuple[M, FileQuery | None]:
    """A JSON body; or the fields of a form, JSON values as in a body, and its file's drawing."""
    if media_type(request) != "multipart/form-data":
        max_values = MAX_VALUES + 2 * service.settings.max_points
        return await read_json(request, model, max_values=max_values), None
    content, is_picture, fields = await read_form(request)
    values: dict[str, Any] = {}
    for name, text in fields.items():
        try:
            values[name] = orjson.loads(text)
        except ValueError:
            raise ProblemError.of_field(
                name, f"must be JSON, such as 5 or {{...}}, not {text[:50]!r}"
            ) from None
    if "drawing" in values or "key_id" in values:
        raise ProblemError.of_field("file", "give one query: a file, a drawing or a key_id")
    if "traced" in values:
        raise ProblemError.of_field("traced", "leave it out: it is known from the file")
    body = model.model_validate({"drawing": _ANY_STROKES, **values})
    return body, await first_drawing(request, content, service.files, is_picture=is_picture)


def _among(encoder: Encoder, names: list[str] | None) -> IntArray | None:
    """The indices of these categories. Raises ProblemError that suggests the nearest name."""
    try:
        return None if names is None else encoder.category_indices(names)
    except InputError as error:
        raise ProblemError.of_field("among", str(error)) from None


def _respond(document: dict[str, Any], started: float, uploaded: FileQuery | None) -> Response:
    document["took_ms"] = round(1000 * (time.perf_counter() - started), 2)
    if uploaded is not None:
        document["drawing"] = uploaded.strokes.to_lists()
        if uploaded.strokes.traced:
            document["traced"] = True
    return json_response(document)
