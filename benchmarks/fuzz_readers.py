"""Damaged files for every reader: it must yield valid drawings or raise FormatError, and end.

Real drawings are written in each format, then mutated: bytes are changed; pieces are cut out,
doubled, moved or replaced by something special to the format. TFRecords are also mutated with their
checksums corrected. Files made to use up memory or time are read once each. A reader fails if it
yields anything but valid drawings or an error that names the file (and the position, where the
format has one), or takes more than a few seconds or too much memory. Failures are kept beside the
results.

GARABATO_BENCH_EXAMPLES sets the number of cases.
"""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fuzz_hostile
import fuzz_seeds
import harness
import numpy as np

from garabato.dataset import tfrecord
from garabato.drawing import DrawingBatch
from garabato.host.kernels import Kernels

N_CASES = int(os.environ.get("GARABATO_BENCH_EXAMPLES", "100000"))
LONGEST_S = 20
#: Of all cases, the share each format gets: more where the code is our own.
SHARES = {
    "ndjson": 0.13, "raw": 0.04, "bin": 0.10, "npy": 0.05, "npz": 0.07, "svg": 0.14, "png": 0.02,
    "jpg": 0.02, "webp": 0.02, "gz": 0.02, "tfrecord": 0.02, "example": 0.06, "csv": 0.06,
    "parquet": 0.06, "arrow": 0.03, "json": 0.05, "whiteboard": 0.04, "ink": 0.03,
    "pdf": 0.01, "gif": 0.01, "bmp": 0.01, "tiff": 0.005, "avif": 0.005,
}  # fmt: skip
LINES_AND_RECORDS = ("ndjson", "raw", "bin")
#: What is said of a file of lines or records as a whole, without a place in it.
WHOLE = (
    "there is no drawing in the file", "the file is empty", "unknown file format",
    "damaged gzip stream", "a truncated or damaged", "UTF-16 text", "the file ends inside an array",
    "there is text after the array", "there is no column", "this is a", "the file holds only",
    "the file holds plain text", "a CSV file",
)  # fmt: skip
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
    b"<!ENTITY rotate(1e99) matrix(1,2,3) C Q T S Z z skewX(1e999) skewY(-1e999) rotate(1e999) "
    b"A1e200_1e200_0_0_1_1_1 A1e155,1e155,0,0,1,1,0 a1e-320,9,1e999,1,0,3,3 scale(scale( 1e-40 "
    b'<style> </style> *{fill:red} url(#c) url(#m) mask="url(#m)" <!ENTITY_a_"&a;"> &n; !important '
    b"g~g~g *>*_* :not( :has(*) var(--x,9) rgba(0,0,0,0) display:none stroke-width:1e300 1e-300 "
    b'transform="skewX(1e999)" width="' + b"1" * 2000 + b"!",
    "csv": b'" "" , ; \n \r\n [ ] [[[1],[2]]] {} null 1e999 NaN \x00 \xff "[[[1],[2]]]" drawing',
    "json": b'[ ] { } , : " \\ \\" [[[1],[2]]] [[1],[2]] null 1e999 NaN "drawing": \xff \n',
    "whiteboard": b'[ ] { } , : " null 1e999 -1 "points" "type" "line" "ellipse" "angle":1e308 '
    b'"width":1e300 "x":null "path":"AAAA" "dim":2 "parentId":"shape:0" "geo" true',
    "ink": b"< > </ /> ' \" ! * ? T F , - . 1e999 1e308 <trace> </trace> <page> <stroke> nan "
    b'&amp; <!DOCTYPE <!ENTITY <traceFormat><channel_name="Y"/><channel_name="X"/></traceFormat>',
    "pdf": b"q Q cm re m l c h S f B* n /Fm Do /Rotate 90 /MediaBox[0 0 0 0] 1e38 -1e38 nan << >> "
    b"[ ] /Count 99999 /Kids[3_0_R] 4 0 R /Length 0 stream endstream xref trailer /Encrypt \xff "
    b"/Annots[<</Subtype/Ink/InkList[[1_2_3_4]]/Rect[0_0_9_9]>>] /AP<</N_4_0_R>> /UserUnit_1e9",
    "example": b"\x0a \x12 \x1a \x00 \xff\xff\xff\xff\xff\xff\xff\xff\xff\x01 \x80 \xff \x0a\x00 "
    b"row \x0a\xff\xff\xff\x7f category recognized bitmap",
}  # fmt: skip


