"""Damaged files for every reader: it must yield valid drawings or raise FormatError, and end.

Real drawings are written in each format, then mutated: bytes changed, pieces cut out, doubled,
moved, replaced by what is special to the format. Anything but valid drawings or an error that names
the file, more than a few seconds or more memory than a few files need is a failure; the case is
kept beside the results.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import frame
import numpy as np

N_CASES = 100_000
N_SEEDS = 12
LONGEST_S = 20
#: Of all cases, the share each format gets: more where the code is our own.
SHARES = {
    "ndjson": 0.32, "raw": 0.06, "bin": 0.18, "npy": 0.08, "npz": 0.10, "svg": 0.16, "png": 0.03,
    "jpg": 0.03, "webp": 0.02, "gz": 0.02,
}  # fmt: skip
WORDS = {
    "ndjson": b"[ ] { } , : \" \\ - . 0 00 1e9 -1 null true NaN 99999999 {} [] [[[1],[2]]] \n \xff"
    b' \\u00e9 "drawing" "word" "key_id":7 \xef\xbb\xbf',
    "raw": b"1e999 -1e-9 0.5 NaN null [] [[0.5,1],[2,3],[4,5]] -0.0 1.7e308",
    "bin": b"\x00 \xff\xff \x01\x00 \xff\xff\xff\xff DE \x80",
    "npy": b"\x93NUMPY '|O' '<f8' (3,784) (784,3) True 99999999999 {'descr' \x00 } ,",
    "npz": b"PK\x03\x04 PK\x05\x06 cos\nsystem\n (lp0 . R b \x80\x02 r\xff\xff\xff\xff "
    b"numpy ndarray i2 i8",
    "svg": b"< > </ /> \" ' & &lt; <g> </g> <path d=\" M0,0 a1,1,0,0,1 1e9 1e999 nan % - "
    b'<use href="#a"/> id="a" transform="scale(1e30)" viewBox="0_0_0_0" \x00 \xff <!DOCTYPE '
    b"<!ENTITY rotate(1e99) matrix(1,2,3) C Q T S Z z",
}  # fmt: skip


def run(context: frame.Context, n_cases: int = N_CASES) -> list[frame.Row]:
    """Failures (none is the goal), the slowest case and the memory, over all formats."""
    warnings.simplefilter("error")
    kept = frame.RESULTS / "fuzz_failures"
    n_failures, slowest, n_read, n_refused, n_done = 0, 0.0, 0, 0, 0
    seeds = dict(make_seeds(context))
    check_all(seeds, context.work)
    before = peak_mib()
    for kind, share in SHARES.items():
        rng = random.Random(kind)
        for number in range(round(share * n_cases)):
            case = mutate(seeds[kind], WORDS.get(kind, WORDS["bin"]).split(b" "), rng)
            path = context.work / "case"
            path.write_bytes(case)
            started = time.perf_counter()
            try:
                with alarm(LONGEST_S):
                    n_read, n_refused = (
                        (n_read + 1, n_refused) if check(path) else (n_read, n_refused + 1)
                    )
            except Exception as error:
                n_failures += 1
                kept.mkdir(parents=True, exist_ok=True)
                (kept / f"{kind}-{number}").write_bytes(case)
                print(f"{kind} case {number}: {type(error).__name__}: {error}", flush=True)
            slowest = max(slowest, time.perf_counter() - started)
            n_done += 1
    return [
        frame.Row("mutated files read or refused", "cases", [n_done], 100_000, at_least=True),
        frame.Row("of them with drawings", "cases", [n_read]),
        frame.Row("of them refused whole", "cases", [n_refused]),
        frame.Row(
            "failures", "cases", [n_failures], reach=0, note="other errors, hangs, bad drawings"
        ),
        frame.Row("the slowest case", "s", [slowest], reach=LONGEST_S),
        frame.Row("memory on top of the start's", "MiB", [peak_mib() - before], reach=1024),
    ]


def check(path: Path) -> bool:
    """Read one file in full; True where it has drawings, False where it is refused."""
    from garabato.drawing import MAX_COORDINATE, MAX_POINTS
    from garabato.errors import FormatError
    from garabato.formats import ReadReport, read_batches

    try:
        for batch in read_batches(path, report=ReadReport()):
            if (
                not np.isfinite(batch.points).all()
                or np.abs(batch.points).max(initial=0) > MAX_COORDINATE
            ):
                raise ValueError("a coordinate is no place")
            if (np.diff(batch.stroke_starts) <= 0).any() or batch.stroke_starts[0] != 0:
                raise ValueError("strokes overlap or are empty")
            if batch.stroke_starts[-1] != len(batch.points):
                raise ValueError("strokes end elsewhere than the points")
            if np.diff(batch.stroke_starts[batch.drawing_starts]).max(initial=0) > MAX_POINTS:
                raise ValueError("a drawing has too many points")
            for drawing in batch:
                drawing.on_grid()
    except FormatError as error:
        if str(path) not in str(error):
            raise ValueError(f"the error doesn't name the file: {error}") from error
        return False
    return True


def check_all(seeds: dict[str, list[bytes]], work: Path) -> None:
    """The files must be readable before they are damaged; compiles the kernels, too."""
    for kind, files in seeds.items():
        for data in files:
            (work / "case").write_bytes(data)
            if not check(work / "case"):
                raise RuntimeError(f"a {kind} file cannot be read undamaged")


def mutate(seeds: list[bytes], words: list[bytes], rng: random.Random) -> bytes:
    """One of the seeds, damaged one to eight times."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 4, 16, 100))
        match rng.randrange(8):
            case 0:
                data[at : at + length] = rng.randbytes(length)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                data[at:at] = rng.choice(words).replace(b"_", b" ")
            case 4:
                data[at : at + length] = rng.choice(words).replace(b"_", b" ")
            case 5:
                other = rng.choice(seeds)
                start = rng.randrange(len(other))
                data[at : at + length] = other[start : start + length]
            case 6 if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 7 if rng.random() < 0.3:
                del data[at:]
    return bytes(data)


