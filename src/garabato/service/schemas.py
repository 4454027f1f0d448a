"""What requests and answers look like; the OpenAPI document is made from these."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from garabato.drawing import MAX_COORDINATE

MAX_K = 200
MAX_DRAWINGS_AT_ONCE = 500
_FACE: list[Any] = [
    [[0, 60, 200, 255, 200, 60, 0], [128, 20, 20, 128, 235, 235, 128]],
    [[80, 82], [100, 102]],
    [[170, 172], [100, 102]],
    [[70, 128, 185], [165, 195, 165]],
]
_HIT: dict[str, Any] = {
    "key_id": "5152802093400064",
    "category": "smiley face",
    "score": 0.93,
    "country": "DE",
    "recognized": True,
    "drawing": [[[12, 90, 160], [200, 230, 200]]],
}

Coordinate = Annotated[float, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE, allow_inf_nan=False)]
Points = Annotated[list[Coordinate], Field(min_length=1)]
Stroke = Annotated[
    list[Points], Field(min_length=2, max_length=2, description="The xs, then as many ys.")
]
Strokes = Annotated[
    list[Stroke],
    Field(min_length=1, description="Strokes in any units, y pointing down.", examples=[_FACE]),
]
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=_NO_CONTROLS)]
KeyId = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS)]
Names = Annotated[list[Name], Field(min_length=1, max_length=500)]


class _Request(BaseModel):
    """Fields that may be left out are None then; documented is that they may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        for prop in handler.resolve_ref_schema(schema).get("properties", {}).values():
            kinds = [kind for kind in prop.get("anyOf", []) if kind.get("type") != "null"]
            if len(kinds) == 1:
                del prop["anyOf"], prop["default"]
                prop |= kinds[0]
        return schema


class Classify(_Request):
    """A drawing to say something about."""

    drawing: Strokes
    k: Annotated[int, Field(ge=1, le=MAX_K, description="Categories wanted.")] = 5

    model_config = ConfigDict(json_schema_extra={"examples": [{"drawing": _FACE, "k": 3}]})


class Where(_Request):
    """What hits must be; each field that is given must hold."""

    category: Names | None = None
    country: Names | None = None
    recognized: bool | None = None
    tags: Names | None = None


class Search(_Request):
    """A drawing, or the key_id of a stored one, to find the like of."""

    drawing: Strokes | None = None
    key_id: KeyId | None = None
    k: Annotated[int, Field(ge=1, le=MAX_K, description="Hits wanted.")] = 10
    where: Where | None = None
    predictions: Annotated[
        int | None, Field(ge=1, le=MAX_K, description="Classify, too, and give so many.")
    ] = None

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["drawing"]}, {"required": ["key_id"]}],
            "examples": [
                {"drawing": _FACE, "k": 5, "where": {"category": ["smiley face"]}},
                {"key_id": "5152802093400064", "k": 5},
            ],
        }
    )


class NewDrawing(_Request):
    """A drawing to store."""

    drawing: Strokes
    category: Name | None = None
    tags: Names | None = None


class Add(_Request):
    """One drawing to store, or a list of them."""

    drawing: Strokes | None = None
    category: Name | None = None
    tags: Names | None = None
    drawings: Annotated[
        list[NewDrawing] | None, Field(min_length=1, max_length=MAX_DRAWINGS_AT_ONCE)
    ] = None

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["drawing"]}, {"required": ["drawings"], "maxProperties": 1}],
            "examples": [{"drawing": _FACE, "category": "smiley face"}],
        }
    )


class Hide(_Request):
    """Why a drawing should not be shown."""

    reason: Annotated[str | None, Field(max_length=500)] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "inappropriate"}]})


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


class Ready(BaseModel):
    """How far the service is; `done` and `total` where it is building something."""

    status: str
    done: int | None = None
    total: int | None = None


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
