"""Filling a gallery by a Ray cluster: the same gallery as without, also after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from sketches import SKETCH_CATEGORIES

from garabato.encoder import Encoder, load_encoder
from garabato.errors import MissingExtraError
from garabato.gallery import open_gallery
from garabato.ingest.ray_cluster import RayWorkers
from garabato.models import create_model
from garabato.render import RenderSpec

KILLED_AFTER_TWO_PIECES = """
import os, signal, sys
from garabato.encoder import load_encoder
from garabato.ingest import bulk_load as filling
from garabato.ingest import ray_cluster as ray_workers
from garabato.gallery import open_gallery
from garabato.sources import open_source

model, source, uri = sys.argv[1:]
filling.PIECE = 40
encoder = load_encoder(model)
gallery = open_gallery(uri, encoder=encoder)

def batches():
    source_of = open_source(source)
    for category in source_of.categories():
        yield from source_of.read(category)

def progress(n_done):
    if n_done > 80:
        os.kill(os.getpid(), signal.SIGKILL)

filling.fill(gallery, encoder, batches(), progress=progress, workers=ray_workers.RayWorkers)
"""


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of two machines, as far as Ray can tell, with one core each."""
    pytest.importorskip("ray", reason="no Ray here: pip install 'garabato[ray]'")
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        # workers are nice to all others by default; on a busy machine they would never finish
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args=machine)
        cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "encoder.safetensors"
    network = create_model("skfast", n_categories=10, image_size_px=32)
    Encoder(network, spec=RenderSpec(size_px=32), categories=SKETCH_CATEGORIES[:10]).save(path)
    return str(path)


def index(*arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "garabato", "index", "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def contents(uri) -> tuple[list, np.ndarray]:
    pieces = list(open_gallery(uri).scan())
    known = [(d.metadata, d.to_lists(), d.tags) for p in pieces for d in p.drawings]
    return known, np.concatenate([piece.embeddings for piece in pieces])


def test_two_machines_fill_the_same_gallery_as_one_process(cluster, model, sketch_source, tmp_path):
    from_source = ("--model", model, "--source", str(sketch_source), "--tag", "t")
    alone = index(*from_source, "--gallery", str(tmp_path / "alone"))
    together = index(*from_source, "--gallery", str(tmp_path / "ray"), "--runner", "ray")
    assert alone["n_new"] == together["n_new"] == 400
    assert contents(tmp_path / "alone")[0] == contents(tmp_path / "ray")[0]
    np.testing.assert_array_equal(contents(tmp_path / "alone")[1], contents(tmp_path / "ray")[1])
    again = index(*from_source, "--gallery", str(tmp_path / "ray"), "--runner", "ray")
    assert (again["n_new"], again["n_there"]) == (0, 400)


def test_a_killed_bulk_load_resumes_where_it_stopped(cluster, model, sketch_source, tmp_path):
    uri = str(tmp_path / "g")
    arguments = [model, str(sketch_source), uri]
    done = subprocess.run([sys.executable, "-c", KILLED_AFTER_TWO_PIECES, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    n_before = len(open_gallery(uri))
    assert 0 < n_before < 400
    rest = ("--model", model, "--source", str(sketch_source), "--gallery", uri)
    document = index(*rest, "--runner", "ray")
    assert (document["n_new"], document["n_there"]) == (400 - n_before, n_before)
    assert document["n_drawings"] == 400
    index("--model", model, "--source", str(sketch_source), "--gallery", str(tmp_path / "alone"))
    assert contents(uri)[0] == contents(tmp_path / "alone")[0]


def test_a_cluster_on_this_machine_starts_before_threads_that_forking_breaks(
    model, sketch_source, tmp_path, monkeypatch
):
    pytest.importorskip("ray", reason="no Ray here: pip install 'garabato[ray]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    command = [sys.executable, "-W", "always", "-m", "garabato", "index", "--runner", "ray"]
    where = ["--source", str(sketch_source), "--gallery", str(tmp_path / "g")]
    done = subprocess.run(
        [*command, "--model", model, *where],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fork" not in done.stderr


def test_without_the_extra_the_command_that_installs_it_is_reported(monkeypatch, model):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'garabato\[ray\]'"):
        RayWorkers(load_encoder(model))
