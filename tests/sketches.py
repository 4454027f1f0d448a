"""A seeded generator of small, learnable drawings, so that tests need no downloaded data.

Each category is a template of a few strokes; a sketch of it gets a pose (rotation, aspect), a
wobble, its own stroke order and directions, and ends on Google's grid: whole numbers 0..255,
aligned to the top left. The same category and seed give the same drawing.
"""

from __future__ import annotations

import itertools
import json
import math
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from garabato.drawing import Drawing

Polyline = npt.NDArray[np.float64]  # (n, 2), y pointing down, template units about 0..1


def sketch(category: str, seed: int) -> Drawing:
    """One drawing of `category` (one of SKETCH_CATEGORIES); seeds are 0..9,999,999,999."""
    number = SKETCH_CATEGORIES.index(category)
    rng = np.random.default_rng([zlib.crc32(category.encode()), seed])
    strokes = [_densify(stroke) for stroke in _TEMPLATES[category](rng)]
    strokes = _pose(strokes, rng)
    return Drawing(
        [stroke.T for stroke in _on_grid(strokes)],
        key_id=str(5_000_000_000_000_000 + number * 10_000_000_000 + seed),
        category=category,
        country=str(rng.choice(["US", "MX", "DE", "JP", "BR"])),
        recognized=bool(rng.random() < 0.9),
        timestamp=f"2017-03-{rng.integers(1, 29):02d} {rng.integers(24):02d}:"
        f"{rng.integers(60):02d}:{rng.integers(60):02d}.{rng.integers(1_000_000):06d} UTC",
    )


def make_drawings(categories: Iterable[str], per_category: int, seed: int) -> list[Drawing]:
    """`per_category` (up to 100,000) drawings of each category, all with their own key_id."""
    return [
        sketch(category, seed * 100_000 + number)
        for category in categories
        for number in range(per_category)
    ]


def write_source(
    folder: str | Path, categories: Iterable[str], per_category: int, seed: int
) -> Path:
    """A folder like Google's `simplified`: one `<category>.ndjson` a category."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for category in categories:
        drawings = make_drawings([category], per_category, seed)
        lines = [simplified_line(drawing) + "\n" for drawing in drawings]
        (folder / f"{category}.ndjson").write_text("".join(lines), encoding="utf-8")
    return folder


def simplified_line(drawing: Drawing) -> str:
    """The drawing as one line of Google's simplified ndjson, without the line end."""
    return json.dumps(
        {
            "word": drawing.category,
            "countrycode": drawing.country,
            "timestamp": drawing.timestamp,
            "recognized": drawing.recognized,
            "key_id": drawing.key_id,
            "drawing": drawing.to_lists(),
        },
        separators=(",", ":"),
    )


def _densify(stroke: Polyline, spacing: float = 0.12) -> Polyline:
    """Points along long edges too, so that the wobble bends them."""
    pieces = [stroke[:1]]
    for start, end in itertools.pairwise(stroke):
        n = max(1, math.ceil(math.dist(start, end) / spacing))
        pieces.append(start + (end - start) * (np.arange(1, n + 1) / n)[:, None])
    return np.concatenate(pieces)


def _pose(strokes: list[Polyline], rng: np.random.Generator) -> list[Polyline]:
    angle = rng.normal(0, 0.1)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    stretch = np.array([rng.uniform(0.75, 1.3), 1.0])
    posed = []
    for stroke in strokes:
        steps = rng.normal(0, 0.012, stroke.shape).cumsum(axis=0)
        wobble = steps - steps.mean(axis=0) + rng.normal(0, 0.008, stroke.shape)
        shift = rng.normal(0, 0.015, 2)
        moved = ((stroke + wobble + shift) * stretch) @ turn
        posed.append(moved[::-1] if rng.random() < 0.3 else moved)
    if rng.random() < 0.5:
        posed = [posed[i] for i in rng.permutation(len(posed))]
    return posed


def _on_grid(strokes: list[Polyline]) -> list[Polyline]:
    every = np.concatenate(strokes)
    low = every.min(axis=0)
    scale = 255.0 / max((every - low).max(), 1e-9)
    return [np.rint((stroke - low) * scale) for stroke in strokes]


def _path(*points: tuple[float, float]) -> Polyline:
    return np.array(points, np.float64)


def _arc(
    centre: tuple[float, float], radius: float, start_turns: float = 0.0, end_turns: float = 1.0
) -> Polyline:
    n = max(5, round(24 * abs(end_turns - start_turns) * max(0.4, radius / 0.5)))
    turns = np.linspace(start_turns, end_turns, n) * 2 * math.pi
    return np.array(centre) + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)


def _ring(rng: np.random.Generator, centre: tuple[float, float], radius: float) -> Polyline:
    """A circle begun anywhere, that ends a little before or beyond its beginning."""
    start = rng.uniform(0, 1)
    return _arc(centre, radius, start, start + rng.uniform(0.95, 1.05))


def _polygon(n_corners: int, first_turn: float) -> Polyline:
    return _corners(np.arange(n_corners + 1) / n_corners + first_turn)


