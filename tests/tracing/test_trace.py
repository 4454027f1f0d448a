from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sketches import SKETCH_CATEGORIES, make_drawings, sketch

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import DrawingError
from garabato.formats import read_batches
from garabato.render import RenderSpec, render, render_batch
from garabato.tracing import trace
from garabato.tracing.trace import trace_batch, trace_bitmap

Bitmap = npt.NDArray[np.uint8]


def empty(side: int = 28) -> Bitmap:
    return np.zeros((side, side), np.uint8)


def strokes_of(bitmap: Bitmap) -> list[npt.NDArray[np.float32]]:
    points, starts = trace_bitmap(bitmap)
    return [points[a:b] for a, b in pairwise(starts)]


def batch_of(bitmaps: Bitmap) -> DrawingBatch:
    return DrawingBatch.from_drawings([Drawing(bitmap=bitmap) for bitmap in bitmaps])


def google_bitmaps(batch: DrawingBatch) -> Bitmap:
    """As Google's: a line 1.47 px wide on 28x28, shades by area."""
    large = render_batch(batch, RenderSpec(size_px=224, line_width=1.47 / 28, margin=1.5 / 28))
    means = large.reshape(len(batch), 28, 8, 28, 8).mean(axis=(2, 4))
    return np.rint(means).astype(np.uint8)


def found_share(shown: Bitmap, among: Bitmap, tolerance_px: float) -> float:
    """The share of the ink of `shown` that has ink of `among` within `tolerance_px`."""
    away = cv2.distanceTransform((among < 128).astype(np.uint8), cv2.DIST_L2, 5)
    return float((away[shown > 127] <= tolerance_px).mean())


def assert_same_lines(first: Bitmap, second: Bitmap, tolerance_px: float, share: float) -> None:
    assert found_share(first, second, tolerance_px) >= share
    assert found_share(second, first, tolerance_px) >= share


def assert_well_formed(bitmap: Bitmap) -> None:
    points, starts = trace_bitmap(bitmap)
    assert points.dtype == np.float32
    assert points.shape == (len(points), 2)
    assert starts.dtype == np.int64
    assert starts[0] == 0
    assert starts[-1] == len(points)
    assert (np.diff(starts) > 0).all()
    assert (len(starts) > 1) == bool(bitmap.any())
    assert np.isfinite(points).all()
    height, width = bitmap.shape
    assert (points >= 0).all()
    assert (points <= [width, height]).all()


# what becomes of shapes made by hand


def test_a_bitmap_without_ink_has_no_strokes() -> None:
    points, starts = trace_bitmap(empty())
    assert points.shape == (0, 2)
    assert starts.tolist() == [0]


