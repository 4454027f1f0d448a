"""SVG files by others, such as icon sets from npm: are they read as Chromium shows them?

Each file is shown by chromium, 128 px wide, and read by garabato. A file agrees if 99% of the
pixels of the lines read lie within a pixel of what chromium paints, and 99% of the edge pixels of
what chromium paints lie within a pixel of the lines, or of half the width of the pen that draws
them. Needs `npm` (to fetch the sets) and playwright with a chromium.

`--faults` takes a folder with small files of kinds that were once read wrongly, named as in FILES,
and counts those that are classified or refused as expected.
"""

from __future__ import annotations

import base64
import os
import random
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import harness
import numpy as np

from garabato.encoder import Encoder, load_encoder
from garabato.errors import FormatError
from garabato.formats import read_drawings
from garabato.formats.stream import open_input
from garabato.formats.svg import NAMESPACE
from garabato.formats.svg.painting import visible_lines
from garabato.formats.svg.ribbons import thin_ribbons
from garabato.formats.svg.walk import read_document
from garabato.formats.xml_tree import parse_xml
from garabato.sources import open_source

SETS = ("feather-icons", "lucide-static", "@tabler/icons", "@phosphor-icons/core")
SIDE_PX = 128
N_COMPARED = 100
#: Files of a set that are read; those compared are among them.
N_READ = 400
#: Share of a file's pixels that must agree, and of the files of a set.
MIN_SHARE = 0.99
#: What is in each folder of files with faults.
FILES = {
    "00": "control",
    "01": "SVG: currentColor",
    "02": "SVG: invisible shapes as large as the page",
    "03": "SVG: grounds of any colour",
    "04": "SVG: white on dark",
    "05": "SVG: style sheets",
    "06": "SVG: entities",
    "07": "SVG: clips, masks, symbols",
    "08": "SVG: a picture inside",
    "09": "ndjson: strokes as points",
    "10": "ndjson: odd metadata",
    "11": "files of other kinds",
    "12": "pictures: frames and margins",
    "13": "pictures: uneven light",
    "14": "pictures: pale beside dark lines",
    "17": "pictures: animations",
}
#: What is expected of files that don't show a cat: a category, or words of the error.
EXPECTED = {
    "01/fill_on_path.svg": "triangle",
    "08/picture_inside.svg": "holds a picture",
    "11/bucket_error.ndjson": "error message was saved",
    "11/lfs_pointer.npz": "Git LFS pointer",
    "11/scene.excalidraw": "no drawing",
    "11/text.pdf": "PDF",
    "11/utf16_powershell.ndjson": "UTF-16",
    "11/web_page.npy": "web page was saved",
}
#: Files whose geometry is checked by tests instead.
NOT_CLASSIFIED = ("07/symbol_viewbox.svg", "09/three_points.ndjson")
#: What is in each folder that is a source of drawings, and its right categories.
SOURCES = {
    "15/source": ("folders: all formats", {"cat"}),
    "15/imagefolder/train": ("folders: ImageFolder", {"cat"}),
    "16/strokes": ("folders: names by browsers, strokes", {"alarm clock", "cat"}),
    "16/bitmaps": ("folders: names by browsers, bitmaps", {"alarm clock", "dog"}),
}
#: Colours (0..255) that differ by more from the ground are ink.
CONTRAST = 40


