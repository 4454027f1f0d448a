"""Response bodies. The OpenAPI document is made from these models and those of `requests`."""

from __future__ import annotations

from typing import Any

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
    """A category and how probable it is."""

    category: str
    probability: float


class Classified(BaseModel):
    """What a drawing shows."""

    predictions: list[Prediction]
    unsure: bool
    took_ms: float
    drawing: list[Any] | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "predictions": [{"category": "smiley face", "probability": 0.97}],
                    "unsure": False,
                    "took_ms": 8.1,
                }
            ]
        }
    )


class StoredDrawing(BaseModel):
    """A drawing and what is known of it."""

    key_id: str
    category: str | None
    country: str | None = None
    recognized: bool | None = None
    timestamp: str | None = None
    tags: list[str] | None = None
    title: str | None = None
    link: str | None = None
    source_path: str | None = None
    #: Where the original file is kept: GET /v1/drawings/{key_id}/original.
    original_type: str | None = None
    drawing: list[Any]


class Hit(StoredDrawing):
    """A drawing found; `score` is the cosine similarity with the query."""

    score: float


class Found(BaseModel):
    """Hits, best first."""

    hits: list[Hit]
    predictions: list[Prediction] | None = None
    unsure: bool | None = None
    took_ms: float
    drawing: list[Any] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"hits": [_HIT], "took_ms": 12.5}]})


class Added(BaseModel):
    """The key_ids of what is stored now, in the order of the request."""

    key_ids: list[str]


class Deleted(BaseModel):
    """How many drawings there were to delete."""

    n_deleted: int


class Page(BaseModel):
    """Drawings in the order of their key_ids; `next` is the `after` of the next page, or null."""

    drawings: list[StoredDrawing]
    next: str | None


class CategoryCount(BaseModel):
    """A category of the gallery."""

    category: str
    n_drawings: int


class Categories(BaseModel):
    """What is in the gallery, and which categories the encoder knows."""

    categories: list[CategoryCount]
    countries: list[str]
    known: list[str]


class Confusion(BaseModel):
    """A category and its share of the neighbours that are of another category."""

    category: str
    share: float


class CategoryPage(BaseModel):
    """A category: its typical drawings, its odd ones, what it is confused with."""

    category: str
    n_drawings: int
    typical: list[StoredDrawing]
    odd: list[StoredDrawing]
    confused_with: list[Confusion]


class Map(BaseModel):
    """Where drawings lie on the map; columns of one length `n`. x and y are 0..65535."""

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
    """All hidden drawings, the last hidden first."""

    hidden: list[HiddenDrawing]


class ReportedDrawing(BaseModel):
    """A reported drawing: how often, when last, and the last reason given."""

    key_id: str
    n_reports: int
    reported_at: str
    reason: str | None = None
    category: str | None = None
    drawing: list[Any] | None = None


class ReportedList(BaseModel):
    """All reported drawings that are not hidden, those reported most often first."""

    reported: list[ReportedDrawing]


class Ready(BaseModel):
    """Progress: `done` of `total` where it is known; `failed` if it will never be ready."""

    status: str
    done: int | None = None
    total: int | None = None
    failed: bool | None = None


class Progressing(Ready):
    """The same of the service or of the map; `ready`: it is there."""

    ready: bool


class May(BaseModel):
    """What the one who asks may do: `change` is storing, deleting, and what operators do."""

    change: bool
    hide: bool


class State(Progressing):
    """`ready`: queries are answered. `counted`: what the gallery holds is known, too."""

    counted: bool
    may: May


class ProblemDocument(BaseModel):
    """RFC 9457. `errors` name the fields of the request that are wrong."""

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
