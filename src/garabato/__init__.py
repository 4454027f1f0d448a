"""Find out what a hand-drawn sketch shows, and find sketches like it.

Everything public is here; it is imported when it is first used, so `import garabato` is quick and
reading drawings loads no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from garabato.categories import CATEGORIES
    from garabato.client import Client
    from garabato.dataset import Dataset, export_tfrecord, prepare
    from garabato.drawing import Drawing, DrawingBatch
    from garabato.encoder import Encoder, Prediction, load_encoder
    from garabato.errors import (
        CategoryError,
        DatasetError,
        DrawingError,
        EncoderError,
        EncoderMismatchError,
        FormatError,
        GalleryError,
        GarabatoError,
        InputError,
        MissingExtraError,
        ServiceError,
        SourceError,
        StorageError,
        TrainingError,
    )
    from garabato.evaluation import Evaluation, evaluate, write_report
    from garabato.export import ExportedPage, export_onnx, export_web
    from garabato.formats import ReadReport, read_drawings, write_drawings
    from garabato.gallery import Hit, open_gallery
    from garabato.inspection import Inspection, inspect, write_inspection
    from garabato.render import RenderSpec, render_batch
    from garabato.sources import open_source
    from garabato.sources.google_bucket import download
    from garabato.training import TrainConfig, load_preset, train

    __version__: str

__all__ = [
    "CATEGORIES",
    "CategoryError",
    "Client",
    "Dataset",
    "DatasetError",
    "Drawing",
    "DrawingBatch",
    "DrawingError",
    "Encoder",
    "EncoderError",
    "EncoderMismatchError",
    "Evaluation",
    "ExportedPage",
    "FormatError",
    "GalleryError",
    "GarabatoError",
    "Hit",
    "InputError",
    "Inspection",
    "MissingExtraError",
    "Prediction",
    "ReadReport",
    "RenderSpec",
    "ServiceError",
    "SourceError",
    "StorageError",
    "TrainConfig",
    "TrainingError",
    "__version__",
    "download",
    "evaluate",
    "export_onnx",
    "export_tfrecord",
    "export_web",
    "inspect",
    "load_encoder",
    "load_preset",
    "open_gallery",
    "open_source",
    "prepare",
    "read_drawings",
    "render_batch",
    "train",
    "write_drawings",
    "write_inspection",
    "write_report",
]

#: Room -> what it gives to the public.
_ROOMS = {
    "categories": ("CATEGORIES",),
    "client": ("Client",),
    "dataset": ("Dataset", "export_tfrecord", "prepare"),
    "drawing": ("Drawing", "DrawingBatch"),
    "encoder": ("Encoder", "Prediction", "load_encoder"),
    "errors": tuple(name for name in __all__ if name.endswith("Error")),
    "evaluation": ("Evaluation", "evaluate", "write_report"),
    "export": ("ExportedPage", "export_onnx", "export_web"),
    "formats": ("ReadReport", "read_drawings", "write_drawings"),
    "gallery": ("Hit", "open_gallery"),
    "inspection": ("Inspection", "inspect", "write_inspection"),
    "render": ("RenderSpec", "render_batch"),
    "sources": ("open_source",),
    "sources.google_bucket": ("download",),
    "training": ("TrainConfig", "load_preset", "train"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("garabato")
    elif name in _ROOM_OF:
        value = getattr(importlib.import_module(f"garabato.{_ROOM_OF[name]}"), name)
    else:
        raise AttributeError(f"module 'garabato' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
