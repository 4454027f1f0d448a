"""From the first answer to being ready: the starter gallery is made on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import Running
from sketches import SKETCH_CATEGORIES, write_source

from garabato.drawing import Drawing
from garabato.service.jobs import startup
from garabato.service.jobs.startup import N_PER_CATEGORY
from garabato.service.settings import Settings


@dataclass(frozen=True)
class Chosen:
    path: Path
    reason: str = "as given"
    needs_download: bool = False


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_starter_gallery_is_made_while_drawings_are_classified_already(
    cache: Path, tmp_path: Path, drawings: list[Drawing], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_source(tmp_path / "source", SKETCH_CATEGORIES[:4], per_category=40, seed=1)
    go_on = threading.Event()
    stages = []

    def fill_when_told(*given: object, progress: Callable[[int], None], **more: object) -> object:
        assert go_on.wait(120)

        def tell(done: int) -> None:
            progress(done)
            stages.append(running.get("/readyz").json)

        return fill(*given, progress=tell, **more)

    fill = startup.fill
    monkeypatch.setattr(startup, "fill", fill_when_told)
    query = {"drawing": drawings[0].to_lists()}
    with Running(Settings(), lambda fetched: Chosen(source)) as running:
        assert running.get("/healthz").status == 200
        running.wait_until("/v1/classify", 405)
        while (answer := running.post("/v1/classify", query)).status == 503:
            assert answer.headers["retry-after"]
        assert answer.status == 200
        assert running.get("/readyz").status == 503
        refused = running.post("/v1/search", query)
        assert refused.status == 503
        assert refused.json["stage"] in ("building gallery", "loading the encoder")
        go_on.set()
        running.wait_until("/readyz")
        n = 4 * N_PER_CATEGORY
        assert {"status": "building gallery", "done": n, "total": n} in stages
        assert len(running.post("/v1/search", query).json["hits"]) == 10
        counts = running.wait_until("/v1/categories").json["categories"]
        assert all(entry["n_drawings"] <= N_PER_CATEGORY for entry in counts)
        assert sum(entry["n_drawings"] for entry in counts) > 0.8 * n

    def no_source(fetched: Path) -> Chosen:
        raise AssertionError("it is there and needs no source")

    with Running(Settings(), no_source) as running:
        running.wait_until("/readyz")


def test_a_service_that_cannot_start_reports_why(cache: Path) -> None:
    class NothingThereError(Exception):
        message = "no drawings: none were given"

    def choose(fetched: Path) -> Chosen:
        raise NothingThereError

    with Running(Settings(), choose) as running:
        deadline = threading.Event()
        for _ in range(1_200):
            answer = running.get("/readyz")
            assert answer.status == 503
            if answer.json["status"].startswith("cannot start"):
                break
            deadline.wait(0.05)
        assert answer.json == {
            "status": "cannot start; the operator's log says why",
            "failed": True,
        }
        assert running.get("/healthz").status == 200
