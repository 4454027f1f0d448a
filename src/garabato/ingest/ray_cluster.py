"""Embed on all machines of a Ray cluster, for galleries of tens of millions of drawings."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from garabato.drawing import DrawingBatch, FloatArray
from garabato.errors import GalleryError, InputError, MissingExtraError
from garabato.gallery.records import Embedder


def connect_ray() -> None:
    """Connect to the Ray cluster of RAY_ADDRESS, or start one on this machine until Python ends.

    `index(..., runner="ray")` does this by itself. Call it before `open_gallery` of a folder: Ray
    starts processes by forking, which LanceDB's threads don't survive and warn about. Raises
    MissingExtraError without the extra `ray`, and GalleryError if there is no cluster.
    """
    ray = _import_ray()
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        address = os.environ.get("RAY_ADDRESS", "this machine")
        raise GalleryError(
            f"no Ray cluster at {address}: {_last_line(error)}. Start one (ray start --head) "
            "and set RAY_ADDRESS, or leave out --runner ray"
        ) from error


class RayWorkers:
    """Embeds in tasks of a Ray cluster, one core each; see `garabato.ingest.bulk_load.Workers`.

    Uses the cluster this process is connected to, else the one at RAY_ADDRESS, else one started on
    this machine, which `close` stops. A task whose machine is lost is repeated on another. Every
    machine needs this version of garabato.
    """

    def __init__(self, encoder: Embedder) -> None:
        self._ray = _import_ray()
        self._is_ours = not self._ray.is_initialized()
        connect_ray()
        # In a list, so that a task gets the reference and loads the encoder once per process.
        self._held = [self._put(encoder)]
        self._embed = self._ray.remote(num_cpus=1, max_retries=-1)(_embed)

    @property
    def n_batches_ahead(self) -> int:
        """Two per core, so that no core waits for the next one."""
        return 2 * int(self._ray.cluster_resources().get("CPU", 1))

    def submit(self, batch: DrawingBatch) -> Callable[[], FloatArray]:
        embedding = self._embed.remote(self._held, batch)
        return lambda: self._await(embedding)

    def close(self) -> None:
        if self._is_ours:
            self._ray.shutdown()

    def _put(self, encoder: Embedder) -> Any:
        try:
            return self._ray.put(encoder)
        except (TypeError, AttributeError, ValueError) as error:
            raise InputError(
                f"this encoder cannot be sent to other machines ({error}); give the .safetensors "
                "file it was made from"
            ) from error

    def _await(self, embedding: Any) -> FloatArray:
        try:
            embedded: FloatArray = self._ray.get(embedding)
        except self._ray.exceptions.RayError as error:
            raise GalleryError(
                f"embedding failed on the Ray cluster: {_last_line(error)}. Run the same "
                "command again to continue"
            ) from error
        return embedded


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtraError("--runner ray", "ray") from None
    return ray


def _last_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[-1]


def _embed(held: list[Any], batch: DrawingBatch) -> FloatArray:
    return _load_encoder(held[0]).embed(batch)


@lru_cache(maxsize=1)  # once per process
def _load_encoder(reference: Any) -> Embedder:
    import ray

    encoder: Embedder = ray.get(reference)
    return encoder
