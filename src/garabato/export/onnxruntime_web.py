"""ONNX Runtime for browsers: two files of the npm package onnxruntime-web (MIT), fetched once.

This is its smallest build: WebAssembly with SIMD, without GPU backends.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from garabato.errors import SourceError
from garabato.host.atomic import replacing_folder
from garabato.host.cache import cache_folder
from garabato.sources.npm import fetch_package

PACKAGE = "onnxruntime-web@1.30.0"
#: SHA-512 of the package's archive, as registries publish it.
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8p"
    "ZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
SCRIPT, WASM = "onnxruntime.mjs", "onnxruntime.wasm"
#: File name in the cache -> member of the package.
_MEMBERS = {
    SCRIPT: "package/dist/ort.wasm.bundle.min.mjs",
    WASM: "package/dist/ort-wasm-simd-threaded.wasm",
}


def onnxruntime_web() -> Path:
    """The folder with SCRIPT and WASM in the user's cache, fetched on first use (34 MB).

    Raises SourceError.
    """
    folder = cache_folder() / PACKAGE.replace("@", "-")
    if all((folder / name).is_file() for name in _MEMBERS):
        return folder
    archive = fetch_package(PACKAGE, INTEGRITY, what="ONNX Runtime for browsers")
    with replacing_folder(folder) as unfinished:
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
                for name, member in _MEMBERS.items():
                    content = package.extractfile(member)
                    assert content is not None, f"{member} is not a file"
                    (unfinished / name).write_bytes(content.read())
        except (tarfile.TarError, KeyError, AssertionError, OSError, EOFError) as error:
            raise SourceError(
                f"the npm package {PACKAGE} lacks expected files ({error})"
            ) from error
    return folder
