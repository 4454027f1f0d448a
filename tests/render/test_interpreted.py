"""Python and the compiler draw the same pixels, so encoders see the same images."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.render import RenderSpec, load_kernels, renderer
from garabato.render._raster import draw_polylines, list_path

SPECS = (
    RenderSpec(48),
    RenderSpec(64, line_width=0.045, order=True, path=True),
    RenderSpec(40, line_width=0.2, margin=0.1, order=True),
)
ODD = [
    Drawing([]),
    Drawing([[[5], [5]]]),
    Drawing([[[5, 5], [5, 5]], [[0, 10], [0, 0]]]),
    Drawing([[[0, 1000], [0, 1]]]),
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("order", [True, False])
def test_interpreted_kernels_draw_what_compiled_ones_draw(spec, order):
    batch = DrawingBatch.from_drawings(ODD + make_drawings(SKETCH_CATEGORIES, 1, seed=4))
    points_px = renderer.fit_to_image(batch, spec)
    widths_px = np.full(len(batch), spec.line_px, np.float32)
    has_order = np.full(len(batch), order)
    starts = batch.stroke_starts, batch.drawing_starts
    images = np.zeros((2, len(batch), spec.size_px, spec.size_px, spec.n_channels), np.uint8)
    for draw, trace_path, out in (
        (draw_polylines, list_path, images[0]),
        (draw_polylines.interpreted, list_path.interpreted, images[1]),
    ):
        draw(points_px, *starts, widths_px, has_order, out)
        if spec.path:
            trace_path(points_px, *starts, has_order, out)
    assert images[0].any()
    np.testing.assert_array_equal(images[0], images[1])


def test_a_few_drawings_are_drawn_without_kernels_and_many_with_them():
    program = (
        "import sys\n"
        "from garabato import Drawing\n"
        "from garabato.render import RenderSpec, render, render_batch\n"
        "from garabato.render._raster import draw_polylines\n"
        "line = Drawing([[[0, 10], [0, 20]]])\n"
        "first = render(line, RenderSpec())\n"
        "assert 'numba' not in sys.modules\n"
        "assert (render_batch([line] * 100, RenderSpec()) == first).all()\n"
        "assert draw_polylines.is_compiled\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_kernels_that_were_loaded_are_used():
    load_kernels(RenderSpec(order=True, path=True))
    assert renderer._KERNELS.choose(1) == renderer._KERNELS.compiled