def run(
    context: harness.Context,
    sets: Sequence[str] = SETS,
    folder: Path | None = None,
    n_compared: int = N_COMPARED,
    faults: Path | None = None,
) -> list[harness.Row]:
    """How many files of each set are read and agree, and how long reading takes."""
    rows = [] if faults is None else read_faults(faults)
    folders = [(name, fetch(name, context.work)) for name in sets]
    if folder is not None:
        folders += [(path.name, path) for path in sorted(folder.iterdir()) if path.is_dir()]
    for name, path in folders:
        files = [file for file in sorted(path.rglob("*.svg")) if is_drawing(file)]
        if not files:
            continue
        n_files = len(files)
        files = random.Random(0).sample(files, min(N_READ, n_files))
        n_read, milliseconds = read_all(files)
        what = f"{name}: files read, of a sample of {len(files):,} of {n_files:,}"
        rows.append(harness.Row(what, "%", [n_read / len(files)], 1.0, at_least=True))
        rows.append(harness.Row(f"{name}: reading a file", "ms", milliseconds))
        chosen = random.Random(0).sample(files, min(n_compared, len(files)))
        agreeing = [agrees(file, shown) for file, shown in zip(chosen, show(chosen), strict=True)]
        for file, agreed in zip(chosen, agreeing, strict=True):
            if not agreed:
                print(f"disagrees: {file.relative_to(path)}", file=sys.stderr)
        what = f"{name}: files that agree with chromium, of {len(chosen):,}"
        share = sum(agreeing) / len(agreeing)
        rows.append(harness.Row(what, "%", [share], MIN_SHARE, at_least=True))
    return rows


def read_faults(folder: Path) -> list[harness.Row]:
    """How many files of each kind are classified or refused as expected."""
    encoder = load_encoder()
    rows = []
    for name, what in FILES.items():
        paths = [f"{name}/{file.name}" for file in sorted((folder / name).iterdir())]
        paths = [path for path in paths if not path.endswith(("README.txt", *NOT_CLASSIFIED))]
        wrong = [
            Path(path).name
            for path in paths
            if EXPECTED.get(path, "cat") not in shown_in(encoder, folder / path)
        ]
        rows.append(row_of_faults(name, what, wrong, len(paths)))
    for name, (what, right) in SOURCES.items():
        found = set(open_source(folder / name).categories())
        rows.append(row_of_faults(name, what, sorted(found ^ right), len(found | right)))
    return rows


def row_of_faults(name: str, what: str, wrong: Sequence[str], n: int) -> harness.Row:
    """How many of `n` files or names are right."""
    label = f"faults {name}, {what}: right, of {n}"
    note = f"wrong: {', '.join(wrong)}" if wrong else ""
    return harness.Row(label, "%", [1 - len(wrong) / n], 1.0, at_least=True, note=note)


def shown_in(encoder: Encoder, file: Path) -> str:
    """The category of the first drawing in a file, or the error."""
    try:
        return encoder.classify(next(iter(read_drawings(file))), k=1)[0].category
    except FormatError as error:
        return str(error)


def fetch(package: str, work: Path) -> Path:
    """Unpack the SVG files of an npm package; returns their folder."""
    npm = shutil.which("npm") or sys.exit("npm is needed to fetch icon sets")
    folder = work / package.replace("/", "-")
    folder.mkdir()
    packed = subprocess.run(
        [npm, "pack", package, "--silent"], cwd=folder, check=True, capture_output=True, text=True
    )
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        files = [entry for entry in archive if entry.isfile() and entry.name.endswith(".svg")]
        archive.extractall(folder, files, filter="data")
    return folder


def is_drawing(file: Path) -> bool:
    """False for files that only define symbols or the characters of a font."""
    return "sprite" not in file.name and file.parent.name not in ("font", "fonts")


def read_all(files: Sequence[Path]) -> tuple[int, list[float]]:
    """(how many have a drawing, ms a file, for each of three passes)."""
    milliseconds = []
    for _ in range(3):
        n_read = 0
        started = time.process_time()
        for file in files:
            try:
                n_read += len(list(read_drawings(file)))
            except FormatError as error:
                print(error, file=sys.stderr)
        milliseconds.append(1000 * (time.process_time() - started) / len(files))
    return n_read, milliseconds


def show(files: Sequence[Path]) -> list[np.ndarray]:
    """What chromium paints of each file: (SIDE_PX, SIDE_PX, 3) uint8."""
    from playwright.sync_api import sync_playwright

    shown = []
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        page = browser.new_page(viewport={"width": SIDE_PX, "height": SIDE_PX})
        for file in files:
            data = base64.b64encode(file.read_bytes()).decode()
            page.set_content(
                f'<body style="margin:0;background:white"><img width={SIDE_PX} height={SIDE_PX} '
                f'style="object-fit:contain" src="data:image/svg+xml;base64,{data}">'
            )
            page.wait_for_function("document.images[0].complete")
            picture = np.frombuffer(page.screenshot(), np.uint8)
            shown.append(cv2.imdecode(picture, cv2.IMREAD_COLOR))
        browser.close()
    return shown


