"""Classify hand-drawn sketches and find similar ones.

Everything public is listed in `__all__` and imported when it is first used, so `import garabato` is
quick. Only training, and encoders in their safetensors form, import PyTorch (the extra `train`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from garabato.analysis import (
        MAX_PICTURE_ROWS,
        DuplicatePair,
        OddDrawing,
        SearchResult,
        draw_duplicates,
        draw_hits,
        draw_odd,
        find_duplicates,
        find_odd,
    )
    from garabato.categories import CATEGORIES, nearest_category
    from garabato.client import Client
    from garabato.dataset import Dataset, export_tfrecord, prepare
    from garabato.dataset.selection import choose_categories
    from garabato.demo import DemoProgress, DemoResult, run_demo
    from garabato.drawing import Drawing, DrawingBatch
    from garabato.encoder import Encoder, Prediction, categories_file, load_encoder
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
        UnknownFormatError,
    )
    from garabato.evaluation import Evaluation, evaluate, write_report
    from garabato.evaluation.report import check_report_folder
    from garabato.export import ExportedPage, export_hub, export_onnx, export_web, push_to_hub
    from garabato.formats import ReadReport, read_drawings, write_drawings
    from garabato.gallery import Gallery, Hit, Hits, open_gallery
    from garabato.gallery.explore import (
        N_VOTERS,
        CategoryVote,
        category_votes,
        has_own_categories,
        is_vote_unsure,
        query_direction,
        search_by_category,
        search_diverse,
        search_like,
    )
    from garabato.gallery.names import search_with_names
    from garabato.host.cpu_share import CpuMeter, CpuShare
    from garabato.host.machine import limit_native_threads
    from garabato.ingest import Copied, Filled, connect_ray, copy_gallery, index
    from garabato.ingest.icons import icon_gallery_folder, index_icons
    from garabato.inspection import Inspection, inspect, write_inspection
    from garabato.models import model_names, register_model
    from garabato.render import RenderSpec, render_batch
    from garabato.render.augment import AugmentSpec
    from garabato.service.serving import serve
    from garabato.sources import Source, open_source
    from garabato.sources.choose import ChosenSource, choose_source
    from garabato.sources.google_bucket import Download, download
    from garabato.sources.icons import DEFAULT_ICON_SETS, ICON_SETS, IconSource
    from garabato.training import (
        RunResult,
        TrainConfig,
        TrainingProgress,
        is_main_process,
        load_preset,
        preset_names,
        train,
    )
    from garabato.training.reproduce import REPRODUCE_SCALES, ReproduceSettings, reproduce
    from garabato.training.torch_dataset import torch_dataset

    __version__: str

#: Room -> the public names it holds.
_PUBLIC = {
    "analysis": (
        "MAX_PICTURE_ROWS",
        "DuplicatePair",
        "OddDrawing",
        "SearchResult",
        "draw_duplicates",
        "draw_hits",
        "draw_odd",
        "find_duplicates",
        "find_odd",
    ),
    "categories": (
        "CATEGORIES",
        "nearest_category",
    ),
    "client": ("Client",),
    "dataset": (
        "CpuMeter",
        "CpuShare",
        "Dataset",
        "export_tfrecord",
        "prepare",
    ),
    "dataset.selection": ("choose_categories",),
    "demo": (
        "DemoProgress",
        "DemoResult",
        "run_demo",
    ),
    "drawing": (
        "Drawing",
        "DrawingBatch",
    ),
    "encoder": (
        "Encoder",
        "Prediction",
        "categories_file",
        "load_encoder",
    ),
    "errors": (
        "CategoryError",
        "DatasetError",
        "DrawingError",
        "EncoderError",
        "EncoderMismatchError",
        "FormatError",
        "GalleryError",
        "GarabatoError",
        "InputError",
        "MissingExtraError",
        "ServiceError",
        "SourceError",
        "StorageError",
        "TrainingError",
        "UnknownFormatError",
    ),
    "evaluation": (
        "Evaluation",
        "evaluate",
        "write_report",
    ),
    "evaluation.report": ("check_report_folder",),
    "export": (
        "ExportedPage",
        "export_hub",
        "export_onnx",
        "export_web",
        "push_to_hub",
    ),
    "formats": (
        "ReadReport",
        "read_drawings",
        "write_drawings",
    ),
    "gallery": (
        "Gallery",
        "Hit",
        "Hits",
        "open_gallery",
    ),
    "gallery.explore": (
        "N_VOTERS",
        "CategoryVote",
        "category_votes",
        "has_own_categories",
        "is_vote_unsure",
        "query_direction",
        "search_by_category",
        "search_diverse",
        "search_like",
    ),
    "gallery.names": ("search_with_names",),
    "host.cpu_share": ("CpuMeter", "CpuShare"),
    "host.machine": ("limit_native_threads",),
    "ingest": (
        "Copied",
        "Filled",
        "connect_ray",
        "copy_gallery",
        "index",
    ),
    "ingest.icons": (
        "icon_gallery_folder",
        "index_icons",
    ),
    "inspection": (
        "Inspection",
        "inspect",
        "write_inspection",
    ),
    "models": (
        "model_names",
        "register_model",
    ),
    "render": (
        "RenderSpec",
        "render_batch",
    ),
    "render.augment": ("AugmentSpec",),
    "service.serving": ("serve",),
    "sources": (
        "Source",
        "open_source",
    ),
    "sources.choose": (
        "ChosenSource",
        "choose_source",
    ),
    "sources.google_bucket": (
        "Download",
        "download",
    ),
    "sources.icons": (
        "DEFAULT_ICON_SETS",
        "ICON_SETS",
        "IconSource",
    ),
    "training": (
        "RunResult",
        "TrainConfig",
        "TrainingProgress",
        "is_main_process",
        "load_preset",
        "preset_names",
        "train",
    ),
    "training.torch_dataset": ("torch_dataset",),
    "training.reproduce": (
        "REPRODUCE_SCALES",
        "ReproduceSettings",
        "reproduce",
    ),
}
_ROOM_OF = {name: room for room, names in _PUBLIC.items() for name in names}

__all__ = [
    "CATEGORIES",
    "DEFAULT_ICON_SETS",
    "ICON_SETS",
    "MAX_PICTURE_ROWS",
    "N_VOTERS",
    "REPRODUCE_SCALES",
    "AugmentSpec",
    "CategoryError",
    "CategoryVote",
    "ChosenSource",
    "Client",
    "Copied",
    "CpuMeter",
    "CpuShare",
    "Dataset",
    "DatasetError",
    "DemoProgress",
    "DemoResult",
    "Download",
    "Drawing",
    "DrawingBatch",
    "DrawingError",
    "DuplicatePair",
    "Encoder",
    "EncoderError",
    "EncoderMismatchError",
    "Evaluation",
    "ExportedPage",
    "Filled",
    "FormatError",
    "Gallery",
    "GalleryError",
    "GarabatoError",
    "Hit",
    "Hits",
    "IconSource",
    "InputError",
    "Inspection",
    "MissingExtraError",
    "OddDrawing",
    "Prediction",
    "ReadReport",
    "RenderSpec",
    "ReproduceSettings",
    "RunResult",
    "SearchResult",
    "ServiceError",
    "Source",
    "SourceError",
    "StorageError",
    "TrainConfig",
    "TrainingError",
    "TrainingProgress",
    "UnknownFormatError",
    "__version__",
    "categories_file",
    "category_votes",
    "check_report_folder",
    "choose_categories",
    "choose_source",
    "connect_ray",
    "copy_gallery",
    "download",
    "draw_duplicates",
    "draw_hits",
    "draw_odd",
    "evaluate",
    "export_hub",
    "export_onnx",
    "export_tfrecord",
    "export_web",
    "find_duplicates",
    "find_odd",
    "has_own_categories",
    "icon_gallery_folder",
    "index",
    "index_icons",
    "inspect",
    "is_main_process",
    "is_vote_unsure",
    "limit_native_threads",
    "load_encoder",
    "load_preset",
    "model_names",
    "nearest_category",
    "open_gallery",
    "open_source",
    "prepare",
    "preset_names",
    "push_to_hub",
    "query_direction",
    "read_drawings",
    "register_model",
    "render_batch",
    "reproduce",
    "run_demo",
    "search_by_category",
    "search_diverse",
    "search_like",
    "search_with_names",
    "serve",
    "torch_dataset",
    "train",
    "write_drawings",
    "write_inspection",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("garabato")
    elif name in _ROOM_OF:
        try:
            value = getattr(importlib.import_module(f"garabato.{_ROOM_OF[name]}"), name)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            from garabato.errors import MissingExtraError

            raise MissingExtraError(f"garabato.{name}", "train") from None
    else:
        raise AttributeError(f"module 'garabato' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
