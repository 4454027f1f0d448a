"""Pictures as queries: does a drawing keep its category when it comes as a picture?

Held-back drawings are drawn as other people's programs, scanners and cameras would (by OpenCV, and
not by garabato's renderer), written to files, read back by `read_drawings` and classified. Each row
is the accuracy on one kind of picture, divided by the accuracy on the strokes of the same drawings;
its note says how many get the same category as their strokes. Without options: seed 0 of S100
(`s100.py`), its encoder and its test drawings. For the encoder that ships:

    python benchmarks/picture_agreement.py --model shipped --data DATA
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import harness
import numpy as np
import numpy.typing as npt

from garabato.dataset import Dataset
from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import Encoder, load_encoder
from garabato.errors import FormatError
from garabato.formats import read_drawings, write_drawings
from garabato.render import RenderSpec, render_batch

CLEAN, HARD = 0.95, 0.90
N_DRAWINGS = 600
DEMO = harness.ROOT / "runs" / "s100" / "seed0"

Page = npt.NDArray[np.uint8]  # (H, W), paper 255, ink dark


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of picture: `write(drawing, folder, rng)` gives the file."""

    name: str
    write: Callable[[Drawing, Path, np.random.Generator], Path]
    target: float
    note: str = ""


def page_of(
    drawing: Drawing, *, width: int = 512, height: int = 512, box: float = 440, pen: float = 6.0
) -> Page:
    """The drawing in a box of `box` px in the middle of a white page, lines `pen` px wide."""
    corner = np.array([(width - box) / 2, (height - box) / 2])
    return draw(drawing, np.full((height, width), 255, np.uint8), corner, box, pen)


def draw(drawing: Drawing, page: Page, corner: Any, box: float, pen: float) -> Page:
    """Draw with smooth edges: on a page four times the size, reduced by area."""
    larger = 4
    large = np.full((page.shape[0] * larger, page.shape[1] * larger), 255, np.uint8)
    points = drawing.normalised().points
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    scaled = ((points - middle) * box / 255 + np.asarray(corner) + box / 2) * larger * 16
    for a, b in zip(drawing.stroke_starts[:-1], drawing.stroke_starts[1:], strict=True):
        line = np.rint(scaled[a:b]).astype(np.int32)
        if len(line) == 1:
            line = np.repeat(line, 2, axis=0)
        cv2.polylines(large, [line], False, 0, max(1, round(pen * larger)), cv2.LINE_8, 4)
    return cv2.resize(large, (page.shape[1], page.shape[0]), interpolation=cv2.INTER_AREA)


def save(picture: npt.NDArray[np.uint8], path: Path, *options: int) -> Path:
    """Write a picture in the format of its suffix."""
    cv2.imwrite(str(path), picture, options)
    return path


def png(drawing: Drawing, folder: Path, _rng: np.random.Generator, **how: Any) -> Path:
    """Black on white, smooth edges."""
    return save(page_of(drawing, **how), folder / "drawing.png")


def inverted(drawing: Drawing, folder: Path, _rng: np.random.Generator) -> Path:
    """White on black."""
    return save(255 - page_of(drawing), folder / "drawing.png")


def transparent(drawing: Drawing, folder: Path, _rng: np.random.Generator) -> Path:
    """Black ink on nothing: only the alpha channel shows the drawing."""
    picture = np.zeros((512, 512, 4), np.uint8)
    picture[..., 3] = 255 - page_of(drawing)
    return save(picture, folder / "drawing.png")


def off_centre(drawing: Drawing, folder: Path, rng: np.random.Generator) -> Path:
    """In one corner of the page."""
    page = np.full((512, 512), 255, np.uint8)
    corner = rng.choice([[12, 12], [260, 12], [12, 260], [260, 260]])
    return save(draw(drawing, page, corner, 240, 4), folder / "drawing.png")


def on_a_large_page(drawing: Drawing, folder: Path, rng: np.random.Generator) -> Path:
    """Somewhere on a page many times larger."""
    page = np.full((1100, 1500), 255, np.uint8)
    corner = rng.uniform([20, 20], [1300, 900])
    return save(draw(drawing, page, corner, 160, 3), folder / "drawing.png")


def jpeg(drawing: Drawing, folder: Path, _rng: np.random.Generator) -> Path:
    """With the blocks and ripples of strong compression."""
    page = page_of(drawing)
    return save(page, folder / "drawing.jpg", cv2.IMWRITE_JPEG_QUALITY, 30)


