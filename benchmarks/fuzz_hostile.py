"""Files made to use up memory or time when they are read; all must be refused."""

from __future__ import annotations

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

MEGABYTE = 2**20
LONGEST_S = 60

READ = """
import json, resource, sys
from garabato.errors import FormatError
from garabato.formats import ReadReport, read_batches

error = None
try:
    for batch in read_batches(sys.argv[1], report=ReadReport()):
        pass
except FormatError as refused:
    error = str(refused)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, but on macOS bytes
print(json.dumps([error, peak / 1024 / (1024 if sys.platform == "darwin" else 1)]))
"""


def check_all(path: Path) -> tuple[int, float]:
    """(files not refused, peak MiB of the worst), each written to `path`, read by a process."""
    n_failures, worst_mib = 0, 0.0
    for number, content in enumerate(iter_files()):
        path.write_bytes(content)
        error, peak_mib = read_alone(path)
        print(f"hostile file {number}: {peak_mib:.0f} MiB, {error}", file=sys.stderr, flush=True)
        n_failures += error is None or str(path) not in error
        worst_mib = max(worst_mib, peak_mib)
    return n_failures, worst_mib


def read_alone(path: Path) -> tuple[str | None, float]:
    """(the error or None, peak MiB) of a process that reads the file in full."""
    command = [sys.executable, "-c", READ, str(path)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=LONGEST_S)
    except subprocess.SubprocessError as error:
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
        return None, 0.0
    found: list[Any] = json.loads(done.stdout)
    return found[0], found[1]


def iter_files() -> Iterator[bytes]:
    """Each of them, made when it is asked for."""
    yield from iter_archives()
    yield from iter_documents()
    yield gzip.compress(b"\0" * 200 * MEGABYTE)
    yield gzip.compress(b'{"drawing":[[[0],[0]]]}' + b" " * 200 * MEGABYTE)
    yield picture(40_000, 40_000)
    yield b'{"drawing":[[[' + b"1," * 10**7 + b"1],[" + b"1," * 10**7 + b"1]]]}\n"
    yield b"[" * 10**6
    yield struct.pack("<QHbIHH", 7, 0x5355, 1, 0, 1, 0xFFFF)  # .bin: a stroke that is not there


def iter_archives() -> Iterator[bytes]:
    """sketch-rnn files: pickles of millions of little things, or that claim much; zeros."""
    for opcode in (b"]", b"(", b"\x8f", b"}", b")\x94"):
        yield archive(b"\x80\x04" + opcode * (60 * MEGABYTE // len(opcode)) + b".")
    yield archive(b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b".")
    text = b"X" + struct.pack("<I", MEGABYTE) + b"a" * MEGABYTE + b"q\x01"
    yield archive(b"\x80\x02c_codecs\nencode\nq\x00" + text + b"h\x00h\x01\x85R" * 10**5 + b".")
    stream = io.BytesIO()
    np.savez_compressed(stream, train=np.zeros((10**6, 40, 3), np.int16))
    yield stream.getvalue()


def archive(pickled: bytes) -> bytes:
    """A sketch-rnn file whose drawings are this pickle."""
    header, stream = io.BytesIO(), io.BytesIO()
    about = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(header, about)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("train.npy", header.getvalue() + pickled)
    return stream.getvalue()


def iter_documents() -> Iterator[bytes]:
    """SVGs: entities, repetition, and lists and numbers without end."""
    entities = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    yield f"<!DOCTYPE svg [{entities}]><svg>&a9;</svg>".encode()
    for attribute in ("scale(", "scale(1)", "1", "rotate(1e999)skewX(1e999)"):
        many = attribute * (4 * MEGABYTE // len(attribute))
        yield f'<svg width="{many}!"><g transform="{many}"/></svg>'.encode()
    for sheet in ("*{fill:red}" * 30_000, "*[x]{fill:red}" * 15_000, "g " * 20 + "x{fill:red}"):
        groups = "<g>" * 200 + "<x/>" * 9000 + "</g>" * 200
        yield f"<svg><style>{sheet}</style>{groups}</svg>".encode()
    for tag in ("clipPath", "mask"):
        nested = "".join(
            f'<{tag} id="c{i}"><g {"clip-path" if tag == "clipPath" else tag}="url(#c{i + 1})">'
            f"{'<rect/>' * 9}</g></{tag}>"
            for i in range(999)
        )
        yield f'<svg>{nested}<g clip-path="url(#c0)" mask="url(#c0)"><text/></g></svg>'.encode()
    for attribute in (f'transform="{"scale(1)" * 999}"', f'd="M0 0{" " * 9999}"'):
        uses = '<use href="#a"/>' * 19_000
        yield f'<svg><path id="a" {attribute}/>{uses}</svg>'.encode()


def picture(width: int, height: int) -> bytes:
    """A PNG that claims a size and has hardly a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")
