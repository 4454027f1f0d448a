"""Real TensorFlow reads what was exported.

TensorFlow is no dependency of garabato and has its own environment; to run this, make one:
`python -m venv .venv-tensorflow && .venv-tensorflow/bin/pip install tensorflow-cpu`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from garabato.dataset import export_tfrecord, prepare
from garabato.render import RenderSpec, render_batch

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(
    os.environ.get("GARABATO_TENSORFLOW_PYTHON", ROOT / ".venv-tensorflow" / "bin" / "python")
)


@pytest.mark.skipif(
    not PYTHON.exists(),
    reason=f"no TensorFlow at {PYTHON}: python -m venv .venv-tensorflow and install tensorflow-cpu",
)
@pytest.mark.parametrize("n_shards", [1, 3])
def test_tensorflow_reads_every_record_as_it_was_prepared(sketch_source, tmp_path, n_shards):
    dataset = prepare(sketch_source, tmp_path / "data", categories=3, n_train=10, n_test=5)
    spec = RenderSpec(size_px=32)
    exported = export_tfrecord(dataset, tmp_path / "records", spec=spec, n_shards=n_shards)
    done = subprocess.run(
        [PYTHON, ROOT / "tools" / "check_tensorflow.py", exported.path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in ("train", "test"):
        drawings = dataset.split(name)
        labels = dataset.labels(name)
        images = render_batch(drawings, spec)
        assert len(found[name]) == len(drawings)
        by_key = {record["key_id"]: record for record in found[name]}
        for drawing, label, image in zip(drawings, labels, images, strict=True):
            points = drawing.points.astype(int)
            assert by_key[drawing.key_id] == {
                "key_id": drawing.key_id,
                "label": int(label),
                "category": drawing.category,
                "recognized": int(drawing.recognized),
                "stroke_lengths": np.diff(drawing.stroke_starts).tolist(),
                "x": points[:, 0].tolist(),
                "y": points[:, 1].tolist(),
                "image_sha256": hashlib.sha256(image.tobytes()).hexdigest(),
                "image_shape": [32, 32, 1],
            }