@pytest.mark.parametrize("side", [28, 64, 200, 512])
def test_a_plus_sign_is_two_strokes_that_cross_in_the_middle(side: int) -> None:
    bitmap, middle, half = empty(side), side // 2, max(1, side // 28)
    bitmap[side // 8 : -side // 8, middle - half : middle + half] = 255
    bitmap[middle - half : middle + half, side // 8 : -side // 8] = 255
    strokes = strokes_of(bitmap)
    assert len(strokes) == 2
    tolerance = 0.02 * side
    for stroke in strokes:
        across = np.ptp(stroke, axis=0)
        assert across.min() <= tolerance
        assert across.max() >= 0.6 * side
        narrow = int(across.argmin())
        assert np.abs(stroke[:, narrow] - middle).max() <= tolerance


@pytest.mark.parametrize("side", [28, 64, 200, 512])
def test_a_circle_is_one_closed_stroke_of_its_radius(side: int) -> None:
    bitmap = empty(side)
    cv2.circle(bitmap, (side // 2, side // 2), side // 3, 255, max(1, side // 20), cv2.LINE_AA)
    (stroke,) = strokes_of(bitmap)
    assert stroke[0] == pytest.approx(stroke[-1], abs=0.03 * side)
    radii = np.hypot(*(stroke - (side // 2 + 0.5)).T)
    assert radii == pytest.approx(side // 3, abs=max(0.75, 0.02 * side))


def test_a_t_is_a_bar_and_a_stem_that_touches_it() -> None:
    bitmap = empty(64)
    bitmap[8:12, 8:56] = 255
    bitmap[8:56, 30:34] = 255
    bar, stem = sorted(strokes_of(bitmap), key=lambda stroke: np.ptp(stroke[:, 1]))
    assert np.ptp(bar[:, 0]) >= 42
    assert bar[:, 1] == pytest.approx(10, abs=1.6)
    assert stem[:, 0] == pytest.approx(32, abs=1)
    assert stem[:, 1].min() == pytest.approx(10, abs=3)
    assert stem[:, 1].max() == pytest.approx(54, abs=2)


def test_a_dot_is_one_point_in_its_middle() -> None:
    bitmap = empty(256)
    cv2.circle(bitmap, (100, 60), 5, 255, -1)
    (stroke,) = strokes_of(bitmap)
    assert stroke.shape == (1, 2)
    assert stroke[0] == pytest.approx([100.5, 60.5], abs=1)


def test_one_inked_pixel_is_a_dot() -> None:
    for side in (1, 2, 28, 60, 100, 300):
        bitmap = empty(side)
        bitmap[side // 2, side // 3] = 255
        (stroke,) = strokes_of(bitmap)
        assert stroke.shape == (1, 2)
        assert stroke[0] == pytest.approx([side // 3 + 0.5, side // 2 + 0.5], abs=0.5)


def test_dots_beside_lines_are_kept() -> None:
    bitmap = empty(200)
    cv2.circle(bitmap, (100, 100), 80, 255, 6, cv2.LINE_AA)
    for x in (70, 130):
        cv2.circle(bitmap, (x, 80), 3, 255, -1)
    strokes = strokes_of(bitmap)
    assert sorted(len(stroke) == 1 for stroke in strokes) == [False, True, True]


def test_specks_beside_lines_are_dropped() -> None:
    bitmap = empty(200)
    cv2.circle(bitmap, (100, 100), 80, 255, 10, cv2.LINE_AA)
    bitmap[50:150:20, 50:150:20] = 255
    assert len(strokes_of(bitmap)) == 1


@pytest.mark.parametrize("side", [28, 64, 200, 512])
def test_a_filled_square_becomes_its_outline(side: int) -> None:
    bitmap = empty(side)
    low, high = side // 5, side - side // 5
    bitmap[low:high, low:high] = 255
    (stroke,) = strokes_of(bitmap)
    inside = 0.05 * side
    assert stroke.min(axis=0) == pytest.approx(low, abs=inside)
    assert stroke.max(axis=0) == pytest.approx(high, abs=inside)
    to_edge = np.minimum(stroke - low, high - stroke).min(axis=1)
    assert (to_edge <= inside).all()  # nothing of it goes through the middle


def test_a_filled_area_in_a_line_drawing_becomes_an_outline_as_wide() -> None:
    bitmap = empty(256)
    cv2.circle(bitmap, (128, 128), 110, 255, 6, cv2.LINE_AA)
    cv2.circle(bitmap, (128, 128), 40, 255, -1, cv2.LINE_AA)
    outer, inner = sorted(strokes_of(bitmap), key=lambda stroke: -np.ptp(stroke))
    assert np.hypot(*(outer - 128.5).T) == pytest.approx(110, abs=3)
    assert np.hypot(*(inner - 128.5).T) == pytest.approx(37.5, abs=3)


def test_lines_of_two_px_distance_in_a_small_bitmap_stay_two() -> None:
    large = np.zeros((224, 224), np.uint8)
    for x in (100, 120):  # 2.5 px of the small bitmap apart
        cv2.line(large, (x, 30), (x, 194), 255, 12)
    small = cv2.resize(large, (28, 28), interpolation=cv2.INTER_AREA)
    strokes = strokes_of(small)
    assert len(strokes) == 2
    assert sorted(float(s[:, 0].mean()) for s in strokes) == pytest.approx([12.5, 15], abs=0.4)


@pytest.mark.parametrize("ink", [60, 128, 255])
def test_faint_ink_is_traced_like_dark_ink(ink: int) -> None:
    bitmap = empty()
    bitmap[14, 4:24] = ink
    (stroke,) = strokes_of(bitmap)
    assert np.ptp(stroke[:, 0]) == pytest.approx(19, abs=1)
    assert stroke[:, 1] == pytest.approx(14.5, abs=0.2)


def test_ink_that_touches_the_edge_of_the_bitmap_is_traced_to_the_edge() -> None:
    bitmap = empty(300)
    bitmap[148:152, :] = 255
    (stroke,) = strokes_of(bitmap)
    assert stroke[:, 0].min() <= 4
    assert stroke[:, 0].max() >= 296


# what a bitmap may be


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((28, 28), np.float32), np.zeros(784, np.uint8), np.zeros((2, 3, 4), np.uint8)],
)
def test_an_array_that_is_not_a_bitmap_is_refused(wrong: npt.NDArray[np.generic]) -> None:
    with pytest.raises(DrawingError, match=r"\(H, W\) uint8"):
        trace_bitmap(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (1, 400), (400, 1), (3, 90)])
def test_bitmaps_of_any_shape_are_traced(shape: tuple[int, int]) -> None:
    for ink in (0, 1, 255):
        assert_well_formed(np.full(shape, ink, np.uint8))


def test_views_and_transposed_bitmaps_are_traced_like_their_copies() -> None:
    bitmap = google_bitmaps(DrawingBatch.from_drawings([sketch("house", 1)]))[0]
    wide = np.zeros((28, 56), np.uint8)
    wide[:, ::2] = bitmap
    for view in (wide[:, ::2], bitmap.T.copy().T, bitmap[::-1][::-1]):
        assert np.array_equal(trace_bitmap(view)[0], trace_bitmap(bitmap)[0])


@settings(max_examples=60)
@given(
    bitmap=arrays.arrays(
        np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=60), fill=st.just(0)
    )
)
def test_any_bitmap_is_traced(bitmap: Bitmap) -> None:
    assert_well_formed(bitmap)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    side=st.sampled_from([5, 28, 50, 90, 170, 250]),
    density=st.floats(0, 1),
    black=st.booleans(),
)
def test_noise_is_traced(seed: int, side: int, density: float, black: bool) -> None:
    rng = np.random.default_rng(seed)
    inked = rng.random((side, side)) < density
    assert_well_formed(np.where(inked, 255 if black else rng.integers(0, 256), 0).astype(np.uint8))


def test_coarse_noise_is_traced() -> None:
    rng = np.random.default_rng(0)
    for blur in (2, 4, 9):
        noise = cv2.GaussianBlur(rng.random((400, 400)), (0, 0), blur)
        assert_well_formed((noise > np.median(noise)).astype(np.uint8) * 255)


# drawings that were rendered, traced and rendered again


@settings(max_examples=40)
@given(
    category=st.sampled_from(SKETCH_CATEGORIES),
    seed=st.integers(0, 10_000),
    size_px=st.sampled_from([64, 100, 160, 256, 400]),
    line_width=st.floats(0.008, 0.03),
)
def test_a_traced_sketch_shows_the_lines_of_the_sketch(
    category: str, seed: int, size_px: int, line_width: float
) -> None:
    drawing = sketch(category, seed)
    width = max(line_width, 1 / size_px)
    bitmap = render(drawing, RenderSpec(size_px=size_px, line_width=width))
    traced = trace_batch(batch_of(bitmap[None]))[0]
    spec = RenderSpec(size_px=128, line_width=0.02)
    assert_same_lines(render(drawing, spec), render(traced, spec), 3, 0.97)


def test_bitmaps_like_googles_are_traced_to_the_lines_of_the_sketches() -> None:
    batch = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES, 6, seed=3))
    traced = trace_batch(batch_of(google_bitmaps(batch)))
    spec = RenderSpec(size_px=128, line_width=0.02)
    for drawn, seen in zip(render_batch(batch, spec), render_batch(traced, spec), strict=True):
        assert_same_lines(drawn, seen, 6, 0.95)


def test_strokes_come_back_as_long_lines_and_not_in_pieces() -> None:
    batch = DrawingBatch.from_drawings(make_drawings(["cross", "spiral", "line"], 5, 0))
    bitmaps = render_batch(batch, RenderSpec(size_px=300, line_width=0.02))
    traced = trace_batch(batch_of(bitmaps))
    for drawing, seen in zip(batch, traced, strict=True):
        assert len(seen.strokes) <= len(drawing.strokes) + 1, drawing.category


@pytest.mark.parametrize("factor", [1, 3])
def test_a_shifted_bitmap_gives_shifted_strokes(factor: int) -> None:
    small = google_bitmaps(DrawingBatch.from_drawings([sketch("smiley face", 5)]))[0]
    bitmap = np.kron(small, np.ones((factor, factor), np.uint8))
    shifted = np.zeros((bitmap.shape[0] + 20, bitmap.shape[1] + 30), np.uint8)
    shifted[13 : 13 + len(bitmap), 7 : 7 + len(bitmap)] = bitmap
    points, starts = trace_bitmap(bitmap)
    moved, moved_starts = trace_bitmap(shifted)
    assert len(moved_starts) == len(starts)
    spec = RenderSpec(size_px=64)
    seen = render(Drawing.from_points(points, starts), spec).astype(int)
    seen_again = render(Drawing.from_points(moved, moved_starts), spec)
    assert np.abs(seen - seen_again).mean() < 1  # rounding may keep other points of a line
    assert moved.min(axis=0) - [7, 13] == pytest.approx(points.min(axis=0), abs=0.01)
    assert moved.max(axis=0) - [7, 13] == pytest.approx(points.max(axis=0), abs=0.01)


@settings(max_examples=25)
@given(category=st.sampled_from(SKETCH_CATEGORIES), seed=st.integers(0, 10_000))
def test_flipped_and_turned_bitmaps_give_about_the_same_lines(category: str, seed: int) -> None:
    bitmap = render(sketch(category, seed), RenderSpec(size_px=200, line_width=0.025))
    spec = RenderSpec(size_px=200, line_width=0.02)
    straight = render(trace_batch(batch_of(bitmap[None]))[0], spec)
    for turn in (np.fliplr, np.flipud, np.transpose, np.rot90):
        turned = np.ascontiguousarray(turn(bitmap))
        seen = render(trace_batch(batch_of(turned[None]))[0], spec)
        assert_same_lines(turn(straight), seen, 5, 0.93)


# batches


def test_a_traced_batch_keeps_its_metadata_and_is_fitted_to_the_grid() -> None:
    drawings = make_drawings(["house", "star"], 4, seed=0)
    batch = DrawingBatch.from_drawings(drawings)
    bitmaps = batch_of(google_bitmaps(batch)).replace(
        key_ids=batch.key_ids, categories=batch.categories, countries=batch.countries
    )
    traced = trace_batch(bitmaps)
    assert traced.bitmaps is None
    assert traced.key_ids == batch.key_ids
    assert traced.categories == batch.categories
    assert traced.countries == batch.countries
    assert traced.traced == [True] * 8
    for drawing in traced:
        assert drawing.points.min(axis=0) == pytest.approx(0, abs=1e-3)
        assert drawing.points.max() == pytest.approx(255, abs=1e-3)
        again = drawing.normalised()
        assert again.points == pytest.approx(drawing.points, abs=1e-3)


def test_a_batch_is_traced_like_its_bitmaps_one_by_one() -> None:
    batch = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES, 2, seed=1))
    bitmaps = google_bitmaps(batch)
    bitmaps[3] = 0
    traced = trace_batch(batch_of(bitmaps))
    assert len(traced) == len(bitmaps)
    for drawing, bitmap in zip(traced, bitmaps, strict=True):
        points, starts = trace_bitmap(bitmap)
        alone = Drawing.from_points(points, starts).normalised()
        assert drawing.stroke_starts.shape == alone.stroke_starts.shape
        spec = RenderSpec(size_px=64)
        apart = np.abs(render(drawing, spec).astype(int) - render(alone, spec))
        assert apart.mean() < 2.5  # simplified before or after it was scaled


def test_large_bitmaps_are_traced_in_portions_without_a_seam() -> None:
    bitmaps = render_batch(
        DrawingBatch.from_drawings(make_drawings(["house", "star"], 3, seed=0)), RenderSpec(600)
    )
    traced = trace_batch(batch_of(bitmaps))  # 2.2 million px, in three portions
    for drawing, bitmap in zip(traced, bitmaps, strict=True):
        alone = trace_batch(batch_of(bitmap[None]))[0]
        assert np.array_equal(drawing.points, alone.points)
        assert np.array_equal(drawing.stroke_starts, alone.stroke_starts)


def test_interpreted_kernels_trace_what_compiled_ones_trace() -> None:
    drawings = make_drawings(SKETCH_CATEGORIES, 2, seed=3)
    bitmaps = google_bitmaps(DrawingBatch.from_drawings(drawings))
    bitmaps[0] = 0
    bitmaps[1, 5:20, 5:20] = 255
    for side in (28, 90):
        images = np.stack([cv2.resize(bitmap, (side, side)) for bitmap in bitmaps])
        compiled = trace._trace(images, trace._KERNELS.compiled)
        interpreted = trace._trace(images, trace._KERNELS.interpreted)
        assert interpreted.stroke_starts.tolist() == compiled.stroke_starts.tolist()
        assert interpreted.drawing_starts.tolist() == compiled.drawing_starts.tolist()
        np.testing.assert_allclose(interpreted.points, compiled.points, atol=1e-3)


def test_a_first_picture_is_traced_without_the_compiler() -> None:
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from garabato.tracing.trace import trace_bitmap\n"
        "page = np.zeros((400, 400), np.uint8)\n"
        "page[100:300, 195:205] = page[195:205, 100:300] = 255\n"
        "points, stroke_starts = trace_bitmap(page)\n"
        "assert stroke_starts.tolist() == [0, 2, 4], stroke_starts\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_batch_of_strokes_is_returned_unchanged() -> None:
    batch = DrawingBatch.from_drawings([sketch("star", 0)])
    assert trace_batch(batch) is batch


def test_an_empty_batch_and_a_batch_of_empty_bitmaps_are_traced() -> None:
    traced = trace_batch(batch_of(np.zeros((3, 28, 28), np.uint8)))
    assert len(traced) == 3
    assert all(drawing.is_empty for drawing in traced)
    nothing = DrawingBatch.from_drawings([]).replace(bitmaps=np.zeros((0, 28, 28), np.uint8))
    assert len(trace_batch(nothing)) == 0


def test_several_threads_can_trace() -> None:
    bitmaps = google_bitmaps(DrawingBatch.from_drawings(make_drawings(["house", "star"], 20, 0)))
    expected = trace_batch(batch_of(bitmaps))
    results: list[DrawingBatch] = []
    threads = [
        threading.Thread(target=lambda: results.append(trace_batch(batch_of(bitmaps))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(result.points, expected.points) for result in results)


# real drawings


def test_real_drawings_survive_tracing(quickdraw: Path) -> None:
    files = sorted((quickdraw / "simplified").glob("*.ndjson"))[::15]
    batches = [next(iter(read_batches(path))) for path in files]
    batch = DrawingBatch.concatenate([b[:4] for b in batches])
    spec = RenderSpec(size_px=128, line_width=0.016)
    drawn = render_batch(batch, spec)
    for bitmaps, tolerance_px, share in (
        (google_bitmaps(batch), 4, 0.96),
        (render_batch(batch, RenderSpec(size_px=64, line_width=1.5 / 64)), 3, 0.98),
        (render_batch(batch, RenderSpec(size_px=256, line_width=0.008)), 2, 0.99),
        (render_batch(batch, RenderSpec(size_px=512, line_width=0.03)), 3, 0.98),
    ):
        seen = render_batch(trace_batch(batch_of(bitmaps)), spec)
        missed = [found_share(a, b, tolerance_px) for a, b in zip(drawn, seen, strict=True)]
        added = [found_share(b, a, tolerance_px) for a, b in zip(drawn, seen, strict=True)]
        assert np.mean(missed) >= share, bitmaps.shape
        assert np.mean(added) >= share, bitmaps.shape


def test_googles_bitmaps_are_traced_without_losing_ink(quickdraw: Path) -> None:
    """Drawn again with Google's pen, the traced bitmaps cover the bitmaps' ink."""
    for path in sorted((quickdraw / "numpy_bitmap").glob("*.npy"))[::8]:
        bitmaps = np.load(path, mmap_mode="r")[:30].reshape(-1, 28, 28)
        for bitmap in bitmaps:
            points, starts = trace_bitmap(bitmap)
            canvas = np.zeros((224, 224), np.uint8)
            for a, b in pairwise(starts):
                line = np.rint(points[a:b] * 8).astype(np.int32)
                cv2.polylines(canvas, [line], False, 255, 12)
            again = cv2.resize(canvas, (28, 28), interpolation=cv2.INTER_AREA)
            both = np.minimum(bitmap, again).sum(dtype=float)
            assert both / np.maximum(bitmap, again).sum(dtype=float) >= 0.5
