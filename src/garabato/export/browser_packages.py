"""What exported pages take from npm, fetched once: ONNX Runtime Web and fzstd (both MIT).

ONNX Runtime comes in its smallest build, WebAssembly with SIMD and without GPU backends. fzstd
expands Zstandard, which browsers can't: WebAssembly is a third smaller than with gzip.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from garabato.host.atomic import replacing_folder
from garabato.host.cache import cache_folder
from garabato.sources.npm import fetch_package, open_package, read_member

#: Files of an exported page, here in the order of `browser_packages`.
SCRIPT, WASM, EXPANDER, LICENSE = (
    "onnxruntime.mjs",
    "onnxruntime.wasm.zst",
    "fzstd.mjs",
    "fzstd.LICENSE.txt",
)
#: Package -> the SHA-512 of its archive, as registries publish it, and its members by file name.
_PACKAGES = {
    "onnxruntime-web@1.30.0": (
        "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8p"
        "ZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        {
            SCRIPT: "dist/ort.wasm.bundle.min.mjs",
            WASM: "dist/ort-wasm-simd-threaded.wasm",
        },
    ),
    "fzstd@0.1.1": (
        "sha512-dkuVSOKKwh3eas5VkJy1AW1vFpet8TA/fGmVA5krThl8"
        "YcOVE/8ZIoEA1+U1vEn5ckxxhLirSdY837azmbaNHA==",
        {EXPANDER: "esm/index.mjs", LICENSE: "LICENSE"},
    ),
}
#: The level from which on compressing takes longer and saves little.
_LEVEL = 19


def browser_packages() -> list[Path]:
    """SCRIPT, WASM (compressed), EXPANDER and LICENSE in the user's cache, fetched on first use.

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


def compress(content: bytes) -> bytes:
    """One frame of Zstandard."""
    packed: bytes = pa.Codec("zstd", _LEVEL).compress(content, asbytes=True)
    return packed