def turned(drawing: Drawing, folder: Path, rng: np.random.Generator) -> Path:
    """Rotated by 10 degrees, either way."""
    matrix = cv2.getRotationMatrix2D((256, 256), float(rng.choice([-10, 10])), 0.9)
    page = cv2.warpAffine(page_of(drawing), matrix, (512, 512), borderValue=255)
    return save(page, folder / "drawing.png")


def small_bitmap(drawing: Drawing, folder: Path, _rng: np.random.Generator) -> Path:
    """As Google's 28x28 bitmaps: a line 1.47 px wide, shades by area."""
    ink = 255 - page_of(drawing, width=224, height=224, box=188, pen=1.47 * 8)
    bitmap = cv2.resize(ink, (28, 28), interpolation=cv2.INTER_AREA)
    path = folder / "drawing.npy"
    write_drawings(path, [Drawing(bitmap=bitmap)])
    return path


def photo(drawing: Drawing, folder: Path, rng: np.random.Generator) -> Path:
    """A pen drawing on paper under a lamp: light that falls off, a shadow, grain, blur, noise."""
    height, width = 900, 1200
    page = np.full((height, width), 255, np.uint8)
    box = rng.uniform(420, 760)
    corner = rng.uniform([60, 60], [width - 60 - box, height - 60 - box])
    page = draw(drawing, page, corner, box, box * rng.uniform(0.008, 0.018))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-4, 4)), 1.0)
    page = cv2.warpAffine(page, matrix, (width, height), borderValue=255)
    ink = 1 - cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.7, 1.5))).astype(np.float32) / 255

    def noise(grain_px: float) -> npt.NDArray[np.float32]:
        shape = (int(height / grain_px) + 1, int(width / grain_px) + 1)
        rough = rng.standard_normal(shape).astype(np.float32)
        return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)

    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = (np.cos(angle) * (xs / width - 0.5) + np.sin(angle) * (ys / height - 0.5)) * 0.45
    lamp = rng.uniform([0.2 * width, 0.2 * height], [0.8 * width, 0.8 * height])
    glow = np.exp(-((xs - lamp[0]) ** 2 + (ys - lamp[1]) ** 2) / (2 * (0.7 * width) ** 2))
    edge = xs * np.sin(angle) - ys * np.cos(angle) - rng.uniform(-0.3, 0.3) * width
    shadow = 1 - 0.25 / (1 + np.exp(np.clip(-edge / 40, -50, 50)))
    light = (0.55 + slope * 0.6 + 0.35 * glow) * shadow
    paper = 0.93 + 0.012 * noise(1.5) + 0.012 * noise(6) + 0.01 * noise(40)
    seen = light * paper * (1 - rng.uniform(0.55, 0.85) * ink) + 0.015 * noise(1)
    tint = np.array([0.88, 0.97, 1.0], np.float32)  # blue, green, red: a warm lamp
    picture = np.clip(seen[..., None] * tint * 255, 0, 255).astype(np.uint8)
    return save(picture, folder / "drawing.jpg", cv2.IMWRITE_JPEG_QUALITY, 75)


KINDS = (
    Kind("28x28 bitmap", small_bitmap, CLEAN, "as Google's .npy files"),
    Kind("512 px PNG", png, CLEAN),
    Kind("inverted", inverted, CLEAN, "light on dark"),
    Kind("transparent PNG", transparent, CLEAN),
    Kind("off-centre", off_centre, CLEAN, "in one corner of the page"),
    Kind("small on a large page", on_a_large_page, CLEAN, "160 px of 1500x1100"),
    Kind("JPEG of quality 30", jpeg, CLEAN),
    Kind("thin pen", partial(png, pen=1), CLEAN, "1 px of 512"),
    Kind("thick pen", partial(png, pen=22, box=420), HARD, "22 px of 512"),
    Kind("rotated by 10 degrees", turned, HARD),
    Kind("photo", photo, HARD, "uneven light, a shadow, paper grain, blur, noise, JPEG"),
)


def read_back(path: Path) -> Drawing:
    """The one drawing of a file; an empty one where none was found, which counts as wrong."""
    try:
        (drawing,) = read_drawings(path)
    except FormatError as error:
        print(error, file=sys.stderr)
        return Drawing()
    return drawing


def categories_of(encoder: Encoder, drawings: list[Drawing]) -> npt.NDArray[np.str_]:
    """The best category of each."""
    return np.array(encoder.categories)[encoder.predict(drawings).probabilities.argmax(axis=1)]


