"""Metrics for Prometheus."""

from __future__ import annotations

from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

import garabato

M = TypeVar("M", Counter, Gauge, Histogram)
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the number of series
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = self._add(
            Counter, "requests_total", "Requests.", "route", "method", "status"
        )
        self.request_seconds = self._add(
            Histogram,
            "request_seconds",
            "Time from the first byte of a request to the last of its response.",
            "route",
            buckets=_SECONDS,
        )
        build = self._add(Gauge, "build_info", "1; the label is the version.", "version")
        build.labels(garabato.__version__).set(1)
        self.in_flight = self._add(Gauge, "requests_in_flight", "Requests in progress.")
        self.waiting = self._add(Gauge, "queries_waiting", "Drawings that wait for the encoder.")
        self.ready = self._add(Gauge, "ready", "1 once the service is ready.")
        self.drawings = self._add(
            Gauge, "gallery_drawings", "Drawings in a gallery, as last counted.", "gallery"
        )
        self.hidden = self._add(Gauge, "hidden_drawings", "Drawings that are hidden.", "gallery")
        self.reported = self._add(
            Gauge, "reported_drawings", "Reported drawings to be looked at.", "gallery"
        )
        self.batch_size = self._add(
            Histogram, "batch_size", "Drawings encoded together.", buckets=(1, 2, 4, 8, 16, 32, 64)
        )
        self.encode_seconds = self._add(
            Histogram, "encode_seconds", "Time to encode a batch.", buckets=_SECONDS
        )
        self.search_seconds = self._add(
            Histogram, "search_seconds", "Time to search the gallery.", buckets=_SECONDS
        )

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def _add(self, kind: type[M], name: str, text: str, *labels: str, **options: Any) -> M:
        return kind(f"garabato_{name}", text, labels, registry=self._registry, **options)