def _corners(turns: Iterable[float]) -> Polyline:
    angles = np.asarray(list(turns)) * 2 * math.pi
    return 0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _circle(rng: np.random.Generator) -> list[Polyline]:
    return [_ring(rng, (0.5, 0.5), 0.5)]


def _square(rng: np.random.Generator) -> list[Polyline]:
    corners = _polygon(4, 0.125)
    if rng.random() < 0.3:
        return [corners[:3], corners[2:]]
    return [corners]


def _triangle(rng: np.random.Generator) -> list[Polyline]:
    return [_path((0.5, 0.0), (1.0, 0.9), (0.0, 0.9), (0.5, 0.0))]


def _zigzag(rng: np.random.Generator) -> list[Polyline]:
    n = int(rng.integers(5, 9))
    return [np.array([(i / n, 0.35 * (i % 2)) for i in range(n + 1)])]


def _star(rng: np.random.Generator) -> list[Polyline]:
    return [_corners(np.arange(6) * 2 / 5 - 0.25)]


def _house(rng: np.random.Generator) -> list[Polyline]:
    walls = _path((0.1, 0.45), (0.1, 1.0), (0.9, 1.0), (0.9, 0.45), (0.1, 0.45))
    roof = _path((0.0, 0.45), (0.5, 0.0), (1.0, 0.45))
    door = _path((0.4, 1.0), (0.4, 0.7), (0.6, 0.7), (0.6, 1.0))
    return [walls, roof, door] if rng.random() < 0.8 else [walls, roof]


def _ladder(rng: np.random.Generator) -> list[Polyline]:
    n = int(rng.integers(3, 6))
    rungs = [_path((0.0, y), (0.4, y)) for y in (np.arange(n) + 0.5) / n]
    return [_path((0.0, 0.0), (0.0, 1.0)), _path((0.4, 0.0), (0.4, 1.0)), *rungs]


def _smiley_face(rng: np.random.Generator) -> list[Polyline]:
    eyes = [_ring(rng, (x, 0.35), 0.05) for x in (0.33, 0.67)]
    return [_ring(rng, (0.5, 0.5), 0.5), *eyes, _arc((0.5, 0.5), 0.28, 0.05, 0.45)]


def _line(rng: np.random.Generator) -> list[Polyline]:
    slope = rng.uniform(-0.4, 0.4)
    return [_path((0.0, 0.0), (0.5, slope / 2), (1.0, slope))]


def _cloud(rng: np.random.Generator) -> list[Polyline]:
    n = int(rng.integers(5, 8))
    turns = np.linspace(0, 1, 12 * n + 1)
    radius = 0.38 + 0.12 * np.abs(np.sin(turns * math.pi * n))
    angles = (turns + rng.uniform(0, 1)) * 2 * math.pi
    return [np.stack([0.8 * radius * np.cos(angles), 0.45 * radius * np.sin(angles)], axis=1)]


def _stairs(rng: np.random.Generator) -> list[Polyline]:
    n = int(rng.integers(3, 6))
    corners = [(0.0, 1.0)]
    for i in range(n):
        corners += [(i / n, 1 - (i + 1) / n), ((i + 1) / n, 1 - (i + 1) / n)]
    return [_path(*corners)]


def _envelope(rng: np.random.Generator) -> list[Polyline]:
    box = _path((0.0, 0.0), (1.0, 0.0), (1.0, 0.6), (0.0, 0.6), (0.0, 0.0))
    return [box, _path((0.0, 0.0), (0.5, 0.35), (1.0, 0.0))]


def _hourglass(rng: np.random.Generator) -> list[Polyline]:
    return [_path((0.1, 0.0), (0.7, 0.0), (0.1, 1.0), (0.7, 1.0), (0.1, 0.0))]


def _lollipop(rng: np.random.Generator) -> list[Polyline]:
    return [_ring(rng, (0.5, 0.25), 0.25), _path((0.5, 0.5), (0.5, 1.1))]


def _cross(rng: np.random.Generator) -> list[Polyline]:
    return [_path((0.35, 0.0), (0.35, 1.0)), _path((0.0, 0.35), (0.7, 0.35))]


def _spiral(rng: np.random.Generator) -> list[Polyline]:
    n_turns = rng.uniform(2.2, 3.2)
    turns = np.linspace(0, n_turns, round(16 * n_turns))
    angles = turns * 2 * math.pi
    return [np.stack([np.cos(angles), np.sin(angles)], axis=1) * (0.5 * turns / n_turns)[:, None]]


_TEMPLATES: dict[str, Callable[[np.random.Generator], list[Polyline]]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "zigzag": _zigzag,
    "star": _star,
    "house": _house,
    "ladder": _ladder,
    "smiley face": _smiley_face,
    "line": _line,
    "cloud": _cloud,
    "stairs": _stairs,
    "envelope": _envelope,
    "hourglass": _hourglass,
    "lollipop": _lollipop,
    # the last two are not among Google's 345
    "cross": _cross,
    "spiral": _spiral,
}

#: What can be sketched; the first fourteen are categories of Quick, Draw! too.
SKETCH_CATEGORIES: tuple[str, ...] = tuple(_TEMPLATES)
