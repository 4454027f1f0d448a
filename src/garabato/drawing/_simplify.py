"""Compiled kernels of Google's simplification: resampling, then Ramer-Douglas-Peucker.

Source: https://github.com/googlecreativelab/quickdraw-dataset (README, "Preprocessed dataset").
"""

from __future__ import annotations

import numpy as np

from garabato.drawing.arrays import FloatArray, IntArray
from garabato.host.kernels import Kernels, inner_kernel, kernel

#: Limit on the samples of a stroke, which are spaced wider if necessary: RDP's worst case is
#: quadratic, and no real stroke is 64 canvases long.
MAX_SAMPLES_PER_STROKE = 16_384
#: The same for a whole drawing.
MAX_SAMPLES = 200_000


def resample_and_simplify(
    points: FloatArray, stroke_starts: IntArray, *, spacing_px: float, epsilon_px: float
) -> tuple[FloatArray, IntArray]:
    """Resample each stroke at `spacing_px` along its length, then Ramer-Douglas-Peucker.

    `points` (P, 2) float32, `stroke_starts` (S + 1,) int64; returns both, with fewer points. A
    stroke keeps its first and last point; a stroke of one point is not changed.
    """
    points = np.ascontiguousarray(points, np.float32)
    n_samples = float(np.hypot(*np.diff(points, axis=0).T).sum()) / spacing_px
    (run,) = _KERNELS.choose(n_samples)
    return run(  # type: ignore[no-any-return]
        points,
        np.ascontiguousarray(stroke_starts, np.int64),
        float(spacing_px),
        float(epsilon_px),
    )


@kernel
def mark_corners(points, stroke_starts, epsilons_px):  # type: ignore[no-untyped-def]
    """Which points (P,) of each stroke Ramer-Douglas-Peucker keeps; `epsilons_px` (S,) float64."""
    longest = 1
    for s in range(len(epsilons_px)):
        longest = max(longest, stroke_starts[s + 1] - stroke_starts[s])
    samples = np.empty((longest, 2), np.float64)
    stack = np.empty((longest + 2, 2), np.int64)
    kept = np.empty(len(points), np.bool_)
    for s in range(len(epsilons_px)):
        first = stroke_starts[s]
        n = stroke_starts[s + 1] - first
        if n > 0:
            for i in range(n):
                samples[i, 0], samples[i, 1] = points[first + i, 0], points[first + i, 1]
            _mark_kept(samples, n, epsilons_px[s], kept[first : first + n], stack)
    return kept


@kernel
def _simplify_strokes(points, stroke_starts, spacing, epsilon):  # type: ignore[no-untyped-def]
    n_strokes = len(stroke_starts) - 1
    lengths = np.empty(n_strokes, np.float64)
    total = np.float64(0.0)  # so that Python adds in float64, too
    for s in range(n_strokes):
        lengths[s] = _length(points, stroke_starts[s], stroke_starts[s + 1])
        total += lengths[s]
    spacing_all = max(spacing, total / MAX_SAMPLES)
    n_samples = 0
    for s in range(n_strokes):
        spaced = max(spacing_all, lengths[s] / MAX_SAMPLES_PER_STROKE)
        n_samples = max(n_samples, int(lengths[s] / spaced) + 4)
    samples = np.empty((n_samples, 2), np.float64)
    kept = np.empty(n_samples, np.bool_)
    stack = np.empty((n_samples + 2, 2), np.int64)
    out = np.empty((len(points) + 2 * n_strokes, 2), np.float32)
    out_starts = np.zeros(n_strokes + 1, np.int64)
    n_out = 0
    for s in range(n_strokes):
        first = stroke_starts[s]
        last = stroke_starts[s + 1]
        if last > first:
            spaced = max(spacing_all, lengths[s] / MAX_SAMPLES_PER_STROKE)
            n = _resample(points, first, last, spaced, samples)
            _mark_kept(samples, n, epsilon, kept, stack)
            if n_out + n > len(out):
                grown = np.empty((2 * (n_out + n), 2), np.float32)
                for i in range(n_out):
                    grown[i, 0], grown[i, 1] = out[i, 0], out[i, 1]
                out = grown
            for i in range(n):
                if kept[i]:
                    out[n_out, 0] = samples[i, 0]
                    out[n_out, 1] = samples[i, 1]
                    n_out += 1
        out_starts[s + 1] = n_out
    return out[:n_out].copy(), out_starts


#: Python takes this many samples in about 0.3 s. Compiling takes 3 s.
_KERNELS = Kernels(_simplify_strokes, interpreted_work=50_000)


@inner_kernel
def _length(points, first, last):  # type: ignore[no-untyped-def]
    total = np.float64(0.0)
    for i in range(first + 1, last):
        total += np.hypot(points[i, 0] - points[i - 1, 0], points[i, 1] - points[i - 1, 1])
    return total


@inner_kernel
def _resample(points, first, last, spacing, out):  # type: ignore[no-untyped-def]
    """Sample points[first:last] every `spacing`, and at its end; returns the number of samples."""
    out[0, 0] = points[first, 0]
    out[0, 1] = points[first, 1]
    n = 1
    walked = 0.0  # since the last sample
    for i in range(first + 1, last):
        ax = np.float64(points[i - 1, 0])
        ay = np.float64(points[i - 1, 1])
        bx = np.float64(points[i, 0])
        by = np.float64(points[i, 1])
        step = np.hypot(bx - ax, by - ay)
        if step == 0.0:
            continue
        along = spacing - walked
        while along <= step and n < len(out) - 1:
            out[n, 0] = ax + (bx - ax) * along / step
            out[n, 1] = ay + (by - ay) * along / step
            n += 1
            along += spacing
        walked = step - (along - spacing)
    differs = out[n - 1, 0] != points[last - 1, 0] or out[n - 1, 1] != points[last - 1, 1]
    if differs or (n == 1 and last - first > 1):  # Google keeps a dot of two points as two
        out[n, 0] = points[last - 1, 0]
        out[n, 1] = points[last - 1, 1]
        n += 1
    return n


@inner_kernel
def _mark_kept(samples, n, epsilon, kept, stack):  # type: ignore[no-untyped-def]
    """Ramer-Douglas-Peucker over samples[:n] with an explicit stack; sets kept[:n]."""
    for i in range(n):
        kept[i] = False
    kept[0] = True
    kept[n - 1] = True
    depth = 1
    stack[0, 0] = 0
    stack[0, 1] = n - 1
    while depth > 0:
        depth -= 1
        first = stack[depth, 0]
        last = stack[depth, 1]
        ax = samples[first, 0]
        ay = samples[first, 1]
        dx = samples[last, 0] - ax
        dy = samples[last, 1] - ay
        chord = np.hypot(dx, dy)
        farthest = -1
        distance = epsilon
        for i in range(first + 1, last):
            px = samples[i, 0] - ax
            py = samples[i, 1] - ay
            d = np.hypot(px, py) if chord == 0.0 else abs(dx * py - dy * px) / chord
            if d > distance:
                distance = d
                farthest = i
        if farthest >= 0:
            kept[farthest] = True
            stack[depth, 0] = first
            stack[depth, 1] = farthest
            stack[depth + 1, 0] = farthest
            stack[depth + 1, 1] = last
            depth += 2
