"""A photo of 12 megapixels, from the file to the category, beside decoding it with Pillow alone.

The photos are made from drawings: a pen on paper under a lamp, as JPEG (see picture_agreement.py).

    python benchmarks/photo.py [--source DIR]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import harness
import numpy as np
from picture_agreement import photo
from PIL import Image

from garabato.drawing import Drawing
from garabato.encoder import load_encoder
from garabato.formats import read_drawings

SIZE = (4000, 3000)
N_PHOTOS, REPEATS = 6, 3


def run(context: harness.Context) -> list[harness.Row]:
    """Milliseconds for each photo and repeat."""
    encoder = load_encoder()
    rng = np.random.default_rng(0)
    files = sorted(context.source.glob("*.ndjson"))
    drawings = [next(iter(read_drawings(files[i]))) for i in rng.permutation(len(files))[:N_PHOTOS]]
    photos = [large_photo(drawing, context.work, rng) for drawing in drawings]

    def read(path: Path) -> Drawing:
        return next(iter(read_drawings(path)))

    def decode(path: Path) -> Image.Image:
        return Image.open(path).convert("L").resize((48, 48))

    categories = [encoder.classify(read(path), k=1)[0].category for path in photos]
    n_right = sum(a == d.category for a, d in zip(categories, drawings, strict=True))
    about = f"two cores; {n_right} of {N_PHOTOS} drawings named as Google's players were asked"
    return [
        harness.Row(
            "12-megapixel photo -> category",
            "ms",
            timed_ms(lambda path: encoder.classify(read(path)), photos),
            target=150,
            note=about,
        ),
        harness.Row("12-megapixel photo -> strokes", "ms", timed_ms(read, photos)),
        harness.Row(
            "12-megapixel photo -> 48x48 pixels by Pillow",
            "ms",
            timed_ms(decode, photos),
            note="decoded and shrunk; nothing looks for the drawing in it",
        ),
    ]


def large_photo(drawing: Drawing, folder: Path, rng: np.random.Generator) -> Path:
    """A photo of 4000x3000 px with the noise of a sensor."""
    small = cv2.imread(str(photo(drawing, folder, rng)))
    large = cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    large += 3 * rng.standard_normal(large.shape, np.float32)
    path = folder / f"{drawing.key_id}.jpg"
    cv2.imwrite(str(path), np.clip(large, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return path


def timed_ms(work: Callable[[Path], object], photos: list[Path]) -> list[float]:
    """The time of each photo and repeat."""
    samples = []
    for path in REPEATS * photos:
        start = time.perf_counter()
        work(path)
        samples.append(1000 * (time.perf_counter() - start))
    return samples


BENCHMARK = harness.Benchmark(
    "photo",
    f"{N_PHOTOS} drawings as photos of {SIZE[0]}x{SIZE[1]} px, {REPEATS} times each",
    "Pillow",
    run,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
