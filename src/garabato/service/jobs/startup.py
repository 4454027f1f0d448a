"""Startup, in a thread: load the encoder, open or build the gallery, warm both up."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path

import garabato
from garabato.drawing import Drawing
from garabato.encoder import (
    Encoder,
    encoder_file,
    load_encoder_alone,
    with_categories_file,
)
from garabato.errors import EncoderError, GalleryError, GarabatoError
from garabato.gallery import Gallery, open_gallery
from garabato.host.atomic import write_bytes
from garabato.host.machine import cache_folder
from garabato.ingest.bulk_load import fill, icon_gallery_folder
from garabato.render import load_kernels
from garabato.service.service import Service
from garabato.service.state import READY, BackgroundProgress, ShutdownError, Stage
from garabato.sources import open_source
from garabato.sources.google_bucket.bucket import download
from garabato.sources.icons import DEFAULT_ICON_SETS
from garabato.sources.source import ChosenSource, first_of_each
from garabato.sources.starter import StarterSource

_log = logging.getLogger("garabato.service")
#: Drawings of each category in the starter gallery.
N_PER_CATEGORY = 30
_COMPLETE = "starter-complete"
_BUILDING = "building gallery"
_ANY_DRAWING = Drawing([[[0, 255, 120], [0, 40, 255]]])
#: Takes the folder that downloaded drawings go to.
ChooseSource = Callable[[Path], ChosenSource]


def start(service: Service, choose_source: ChooseSource) -> threading.Thread:
    """Start in the background; `service.progress` has the progress."""
    thread = threading.Thread(
        target=_start, args=(service, choose_source), name="garabato-startup", daemon=True
    )
    thread.start()
    return thread


def load_fast_encoder(path: str | PathLike[str] | None = None) -> Encoder:
    """As `load_encoder_alone`, in float32: a response doesn't depend on its batch.

    A trained `.safetensors` file is exported to ONNX on first use, which needs PyTorch, and cached;
    from then on PyTorch is not even imported. If the cache is not writable, PyTorch runs the
    encoder.
    """
    file = encoder_file(path, in_onnx=True)
    if file.suffix != ".safetensors":
        return load_encoder_alone(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise EncoderError(f"cannot read {file}: {error}") from None
    try:
        return _load_cached_onnx(file, hashlib.sha256(content).hexdigest()[:32])
    except OSError as error:  # or StorageError
        _log.warning("PyTorch runs the encoder: cannot cache its ONNX form: %s", error)
        return load_encoder_alone(file, precision="float32")


def _start(service: Service, choose_source: ChooseSource) -> None:
    compiling = threading.Thread(target=_compile_tracing, args=(service.progress,), daemon=True)
    try:
        settings = service.settings
        encoder = load_fast_encoder(settings.model)
        encoder = with_categories_file(encoder, settings.model, settings.categories)
        encoder.predict([_ANY_DRAWING])  # allocates
        service.set_encoder(encoder)
        service.files.prepare()
        compiling.start()
        load_kernels(encoder.spec)
        for name, gallery in _open_galleries(service, choose_source, compiling):
            service.progress.report("warming up")
            gallery.warm()
            service.add_gallery(name, gallery)
            _log.info("gallery open", extra={"gallery": gallery.uri, "n_drawings": len(gallery)})
        service.started()
        service.progress.stage = READY
        service.metrics.ready.set(1)
        _log.info("ready")
    except ShutdownError:
        _log.info("stopped before it was ready")
    except Exception as error:
        _log.error("cannot start: %s", error, exc_info=not isinstance(error, GarabatoError))
        # Everybody can read the stage, and the reason may name files.
        why = "cannot start; the operator's log says why"
        service.progress.stage = Stage(why, failed=True)
        service.start_failed(str(error) or type(error).__name__)
    finally:
        if compiling.is_alive():  # its process must not outlive the service
            compiling.join()


def _open_galleries(
    service: Service, choose_source: ChooseSource, compiling: threading.Thread
) -> Iterator[tuple[str, Gallery]]:
    """The galleries by name, in order, each opened when the iterator reaches it."""
    encoder, progress = service.encoder, service.progress
    if not service.settings.galleries:
        yield "drawings", _starter_gallery(service, choose_source, compiling)
        icons = icon_gallery_folder(DEFAULT_ICON_SETS, encoder)
        if Path(icons).is_dir():
            try:
                yield "icons", open_gallery(icons, encoder=encoder, must_exist=True)
            except GalleryError as error:
                _log.warning("cannot serve the icons: %s", error)
    for name, uri in service.settings.galleries.items():
        progress.report("opening the gallery")
        yield name, open_gallery(uri, encoder=encoder, must_exist=True)


def _starter_gallery(
    service: Service, choose_source: ChooseSource, compiling: threading.Thread
) -> Gallery:
    """The encoder's starter gallery in the user's cache folder, built or completed if needed."""
    encoder, progress = service.encoder, service.progress
    folder = cache_folder() / "galleries"
    uri = folder / f"starter-{encoder.fingerprint}"
    complete = folder / f"{uri.name}.service" / _COMPLETE
    if not complete.is_file():
        progress.report(_BUILDING)
        chosen = choose_source(cache_folder() / "starter-drawings")
        if chosen.needs_download:
            download(
                chosen.path,
                encoder.categories,
                per_category=N_PER_CATEGORY,
                progress=lambda _, *counts: progress.report("downloading drawings", *counts),
            )
        source = open_source(chosen.path)
        if isinstance(source, StarterSource):  # bitmaps
            progress.report("preparing to read pictures")
            compiling.join()
        gallery = open_gallery(uri, encoder=encoder)
        total = len(source.categories()) * N_PER_CATEGORY
        fill(
            gallery,
            encoder,
            first_of_each(source, N_PER_CATEGORY),
            progress=lambda done: progress.report(_BUILDING, min(done, total), total),
        )
        complete.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(complete, f"{chosen.reason}\n".encode())
    return open_gallery(uri, encoder=encoder, must_exist=True)


def _compile_tracing(progress: BackgroundProgress) -> None:
    """Compile what traces pictures, unless it is cached or the service shuts down.

    In a process of its own: here, the compiler would hold up queries and keep 140 MB.
    """
    program = "from garabato.tracing.trace import load_kernels; load_kernels()"
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    while process.poll() is None:
        if progress.stopped.wait(0.1):
            process.kill()


def _load_cached_onnx(file: Path, digest: str) -> Encoder:
    """The encoder in ONNX form, exported by this version from `file` unless it is in the cache."""
    cached = cache_folder() / "encoders" / f"{digest}-{garabato.__version__}.onnx"
    if cached.is_file():
        try:
            return load_encoder_alone(cached)
        except EncoderError as error:
            _log.warning("exporting the encoder to ONNX again: %s", error)
    encoder = load_encoder_alone(file, precision="float32")
    from garabato.export.onnx import export_onnx

    cached.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(encoder, cached)
    return load_encoder_alone(cached)