def make_seeds(context: frame.Context) -> Iterator[tuple[str, list[bytes]]]:
    """Undamaged files of each format."""
    from PIL import Image

    from garabato.formats import read_drawings, write_drawings
    from garabato.render import RenderSpec, render

    files = sorted(context.source.glob("*.ndjson"))[:: max(1, 345 // N_SEEDS)]
    drawings = [next(read_drawings(file)) for file in files]

    def written(suffix: str, several: bool) -> list[bytes]:
        path = context.work / f"seed.{suffix}"
        contents = []
        for i, drawing in enumerate(drawings):
            write_drawings(path, drawings[i : i + 3] if several else [drawing])
            contents.append(path.read_bytes())
        return contents

    def pictures(kind: str) -> list[bytes]:
        contents = []
        for drawing in drawings[:6]:
            stream = io.BytesIO()
            Image.fromarray(255 - render(drawing, RenderSpec(size_px=48))).save(stream, kind)
            contents.append(stream.getvalue())
        return contents

    yield "ndjson", written("ndjson", several=True)
    yield "raw", [raw_line(drawing.strokes) for drawing in drawings]
    yield "bin", written("bin", several=True)
    bitmaps = io.BytesIO()
    np.save(bitmaps, np.zeros((2, 784), np.uint8) + 9)
    yield "npy", [bitmaps.getvalue()]
    yield "npz", written("npz", several=True) + [stored_npz(data) for data in written("npz", True)]
    yield "svg", written("svg", several=False) + SVGS
    yield "png", pictures("PNG")
    yield "jpg", pictures("JPEG")
    yield "webp", pictures("WEBP")
    yield "gz", [gzip.compress(data) for data in written("ndjson", True) + written("bin", True)]


def raw_line(strokes: list[np.ndarray]) -> bytes:
    """A drawing as raw ndjson: a device's coordinates, and times."""
    raw = [
        [(xs * 1.7 + 20.25).tolist(), (ys * 1.7 + 31.5).tolist(), list(range(len(xs)))]
        for xs, ys in strokes
    ]
    return json.dumps({"word": "cat", "key_id": "7", "drawing": raw}).encode() + b"\n"


def stored_npz(data: bytes) -> bytes:
    """The same archive without compression, so that mutations reach the pickle."""
    stream = io.BytesIO()
    parts = np.load(io.BytesIO(data), allow_pickle=True)
    np.savez(stream, **parts)
    return stream.getvalue()


SVGS = [
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 99 99" width="50%">'
    b'<g id="a" transform="rotate(10 5 5) skewX(3)" style="fill:none;stroke:#123">'
    b'<path d="M1 1c1 2 3 4 5 6s3 3 9 9q1 2 3 4t9 9a1 2 3 0 1 4 5zl3 3"/><circle r="3" cx="9%"/>'
    b'<rect x="1" y="2" width="5mm" height="6" rx="1"/></g><use href="#a" x="3"/>'
    b'<polygon points="0,0 9,9 1,0"/><svg viewBox="0 0 1 1"><ellipse rx="1" ry="2"/></svg></svg>',
]


def peak_mib() -> float:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the block once it lasts too long."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before: Callable[..., object] | int | None = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


BENCHMARK = frame.Benchmark(
    "fuzz_readers",
    f"{N_CASES:,} mutations of real drawings in every format read",
    "what a reader may do: yield valid drawings or raise FormatError",
    run,
    quick=False,
)

if __name__ == "__main__":
    frame.main(BENCHMARK)
