"""Request bodies. The OpenAPI document is made from these models and `responses`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from starlette.convertors import PathConvertor, register_url_convertor

from garabato.drawing import MAX_COORDINATE
from garabato.drawing.times import normal_time

MAX_K = 200
MAX_DRAWINGS_AT_ONCE = 500
#: Drawings that a category may be taught from.
MAX_EXAMPLES = 100
#: Characters of a name in the body of a query: about as many as an address may have.
_MAX_NAME = 2**16
_FACE: list[Any] = [
    [[0, 60, 200, 255, 200, 60, 0], [128, 20, 20, 128, 235, 235, 128]],
    [[80, 82], [100, 102]],
    [[170, 172], [100, 102]],
    [[70, 128, 185], [165, 195, 165]],
]
_WHERE: dict[str, Any] = {
    "category": ["smiley face", "face"],
    "country": ["DE", "FR"],
    "recognized": True,
    "timestamp": {"after": "2017-03-01", "before": "2017-04-01"},
    "tags": ["mine"],
}

Coordinate = Annotated[float, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE, allow_inf_nan=False)]
Points = Annotated[list[Coordinate], Field(fail_fast=True, min_length=1)]
Stroke = Annotated[
    list[Points],
    Field(fail_fast=True, min_length=2, max_length=2, description="The xs, then as many ys."),
]
Strokes = Annotated[
    list[Stroke],
    Field(
        fail_fast=True,
        min_length=1,
        description="Strokes in any units, y pointing down.",
        examples=[_FACE],
    ),
]
Traced = Annotated[
    bool | None,
    Field(
        description="Whether the strokes were traced from a picture, so that nobody knows their "
        "order; by default, they are as drawn."
    ),
]
#: What the API stores is short and printable; what a gallery already holds can be anything.
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
NewName = Annotated[str, Field(min_length=1, max_length=100, pattern=_NO_CONTROLS)]
NewNames = Annotated[list[NewName], Field(fail_fast=True, max_length=500)]
Name = Annotated[str, Field(min_length=1)]
_NameInBody = Annotated[Name, Field(max_length=_MAX_NAME)]
Names = Annotated[list[_NameInBody], Field(fail_fast=True, max_length=500)]
KeyIdInPath = Annotated[Name, Path(description="The drawing's key_id.")]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS)]
Title = Annotated[str, Field(min_length=1, max_length=500, pattern=_NO_CONTROLS)]
KeyIds = Annotated[list[_NameInBody], Field(fail_fast=True, max_length=MAX_DRAWINGS_AT_ONCE)]


def _stands_in_addresses(key_id: str) -> str:
    parts = key_id.split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise PydanticCustomError(
            "key_id", "no part between slashes may be empty, . or .., which URLs leave out"
        )
    if len(parts) > 1 and parts[-1] in ("report", "original"):
        raise PydanticCustomError(
            "key_id", "it may not end in /report or /original, which are routes of their own"
        )
    return key_id


def _is_web_address(link: str) -> str:
    if not link.startswith(("http://", "https://")):
        raise PydanticCustomError("link", "it must begin with http:// or https://")
    return link


def _is_time(text: str) -> str:
    try:
        normal_time(text)
    except ValueError:
        raise PydanticCustomError(
            "timestamp", "it must be a time, such as 2017-03 or 2017-03-29 00:29:12"
        ) from None
    return text


Link = Annotated[
    str,
    Field(min_length=1, max_length=2_000, pattern=_NO_CONTROLS),
    AfterValidator(_is_web_address),
]
NewKeyId = Annotated[
    Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS)],
    AfterValidator(_stands_in_addresses),
    Field(
        description="A stored drawing with this key_id is replaced. By default, the key_id is made "
        "from the strokes. It may have parts separated by slashes; no part may be `.` or `..`, and "
        "the last may not be `report` or `original`.",
        examples=["my-drawing-1"],
    ),
]
Timestamp = Annotated[
    str,
    Field(max_length=100, examples=["2017-03-29 00:29:12"]),
    AfterValidator(_is_time),
]


class _TextConvertor(PathConvertor):
    regex = "(?s:.*)"


#: `{key_id:text}` in the path of a route: like `path`, but line breaks match, too.
register_url_convertor("text", _TextConvertor())


class _Request(BaseModel):
    """Optional fields are None; in the OpenAPI document they may be left out, not null."""

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


Among = Annotated[
    list[_NameInBody],
    Field(
        fail_fast=True,
        min_length=1,
        max_length=1_000,
        description="Only these of the encoder's categories; their probabilities sum to 1.",
    ),
]


class Classify(_Request):
    """A drawing to classify."""

    drawing: Strokes
    traced: Traced = None
    k: Annotated[int, Field(ge=1, le=MAX_K, description="Number of categories.")] = 5
    among: Among | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"drawing": _FACE, "k": 3}]})


class Span(_Request):
    """A span of time."""

    after: Annotated[Timestamp | None, Field(description="This time or later.")] = None
    before: Annotated[Timestamp | None, Field(description="Earlier than this.")] = None

    model_config = ConfigDict(
        json_schema_extra={"minProperties": 1, "examples": [{"after": "2017-03-01"}]}
    )

    @model_validator(mode="after")
    def _has_an_end(self) -> Span:
        if self.after is None and self.before is None:
            raise PydanticCustomError("timestamp", "give after, before or both")
        return self


class Where(_Request):
    """A filter: every field given must match. A drawing without a value does not match."""

    category: Annotated[Names | None, Field(description="One of these.")] = None
    country: Annotated[Names | None, Field(description="One of these.")] = None
    recognized: bool | None = None
    timestamp: Span | None = None
    tags: Annotated[Names | None, Field(description="At least one of these.")] = None
    key_id: Annotated[KeyIds | None, Field(description="One of these.")] = None
    text: Annotated[
        Text | None,
        Field(description="Each of its words begins a word of the title, category or a tag."),
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [_WHERE]})


class Search(_Request):
    """A query: a drawing, or the key_id of a stored one."""

    drawing: Strokes | None = None
    traced: Traced = None
    key_id: _NameInBody | None = None
    k: Annotated[int, Field(ge=1, le=MAX_K, description="Number of hits.")] = 10
    where: Where | None = None
    predictions: Annotated[
        int | None,
        Field(ge=1, le=MAX_K, description="Also classify; return this many predictions."),
    ] = None
    among: Among | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["drawing"]}, {"required": ["key_id"]}],
            "examples": [
                {"drawing": _FACE, "k": 5, "where": _WHERE},
                {"key_id": "5152802093400064", "k": 5},
            ],
        }
    )


class _Known(_Request):
    key_id: NewKeyId | None = None
    category: NewName | None = None
    country: NewName | None = None
    recognized: bool | None = None
    timestamp: Timestamp | None = None
    traced: Traced = None
    tags: NewNames | None = None
    title: Title | None = None
    link: Annotated[Link | None, Field(description="An http or https address.")] = None
    source_path: Title | None = None
    original: Annotated[
        str | None,
        Field(
            max_length=2**17,
            description="The file it was drawn from, in base64: an SVG, PNG, JPEG, GIF or WebP of "
            "at most 64 KiB. SVGs are cleaned: they can't run scripts or load files.",
        ),
    ] = None


class NewDrawing(_Known):
    """A drawing to store, with its metadata."""

    drawing: Strokes


class Add(_Known):
    """One drawing to store, or a list of them."""

    drawing: Strokes | None = None
    drawings: Annotated[
        list[NewDrawing] | None,
        Field(fail_fast=True, min_length=1, max_length=MAX_DRAWINGS_AT_ONCE),
    ] = None

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["drawing"]}, {"required": ["drawings"], "maxProperties": 1}],
            "examples": [
                {"drawing": _FACE, "category": "smiley face"},
                {
                    "drawings": [
                        {
                            "drawing": _FACE,
                            "key_id": "my-drawing-1",
                            "category": "smiley face",
                            "country": "DE",
                            "recognized": True,
                            "timestamp": "2017-03-29 00:29:12",
                            "tags": ["mine"],
                        }
                    ]
                },
            ],
        }
    )


class Delete(_Request):
    """The drawings to delete: by key_id, or all that pass a filter."""

    key_ids: KeyIds | None = None
    where: Where | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["key_ids"]}, {"required": ["where"]}],
            "examples": [{"key_ids": ["my-drawing-1"]}, {"where": {"tags": ["mine"]}}],
        }
    )


class Hide(_Request):
    """Why a drawing should not be shown."""

    reason: Annotated[str | None, Field(max_length=500)] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "inappropriate"}]})


class Teach(_Request):
    """Drawings of a new category."""

    drawings: Annotated[list[Strokes], Field(fail_fast=True, min_length=1, max_length=MAX_EXAMPLES)]
    traced: Annotated[
        list[bool] | None,
        Field(
            fail_fast=True, description="For each drawing, whether it was traced from a picture."
        ),
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"drawings": [_FACE]}]})


#: Bodies that routes parse themselves, added to the OpenAPI document.
BODIES: tuple[type[BaseModel], ...] = (Classify, Search, Add, Delete, Hide, Teach)


def body_of(model: str, *form_fields: str, is_required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that takes JSON (`model` is one of BODIES). With `form_fields` it
    also takes a form with a file."""
    content: dict[str, Any] = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}
    }
    if form_fields:
        properties: dict[str, Any] = {
            "file": {"type": "string", "contentMediaType": "application/octet-stream"},
            **{name: {"type": "string"} for name in form_fields},
        }
        content["multipart/form-data"] = {
            "schema": {"type": "object", "required": ["file"], "properties": properties}
        }
    return {"requestBody": {"required": is_required, "content": content}}
