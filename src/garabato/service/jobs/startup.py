"""Getting ready: load the encoder, open or build the gallery, warm both, count. In a thread."""

from __future__ import annotations

import logging
import threading

import numpy as np

from garabato.drawing import Drawing
from garabato.gallery import Gallery, open_gallery
from garabato.service.fast_encoder import load_fast_encoder
from garabato.service.http.problems import ProblemError
from garabato.service.jobs.starter_gallery import ChooseSource, build_starter_gallery
from garabato.service.service import Service
from garabato.service.state.progress import StoppedError

_log = logging.getLogger("garabato.service")
_ANYTHING = Drawing([[[0, 255, 120], [0, 40, 255]]])


def start(service: Service, choose_source: ChooseSource) -> threading.Thread:
    """Begin; `service.progress` tells how far it is."""
    thread = threading.Thread(
        target=_boot, args=(service, choose_source), name="garabato-boot", daemon=True
    )
    thread.start()
    return thread


def count(service: Service) -> None:
    """Take the census. Blocks."""
    try:
        service.census.count(service.gallery, service.counting)
    except StoppedError:
        return
    service.metrics.drawings.set(service.census.n_in_gallery)
    service.counting.finish()


def _boot(service: Service, choose_source: ChooseSource) -> None:
    try:
        _load_encoder(service)
        gallery = _open_gallery(service, choose_source)
        service.progress.report("warming up")
        _warm(gallery)
        service.set_gallery(gallery)
        service.metrics.hidden.set(len(service.hidden.key_ids))
        service.metrics.reported.set(len(service.reports.key_ids))
        service.progress.finish()
        service.metrics.ready.set(1)
        _log.info("ready", extra={"gallery": gallery.uri, "n_drawings": len(gallery)})
        count(service)
    except StoppedError:
        _log.info("stopped before it was ready")
    except ProblemError as problem:
        service.progress.fail(problem.detail)
    except Exception as error:
        _log.exception("cannot get ready")
        text = getattr(error, "message", None) or str(error) or type(error).__name__
        for progress in (service.progress, service.counting):
            if not progress.is_ready:
                progress.fail(str(text))


def _load_encoder(service: Service) -> None:
    encoder = load_fast_encoder(service.settings.model)
    for n in (1, service.settings.batch_size, 1):  # compiles the renderer, allocates
        encoder.predict([_ANYTHING] * n)
    service.set_encoder(encoder)


def _open_gallery(service: Service, choose_source: ChooseSource) -> Gallery:
    encoder = service.encoder
    if service.settings.gallery is None:
        return build_starter_gallery(encoder, choose_source, service.progress)
    service.progress.report("opening the gallery")
    return open_gallery(service.settings.gallery, encoder=encoder, must_exist=True)


def _warm(gallery: Gallery) -> None:
    """Galleries hold in memory what they search from the second query on."""
    query = np.ones(gallery.info().encoder.embedding_dim, np.float32)
    for _ in range(3):
        gallery.search(query, 1)
