"""The starter gallery: some drawings of every category, made on first use, kept for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from garabato.drawing import DrawingBatch
from garabato.encoder import Encoder
from garabato.formats import ReadReport
from garabato.gallery import Gallery, open_gallery
from garabato.host.atomic import write_bytes
from garabato.host.cache import cache_folder
from garabato.ingest.bulk_load import fill
from garabato.service.state.progress import Progress
from garabato.sources import open_source
from garabato.sources.base import Source
from garabato.sources.google_bucket.bucket import download

#: Drawings of each category.
N_PER_CATEGORY = 30
_COMPLETE = "starter-complete"
_BUILDING = "building gallery"


class ChosenSource(Protocol):
    """Where drawings come from; with `is_fetched` the folder to fetch from Google's bucket into."""

    @property
    def place(self) -> Path: ...
    @property
    def is_fetched(self) -> bool: ...
    @property
    def said(self) -> str: ...


#: Takes the folder that drawings fetched from the bucket go to.
ChooseSource = Callable[[Path], ChosenSource]


def build_starter_gallery(
    encoder: Encoder, choose_source: ChooseSource, progress: Progress
) -> Gallery:
    """The starter gallery of this encoder, in the user's cache folder; filled where it is not yet.

    One that was begun is gone on with.
    """
    folder = cache_folder() / "galleries"
    uri = folder / f"starter-{encoder.fingerprint}"
    complete = folder / f"{uri.name}.service" / _COMPLETE
    if not complete.is_file():
        progress.report(_BUILDING)
        chosen = choose_source(cache_folder() / "starter-drawings")
        if chosen.is_fetched:
            _fetch(encoder, chosen.place, progress)
        source = open_source(chosen.place)
        gallery = open_gallery(uri, encoder=encoder)
        total = len(source.categories()) * N_PER_CATEGORY
        fill(
            gallery,
            encoder,
            _some_of_each(source),
            progress=lambda done: progress.report(_BUILDING, min(done, total), total),
        )
        complete.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(complete, f"{chosen.said}\n".encode())
    return open_gallery(uri, encoder=encoder, must_exist=True)


def _fetch(encoder: Encoder, folder: Path, progress: Progress) -> None:
    download(
        folder,
        encoder.categories,
        per_category=N_PER_CATEGORY,
        progress=lambda stage, done, total: progress.report("fetching drawings", done, total),
    )


def _some_of_each(source: Source) -> Iterator[DrawingBatch]:
    """The first drawings of each category that Google's network recognised."""
    for category in source.categories():
        n_left = N_PER_CATEGORY
        for batch in source.read(category, report=ReadReport()):
            recognized = [i for i, known in enumerate(batch.recognized) if known is not False]
            batch = batch.take(np.array(recognized[:n_left], np.int64))
            yield batch
            n_left -= len(batch)
            if n_left <= 0:
                break