def agrees(file: Path, shown: np.ndarray) -> bool:
    """Whether the lines that are read and the ink that chromium shows are the same."""
    with open_input(file) as source:
        document = read_document(parse_xml(source, NAMESPACE))
    if document.page is None:
        return False
    left, top, right, bottom = document.page
    scale = SIDE_PX / max(right - left, bottom - top)
    size = scale * np.array([right - left, bottom - top])
    margin = (SIDE_PX - size) / 2
    ink = ink_of(shown, margin, size)
    items = thin_ribbons(document.items, document.page)
    widths = [item.stroke_width for item in items if item.stroke]
    reach = 1.5 + max(widths, default=0.0) * scale / 2
    lines = np.zeros_like(ink)
    for line in visible_lines(document):
        px = (line - (left, top)) * scale + margin
        cv2.polylines(lines, [np.rint(px * 16 - 8).astype(np.int32)], False, 1, 1, shift=4)
    edges = ink - cv2.erode(ink, np.ones((3, 3), np.uint8))
    near_ink = cv2.dilate(ink, np.ones((3, 3), np.uint8))
    distances = cv2.distanceTransform(1 - lines, cv2.DIST_L2, 5) if lines.any() else None
    if distances is None or not ink.any():
        return not ink.any() and not lines.any()
    is_on_ink = near_ink[lines > 0].mean() >= MIN_SHARE
    return bool(is_on_ink and (distances[edges > 0] <= reach).mean() >= MIN_SHARE)


def ink_of(shown: np.ndarray, margin: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(SIDE_PX, SIDE_PX) uint8, 1 where the page differs from its ground."""
    left, top = np.ceil(margin).astype(int)
    right, bottom = np.floor(margin + size).astype(int)
    page = shown[top:bottom, left:right].astype(int)
    corners = page[[0, 0, -1, -1], [0, -1, 0, -1]]
    is_one_ground = (np.ptp(corners, axis=0) < CONTRAST).all()
    ground = corners[0] if is_one_ground else np.full(3, 255)
    ink = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    ink[top:bottom, left:right] = np.abs(page - ground).max(axis=2) > CONTRAST
    return ink


def benchmark(
    sets: Sequence[str] = SETS,
    folder: Path | None = None,
    n_compared: int = N_COMPARED,
    faults: Path | None = None,
) -> harness.Benchmark:
    """What is measured."""
    options = f" --folder {folder.name}" if folder else ""
    options += f" --faults {faults.name}" if faults else ""
    options += "" if n_compared == N_COMPARED else f" -n {n_compared}"
    options += "" if tuple(sets) == SETS else "".join(f" --set {name}" for name in sets)
    return harness.Benchmark(
        "wild",
        f"SVG files of {', '.join(sets)}" + (" and of a folder" if folder else ""),
        f"chromium's rendering at {SIDE_PX} px, {n_compared} files of each set",
        partial(run, sets=sets, folder=folder, n_compared=n_compared, faults=faults),
        quick=False,
        command=f"wild.py{options}",
    )


def main() -> None:
    """The command line."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--set", action="append", dest="sets", help="an npm package; repeatable")
    parser.add_argument("--folder", type=Path, help="a folder of folders of more SVG files")
    parser.add_argument("-n", type=int, default=N_COMPARED, help="files of a set to compare")
    parser.add_argument("--faults", type=Path, help="a folder of files that were once read wrongly")
    given = parser.parse_args()
    asked = benchmark(given.sets or SETS, given.folder, given.n, given.faults)
    harness.show([harness.measure(asked, Path(), given.results)])


if __name__ == "__main__":
    main()
