"""The renderer of exported pages, in JavaScript: the pixels of garabato's own."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import ByteArray, Drawing, DrawingBatch
from garabato.formats import read_drawings
from garabato.render import RenderSpec, render_batch

SCRIPT = """
import {readFileSync} from "node:fs";
const [{spec, drawings}, module] = [JSON.parse(readFileSync(0)), process.argv[1]];
const {render} = await import(module);
const images = drawings.map(({strokes, traced}) => render(strokes, spec, traced));
process.stdout.write(Buffer.concat(images));
"""
SPECS = (
    RenderSpec(),
    RenderSpec(order=True),
    RenderSpec(45, line_width=0.06, margin=0.1, order=True),
    RenderSpec(32, order=True, path=True),
)
ODD_ONES = [
    Drawing([[[5], [7]]]),  # a dot
    Drawing([[[1, 1, 1], [1, 1, 1]]]),  # a stroke of no length
    Drawing([[[0, 1e6], [0, 3]], [[2.5], [1]]]),  # very wide
    Drawing([[[-3.7, 1.2, 0.1], [1e-3, 2e-3, 5e-4]], [[0.25, 0.5], [0.125, 0.126]]]),  # tiny
    Drawing([[[0, 0], [0, 100]], [[0, 100], [50, 50]]]),  # upright and level
    Drawing([[[i, i + 1], [0, i]] for i in range(100)]),  # more strokes than a path has room for
]


def in_javascript(drawings: list[Drawing], spec: RenderSpec) -> ByteArray:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    module = Path(str(resources.files("garabato") / "export/site/static/search/render.js"))
    done = subprocess.run(
        [node, "--input-type=module", "-e", SCRIPT, module.as_uri()],
        input=json.dumps(
            {
                "spec": spec.to_dict(),
                "drawings": [
                    {"strokes": drawing.to_lists(), "traced": bool(drawing.traced)}
                    for drawing in drawings
                ],
            }
        ).encode(),
        capture_output=True,
        check=True,
    )
    return np.frombuffer(done.stdout, np.uint8).reshape(len(drawings), *spec.image_shape)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_javascript_draws_the_same_pixels(spec):
    drawings = ODD_ONES + make_drawings(SKETCH_CATEGORIES, 3, seed=5)
    drawings += [drawing.replace(traced=True) for drawing in drawings]
    expected = render_batch(DrawingBatch.from_drawings(drawings), spec)
    assert expected.any(axis=tuple(range(1, expected.ndim))).all()
    np.testing.assert_array_equal(in_javascript(drawings, spec), expected)


def test_javascript_draws_the_same_pixels_of_500_real_drawings(quickdraw):
    files = sorted((quickdraw / "simplified").glob("*.ndjson"))
    drawings = [drawing for file in files for drawing in itertools.islice(read_drawings(file), 2)][
        :500
    ]
    assert len(drawings) == 500
    for spec in SPECS:
        expected = render_batch(DrawingBatch.from_drawings(drawings), spec)
        np.testing.assert_array_equal(in_javascript(drawings, spec), expected)
