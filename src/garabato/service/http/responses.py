"""Response bodies. The OpenAPI document is made from these models and `requests`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

_HIT: dict[str, Any] = {
    "key_id": "5152802093400064",
    "category": "smiley face",
    "score": 0.93,
    "country": "DE",
    "recognized": True,
    "drawing": [[[12, 90, 160], [200, 230, 200]]],
}


class Prediction(BaseModel):
    """A category and its probability."""

    category: str
    probability: float


class Classified(BaseModel):
    """The categories of a drawing, most probable first."""

    predictions: list[Prediction]
    unsure: bool
    unknown: bool
    took_ms: float
    drawing: list[Any] | None = None
    traced: bool | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "predictions": [{"category": "smiley face", "probability": 0.97}],
                    "unsure": False,
                    "unknown": False,
                    "took_ms": 8.1,
                }
            ]
        }
    )


class StoredDrawing(BaseModel):
    """A stored drawing and its metadata."""

    key_id: str
    category: str | None
    country: str | None = None
    recognized: bool | None = None
    timestamp: str | None = None
    traced: bool | None = None
    tags: list[str] | None = None
    title: str | None = None
    link: str | None = None
    source_path: str | None = None
    #: Where the original file is kept: GET /v1/drawings/{key_id}/original.
    original_type: str | None = None
    drawing: list[Any]


class Hit(StoredDrawing):
    """A drawing that was found. `score` is its cosine similarity to the query, or more if the
    drawing is named like the query's predictions, in a gallery with categories of its own."""

    score: float
    #: The predicted category that its title or tags name, if that raised the score.
    name_match: str | None = None


class Vote(BaseModel):
    """A category and its share of the votes of the nearest drawings."""

    category: str
    share: float


class Found(BaseModel):
    """Hits, best first. `headline` says which classification to show: the `predictions` of the
    encoder, or the `votes` of a gallery whose categories are not the encoder's."""

    hits: list[Hit]
    headline: Literal["encoder", "gallery"]
    votes: list[Vote] | None = None
    votes_unsure: bool | None = None
    predictions: list[Prediction] | None = None
    unsure: bool | None = None
    unknown: bool | None = None
    took_ms: float
    drawing: list[Any] | None = None
    traced: bool | None = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"hits": [_HIT], "headline": "encoder", "took_ms": 12.5}]}
    )


class Added(BaseModel):
    """The key_ids of the stored drawings, in the order of the request."""

    key_ids: list[str]


class Deleted(BaseModel):
    """How many drawings were deleted."""

    n_deleted: int


class Page(BaseModel):
    """Drawings ordered by key_id. `next` is the `after` of the next page; null ends the list."""

    drawings: list[StoredDrawing]
    next: str | None


class GalleryCount(BaseModel):
    """A gallery by name and its number of drawings."""

    name: str
    n_drawings: int


class Galleries(BaseModel):
    """The galleries of the service. The first is the default."""

    galleries: list[GalleryCount]


class CategoryCount(BaseModel):
    """A category of the gallery and its number of drawings."""

    category: str
    n_drawings: int


class Categories(BaseModel):
    """The gallery's categories and countries, and the categories that the encoder knows."""

    categories: list[CategoryCount]
    countries: list[str]
    known: list[str]


class TaughtCategory(BaseModel):
    """A category that the encoder was taught, and from how many drawings."""

    category: str
    n_drawings: int


class TaughtList(BaseModel):
    """The categories that the encoder was taught."""

    categories: list[TaughtCategory]


class Confusion(BaseModel):
    """Another category, and its share of the neighbours of this category's drawings."""

    category: str
    share: float


class CategoryPage(BaseModel):
    """A category: typical drawings, odd ones, and the categories it is confused with."""

    category: str
    n_drawings: int
    typical: list[StoredDrawing]
    odd: list[StoredDrawing]
    confused_with: list[Confusion]


class Map(BaseModel):
    """Positions on the map, as columns of length `n`. x and y are 0 to 65535."""

    n: int
    categories: list[str]
    category: list[int]
    x: list[int]
    y: list[int]
    key_id: list[str]


class HiddenDrawing(BaseModel):
    """A hidden drawing, and when and why it was hidden."""

    key_id: str
    hidden_at: str
    reason: str | None = None
    category: str | None = None
    drawing: list[Any] | None = None


class HiddenList(BaseModel):
    """All hidden drawings, most recently hidden first."""

    hidden: list[HiddenDrawing]


class ReportedDrawing(BaseModel):
    """A reported drawing: how often, when last, and the last reason."""

    key_id: str
    n_reports: int
    reported_at: str
    reason: str | None = None
    category: str | None = None
    drawing: list[Any] | None = None


class ReportedList(BaseModel):
    """All reported drawings that are not hidden, most often reported first."""

    reported: list[ReportedDrawing]


class Ready(BaseModel):
    """Progress: `done` of `total` where it is known; `failed` if it will never be ready."""

    status: str
    done: int | None = None
    total: int | None = None
    failed: bool | None = None


class Progressing(Ready):
    """Progress of the service or the map, and whether it is ready."""

    ready: bool


class May(BaseModel):
    """What the client may do: `change` covers storing, deleting and operators' actions."""

    change: bool
    hide: bool


class State(Progressing):
    """`ready`: the service accepts queries. `counted`: categories have been counted."""

    counted: bool
    may: May


class ProblemDocument(BaseModel):
    """An error (RFC 9457). `errors` names the fields of the request that are wrong."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "drawing: stroke 2 has 3 xs but 2 ys",
                    "errors": [{"field": "drawing", "detail": "stroke 2 has 3 xs but 2 ys"}],
                }
            ]
        },
    )
