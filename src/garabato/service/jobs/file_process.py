"""Reads the first drawing of uploaded files: the process behind `file_reader.FileReader`.

Run as `python -m garabato.service.jobs.file_process LIMITS FOLDER`, with LIMITS as JSON and FOLDER
for temporary files, which the caller removes. It sends an empty message once it is ready, then
reads files from stdin and replies on stdout. A message is its length (8 bytes, big-endian) followed
by its bytes. The process ends when stdin ends, when a file takes too much processor time (the
kernel kills it), and after a file that made it much larger.

For one drawing per file, compiled kernels are not worth the time it takes to load them, let alone
to compile them: the caller sets NUMBA_DISABLE_JIT.
"""

from __future__ import annotations

import gzip
import io
import os
import resource
import struct
import sys
import tempfile
import traceback
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import orjson
from PIL import Image

from garabato.drawing import Drawing
from garabato.errors import FormatError, UnknownFormatError
from garabato.formats import ReadReport, read_drawings, write_drawings
from garabato.formats.picture import decode_reduced
from garabato.formats.stream import GZIP_MAGIC
from garabato.render import as_strokes

LENGTH = struct.Struct(">Q")
#: Processor time a file may take.
MAX_CPU_S = 10
#: Memory a file may take, beyond that of an idle process.
MAX_MEMORY_BYTES = 256 * 2**20
#: Bytes of an expanded gzip file that are read.
MAX_EXPANDED_BYTES = 32 * 2**20
#: Unreadable lines before the first drawing.
MAX_UNREADABLE = 1_000
#: A process that grew by more than this is replaced.
_MAX_GROWTH_BYTES = 32 * 2**20
#: Searches take precedence.
_NICENESS = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest picture and drawing that are accepted."""

    max_pixels: int
    max_strokes: int
    max_points: int


class RefusedError(Exception):
    """A file that is not accepted; `status` is the HTTP status that says why."""

    def __init__(self, detail: str, status: int = 422) -> None:
        super().__init__(detail)
        self.status = status


def first_drawing(
    content: bytes, limits: Limits, folder: str | None = None
) -> tuple[Drawing, Drawing]:
    """The first drawing in a file of any format garabato reads, and the same drawing as strokes.

    The file is in `folder` (default: the system's for temporary files) while it is read.

    Raises RefusedError: 415 for an unknown format, 413 for a file or picture that is too large,
    422 for a file without a readable drawing or whose first one is beyond the limits.
    """
    _check_pixels(content, limits.max_pixels)
    # Readers take files. The name that the client gave is ignored.
    with tempfile.NamedTemporaryFile(prefix="garabato-upload-", dir=folder) as file:
        reason = _expand(content, file)
        file.flush()
        try:
            drawing = next(iter(read_drawings(file.name, report=_BoundedReport())))
        except FormatError as error:
            if isinstance(error.__cause__, MemoryError):  # readers take it for damage
                raise error.__cause__ from None
            if reason is not None:
                raise reason from None
            status = 415 if isinstance(error, UnknownFormatError) else 422
            position = f" ({error.position})" if error.position else ""
            raise RefusedError(error.problem + position, status) from None
    strokes = as_strokes(drawing)
    if strokes.is_empty:
        raise RefusedError("its first drawing is empty; draw at least one stroke")
    if len(strokes.stroke_starts) - 1 > limits.max_strokes:
        raise RefusedError(f"its first drawing has more than {limits.max_strokes:,} strokes")
    if len(strokes.points) > limits.max_points:
        raise RefusedError(f"its first drawing has more than {limits.max_points:,} points")
    return drawing, strokes


def main() -> None:
    """Read files until stdin ends."""
    limits, folder = Limits(**orjson.loads(sys.argv[1])), sys.argv[2]
    source, target = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # for libraries that print
    _read_one_of_each(limits, folder)
    os.nice(_NICENESS)
    write_message(target, b"")  # ready
    idle_bytes = _memory_bytes("VmRSS")
    while (content := read_message(source)) is not None:
        _limit_resources()
        reply = _reply_to(content, limits, folder)
        del content
        is_last = _memory_bytes("VmRSS") > idle_bytes + _MAX_GROWTH_BYTES
        write_message(target, orjson.dumps(reply | {"is_last": is_last}))
        if is_last:
            return


def read_message(stream: IO[bytes]) -> bytes | None:
    """The next message; None if the stream ends first."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    content = stream.read(size)
    return content if len(content) == size else None


def write_message(stream: IO[bytes], content: bytes) -> None:
    """Send a message."""
    stream.write(LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _check_pixels(content: bytes, max_pixels: int) -> None:
    """Refuse pictures of too many pixels before any of them is decoded.

    JPEG files count as they are decoded, at a reduced size.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            decode_reduced(picture)
            n_pixels = picture.width * picture.height
    except Image.DecompressionBombError:
        if content.startswith(b"\xff\xd8"):  # a JPEG file: its reader decodes it at reduced size
            return
        n_pixels = max_pixels + 1
    except Exception:  # not a picture, or a damaged one: the readers say what is wrong
        return
    if n_pixels > max_pixels:
        raise RefusedError(f"the picture has more than {max_pixels / 1e6:g} million pixels", 413)


def _expand(content: bytes, file: Any) -> RefusedError | None:
    """Write `content` to `file`, expanded if it is gzipped.

    Returns the error to raise if no drawing is found in what was written.
    """
    if not content.startswith(GZIP_MAGIC):
        file.write(content)
        return None
    n_left = MAX_EXPANDED_BYTES
    try:
        with gzip.open(io.BytesIO(content)) as expanded:
            while part := expanded.read1(n_left):
                file.write(part)
                n_left -= len(part)
    except (EOFError, OSError, zlib.error) as error:
        return RefusedError(f"damaged gzip file ({error}); send it again")
    if n_left == 0:
        size = f"{MAX_EXPANDED_BYTES // 2**20} MiB"
        text = f"the file expands to more than {size} and no drawing is in the first {size}"
        return RefusedError(text, 413)
    return None


class _BoundedReport(ReadReport):
    """Gives up a file after MAX_UNREADABLE unreadable lines, rows or strokes."""

    def add(self, error: FormatError) -> None:
        super().add(error)
        if self.n_unreadable >= MAX_UNREADABLE:
            raise RefusedError(
                f"{MAX_UNREADABLE:,} of its lines, rows or strokes cannot be read; "
                f"the first problem: {next(iter(self.problems))}"
            )


def _read_one_of_each(limits: Limits, folder: str) -> None:
    """Import what most files need, before the memory of an idle process is measured."""
    pixels = np.full((64, 64), 255, np.uint8)
    pixels[20:40, 30:33] = 0
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "png")
    first_drawing(packed.getvalue(), limits, folder)
    line = Drawing([[[0, 255], [0, 255]]], key_id="1", category="line", country="ES")
    for suffix in (".svg", ".ndjson", ".bin", ".npz"):
        file = Path(folder, f"line{suffix}")
        write_drawings(file, [line])
        first_drawing(file.read_bytes(), limits, folder)
        file.unlink()


def _memory_bytes(kind: str) -> int:
    """VmRSS (resident) or VmData (private, writable) of this process; 0 where unknown."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) * 1024
    return 0


def _limit_resources() -> None:
    """Bound the processor time and, on Linux, the memory that the next file may take."""
    used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _set_soft_limit(resource.RLIMIT_CPU, int(used_s) + MAX_CPU_S + 1)
    if data_bytes := _memory_bytes("VmData"):
        _set_soft_limit(resource.RLIMIT_DATA, data_bytes + MAX_MEMORY_BYTES)


def _set_soft_limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (soft, hard))


def _reply_to(content: bytes, limits: Limits, folder: str) -> dict[str, Any]:
    try:
        drawing, strokes = first_drawing(content, limits, folder)
    except RefusedError as refused:
        return {"detail": str(refused), "status": refused.status}
    except Exception as error:
        if isinstance(error, MemoryError) or getattr(error, "code", 0) == cv2.Error.StsNoMem:
            return {"detail": "the file needs too much memory to read", "status": 413}
        traceback.print_exc()
        return {"detail": "the file cannot be read", "status": 422}
    reply: dict[str, Any] = {
        "points": strokes.points.tolist(),
        "traced": strokes.traced,
        "stroke_starts": strokes.stroke_starts.tolist(),
    }
    if drawing.bitmap is not None:
        reply["shape"] = drawing.bitmap.shape
        reply["bitmap"] = zlib.compress(drawing.bitmap.tobytes(), 1).hex()
    return reply


if __name__ == "__main__":
    main()
