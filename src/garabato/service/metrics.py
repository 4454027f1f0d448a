"""Metrics for Prometheus."""

from __future__ import annotations

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

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the number of series
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = Counter(
            "garabato_requests_total",
            "Requests.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "garabato_request_seconds",
            "Time from the first byte of a request to the last of its response.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        build = Gauge(
            "garabato_build_info",
            "1; the label is the version.",
            ["version"],
            registry=self._registry,
        )
        build.labels(garabato.__version__).set(1)
        self.in_flight = self._gauge("requests_in_flight", "Requests in progress.")
        self.waiting = self._gauge("queries_waiting", "Drawings that wait for the encoder.")
        self.ready = self._gauge("ready", "1 once the service is ready.")
        self.drawings = self._gauge(
            "gallery_drawings", "Drawings in a gallery, as last counted.", "gallery"
        )
        self.hidden = self._gauge("hidden_drawings", "Drawings that are hidden.", "gallery")
        self.reported = self._gauge(
            "reported_drawings", "Reported drawings to be looked at.", "gallery"
        )
        self.batch_size = Histogram(
            "garabato_batch_size",
            "Drawings encoded together.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self._registry,
        )
        self.encode_seconds = self._seconds("encode_seconds", "Time to encode a batch.")
        self.search_seconds = self._seconds("search_seconds", "Time to search the gallery.")

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"garabato_{name}", text, labels, registry=self._registry)

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(f"garabato_{name}", text, buckets=_SECONDS, registry=self._registry)