def run(context: harness.Context) -> list[harness.Row]:
    """Failures (none is the goal), the slowest case and the memory, over all formats."""
    warnings.simplefilter("error")
    kept = harness.RESULTS / "fuzz_failures"
    n_failures, slowest, n_read, n_refused, n_done = 0, 0.0, 0, 0, 0
    seeds = dict(fuzz_seeds.make_seeds(context))
    check_all(seeds, context.work)
    before = peak_mib()
    for kind, number, case in iter_cases(seeds, N_CASES):
        path = context.work / "case"
        path.write_bytes(case)
        started = time.perf_counter()
        try:
            with alarm(LONGEST_S):
                is_read = check(path, kind)
            n_read, n_refused = n_read + is_read, n_refused + (not is_read)
        except Exception as error:
            n_failures += 1
            kept.mkdir(parents=True, exist_ok=True)
            (kept / f"{kind}-{number}").write_bytes(case)
            print(f"{kind} case {number}: {type(error).__name__}: {error}", flush=True)
        slowest = max(slowest, time.perf_counter() - started)
        n_done += 1
    memory = peak_mib() - before
    n_let_in, worst_mib = fuzz_hostile.check_all(context.work / "hostile")
    return [
        harness.Row("mutated files read or refused", "cases", [n_done], 100_000, True),
        harness.Row("of them with drawings", "cases", [n_read]),
        harness.Row("of them refused whole", "cases", [n_refused]),
        harness.Row(
            "failures", "cases", [n_failures], target=0, note="other errors, hangs, bad drawings"
        ),
        harness.Row("the slowest case", "s", [slowest], target=LONGEST_S),
        harness.Row("files made to do harm that were not refused", "files", [n_let_in], target=0),
        harness.Row(
            "memory of the worst of them",
            "MiB",
            [worst_mib],
            target=1536,
            note="in a process of its own, all included",
        ),
        harness.Row("memory on top of the start's", "MiB", [memory], target=1024),
    ]


def iter_cases(seeds: dict[str, list[bytes]], n_cases: int) -> Iterator[tuple[str, int, bytes]]:
    """(format, number, file), by their shares."""
    for kind, share in SHARES.items():
        rng = random.Random(kind)
        words = WORDS.get(kind, WORDS["bin"]).split(b" ")
        for number in range(round(share * n_cases)):
            case = mutate(seeds[kind], words, rng)
            yield kind, number, fuzz_seeds.framed(case) if kind == "example" else case


def check(path: Path, kind: str) -> bool:
    """Read one file in full; True where it has drawings, False where it is refused."""
    from garabato.errors import DatasetError, FormatError
    from garabato.formats import ReadReport, read_batches

    report = ReadReport()
    try:
        if kind in ("tfrecord", "example"):
            check_batch(tfrecord.read_split([path]))
        else:
            for batch in read_batches(path, report=report):
                check_batch(batch)
    except DatasetError as error:
        if not re.match(rf"{re.escape(str(path))}, (byte|record) \d+: ", str(error)):
            raise ValueError(f"the error doesn't name file and place: {error}") from error
        return False
    except FormatError as error:
        if error.path != str(path):
            raise ValueError(f"the error doesn't name the file: {error}") from error
        is_of_all = kind not in LINES_AND_RECORDS or error.problem.startswith(WHOLE)
        if error.position is None and not is_of_all:
            raise ValueError(f"the error doesn't name the place: {error}") from error
        return False
    for name, problem in report.problems.items():
        for place in problem.positions:
            is_of_all = place == str(path) and name.startswith(WHOLE)
            if not is_of_all and not place.startswith(f"{path}, "):
                raise ValueError(f"the report doesn't name the place: {place}")
    return True


def check_batch(batch: DrawingBatch) -> None:
    """Raises ValueError for what is no batch of valid drawings."""
    from garabato.drawing import MAX_COORDINATE, MAX_POINTS

    if not np.isfinite(batch.points).all():
        raise ValueError("a coordinate is no number")
    if np.abs(batch.points).max(initial=0) > MAX_COORDINATE:
        raise ValueError("a coordinate is no place")
    if (np.diff(batch.stroke_starts) <= 0).any() or batch.stroke_starts[0] != 0:
        raise ValueError("strokes overlap or are empty")
    if batch.stroke_starts[-1] != len(batch.points):
        raise ValueError("strokes end elsewhere than the points")
    if np.diff(batch.stroke_starts[batch.drawing_starts]).max(initial=0) > MAX_POINTS:
        raise ValueError("a drawing has too many points")
    for drawing in batch:
        drawing.on_grid()


def check_all(seeds: dict[str, list[bytes]], work: Path) -> None:
    """The files must be readable before they are damaged.

    This also compiles the kernels. Python would run them for the first files, and their compiling
    would then count as the time of some later case.
    """
    Kernels.choose = lambda self, work: self.compiled
    for kind, files in seeds.items():
        for data in files:
            (work / "case").write_bytes(fuzz_seeds.framed(data) if kind == "example" else data)
            if not check(work / "case", kind):
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


BENCHMARK = harness.Benchmark(
    "fuzz_readers",
    f"{N_CASES:,} mutations of real drawings in every format read",
    "what a reader may do: yield valid drawings or raise FormatError",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
