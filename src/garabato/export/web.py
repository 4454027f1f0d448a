"""Pages without a server: draw, and the browser itself says what it is and finds what is like it.

The page is the one `garabato serve` shows. Its only way to a server, static/script/api.js, is
replaced by one that asks a worker, in which run the renderer (in JavaScript, with the same pixels),
the encoder (in ONNX form, by ONNX Runtime in WebAssembly) and an exact search.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from importlib import resources
from os import PathLike
from pathlib import Path

import numpy as np
import orjson

from garabato.analysis.map import Progress, check_extra
from garabato.encoder import Encoder
from garabato.errors import InputError
from garabato.export.onnx import export_onnx
from garabato.export.onnxruntime_web import FILES, onnxruntime_web
from garabato.export.web_gallery import Shelf
from garabato.formats import ReadReport
from garabato.gallery import Gallery, open_gallery
from garabato.host.atomic import replacing_folder
from garabato.sources import open_source
from garabato.sources.starter import STARTER

#: Drawings of each category on a page.
PER_CATEGORY = 12
#: By this a folder is known as one that was written here.
_MARK = "static/search/encoder.json"


def _silent(_stage: str, _done: int, _total: int) -> None:
    """No progress shown."""


@dataclass(frozen=True, slots=True)
class ExportedPage:
    """A page that was written: its folder, its drawings, and the bytes of its files by name."""

    folder: Path
    n_drawings: int
    files: dict[str, int]


def export_web(
    encoder: Encoder,
    folder: str | PathLike[str],
    *,
    gallery: Gallery | None = None,
    per_category: int = PER_CATEGORY,
    progress: Progress = _silent,
) -> ExportedPage:
    """Write a page for any static web host into `folder`, whole or not at all.

    It shows up to `per_category` drawings of each category of `gallery`, which `encoder` filled;
    without one, of the starter set. A page that stands there already is replaced; a folder with
    anything else is an InputError. `progress(stage, done, total)` is called now and then.

    Raises MissingExtraError without the extra `web`, SourceError where npm is needed and does not
    deliver, InputError for images of style "reference", which the page cannot draw, and
    StorageError.
    """
    target = Path(folder)
    if target.exists() and not (target / _MARK).is_file() and any(target.iterdir()):
        raise InputError(f"{target} holds other things; give a new folder for the page")
    if encoder.spec.style != "smooth":
        raise InputError(
            f"pages draw in style 'smooth', this encoder has {encoder.spec.style!r}; "
            "train one with it"
        )
    if per_category < 1:
        raise InputError(f"per_category is at least 1, not {per_category}")
    check_extra()
    progress("fetching ONNX Runtime for browsers", 0, 1)
    runtime = onnxruntime_web()
    progress("fetching ONNX Runtime for browsers", 1, 1)
    with (
        tempfile.TemporaryDirectory(prefix="garabato-") as work,
        replacing_folder(target) as unfinished,
    ):
        shown = open_gallery(Path(work) / "gallery", encoder=encoder)
        if gallery is None:
            gallery = open_gallery(Path(work) / "starter", encoder=encoder)
            _fill_with_starter_set(gallery, per_category, progress)
        shelf = Shelf.of(gallery, per_category=per_category)
        shelf.fill(shown)
        _copy_page(unfinished)
        search = unfinished / "static" / "search"
        for name in FILES:
            shutil.copy(runtime / name, search / name)
        export_onnx(encoder, search / "encoder.onnx")
        about = {
            "fingerprint": encoder.fingerprint,
            "render": encoder.spec.to_dict(),
            "categories": encoder.categories,
            "embedding_dim": encoder.embedding_dim,
            "temperature": encoder.temperature,
            "unsure_below": encoder.unsure_below,
        }
        (search / "encoder.json").write_bytes(orjson.dumps(about))
        shelf.write(search)
        shelf.write_views(search, shown, progress)
        files = {
            path.relative_to(unfinished).as_posix(): path.stat().st_size
            for path in sorted(unfinished.rglob("*"))
            if path.is_file()
        }
    return ExportedPage(target, len(shelf.drawings), files)


def _copy_page(folder: Path) -> None:
    """The service's page, with what stands in for the server laid over it."""
    package = resources.files("garabato")
    with resources.as_file(package / "service" / "page") as page:
        shutil.copytree(page, folder / "static")
    (folder / "static" / "index.html").replace(folder / "index.html")
    with resources.as_file(package / "export" / "site") as site:
        shutil.copytree(site, folder, dirs_exist_ok=True)


def _fill_with_starter_set(gallery: Gallery, per_category: int, progress: Progress) -> None:
    source = open_source(STARTER)
    categories = source.categories()
    for done, category in enumerate(categories, start=1):
        n_left = per_category
        for batch in source.read(category, report=ReadReport()):
            gallery.add(batch.take(np.arange(min(n_left, len(batch)))))
            n_left -= min(n_left, len(batch))
            if n_left == 0:
                break
        progress("embedding the starter set", done, len(categories))