def run(
    context: harness.Context, *, model: str, data: Path, n: int, sheet: Path | None
) -> list[harness.Row]:
    """Accuracy of each kind relative to the strokes'."""
    encoder, test = load_encoder(model), Dataset.open(data).split("test")
    batch = test.take(np.random.default_rng(0).permutation(len(test))[:n])
    drawings, truth = list(batch), np.array(batch.categories)
    from_strokes = categories_of(encoder, drawings)
    as_strokes = float((from_strokes == truth).mean())
    about = f"{len(drawings)} drawings of {len(encoder.categories)} categories"
    rows = [harness.Row("top-1 from strokes", "%", [as_strokes], note=about)]
    shown = []
    for kind in KINDS:
        print(f"  {kind.name} ...", file=sys.stderr, flush=True)
        rng = np.random.default_rng(0)
        seen = [read_back(kind.write(drawing, context.work, rng)) for drawing in drawings]
        found = categories_of(encoder, seen)
        share = float((found == truth).mean()) / as_strokes
        same = f"same category as from strokes: {100 * (found == from_strokes).mean():.1f}%"
        note = f"{kind.note}; {same}" if kind.note else same
        rows.append(harness.Row(kind.name, "%", [share], kind.target, at_least=True, note=note))
        shown.append(seen[:12])
    if sheet:
        write_sheet(sheet, drawings[:12], shown, context.work)
    return rows


def write_sheet(path: Path, drawings: list[Drawing], seen: list[list[Drawing]], work: Path) -> None:
    """A row of strokes; then for each kind a row of pictures and a row of what was read in them."""
    side = 128
    spec = RenderSpec(size_px=side, line_width=0.016, margin=0.06)

    def rendered(some: list[Drawing]) -> npt.NDArray[np.uint8]:
        cells = np.hstack(list(255 - render_batch(DrawingBatch.from_drawings(some), spec)))
        return np.repeat(cells[..., None], 3, axis=2)

    rows = [rendered(drawings)]
    for kind, found in zip(KINDS, seen, strict=True):
        rng = np.random.default_rng(0)
        pictures = []
        for drawing in drawings:
            file = kind.write(drawing, work, rng)
            if file.suffix == ".npy":
                picture = np.repeat(255 - np.load(file).reshape(28, 28, 1), 3, axis=2)
            else:
                picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
                if picture.ndim == 3 and picture.shape[2] == 4:
                    picture = 255 - picture[..., 3]
                if picture.ndim == 2:
                    picture = np.repeat(picture[..., None], 3, axis=2)
            pictures.append(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA))
        rows += [np.hstack(pictures), rendered(found)]
    save(np.vstack(rows), path)


def benchmark(
    model: str = str(DEMO / "run"),
    data: Path = DEMO / "data",
    n: int = N_DRAWINGS,
    sheet: Path | None = None,
) -> harness.Benchmark:
    """What is measured, with an encoder on the test drawings of a data set it was made with."""
    name, options, drawings, encoder = "picture_agreement", "", "seed 0 of S100", "trained on them"
    if (model, data) != (str(DEMO / "run"), DEMO / "data"):
        drawings, encoder = data.name, Path(model).stem
        name, options = f"{name}_{encoder}", f" --model {encoder} --data {drawings}"
    return harness.Benchmark(
        name,
        f"{n} test drawings of {drawings}, encoder {encoder}",
        "accuracy as a share of the accuracy from strokes",
        partial(run, model=model, data=data, n=n, sheet=sheet),
        quick=False,
        command=f"picture_agreement.py{options}" + ("" if n == N_DRAWINGS else f" -n {n}"),
    )


def main() -> None:
    """The command line."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument(
        "--model", default=str(DEMO / "run"), help="an encoder or the folder of a run"
    )
    parser.add_argument(
        "--data", type=Path, default=DEMO / "data", help="a folder that `garabato prepare` wrote"
    )
    parser.add_argument("-n", type=int, default=N_DRAWINGS, help="how many test drawings")
    parser.add_argument("--sheet", type=Path, help="write a PNG of the first drawings and pictures")
    given = parser.parse_args()
    if not (given.data / "dataset.json").exists():
        sys.exit(f"no prepared drawings in {given.data}: run benchmarks/s100.py, or give --data")
    asked = benchmark(given.model, given.data, given.n, given.sheet)
    harness.show([harness.measure(asked, given.data, given.results)])


if __name__ == "__main__":
    main()
