"""dataset.json: what a data set is, where it came from, and its files with their checksums."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from garabato.errors import DatasetError
from garabato.host.atomic import sync

FORMAT = "garabato dataset"
FORMAT_VERSION = 1
MANIFEST = "dataset.json"
SPLITS = ("train", "test")

#: The names that a data set's folder holds, in any version of the format.
_OURS = re.compile(
    r"dataset\.json|sheets|mean_image\.(npy|png)"
    r"|(train|test)(-\d{5}-of-\d{5})?\.(parquet|tfrecords)"
)
_AGAIN = "make the data set again"


def describe_split(files: Iterable[Path], n_drawings: int) -> dict[str, Any]:
    """A split as dataset.json holds it: its size and its files, in the order of their drawings."""
    described = [
        {"name": file.name, "bytes": file.stat().st_size, "sha256": _sha256(file)} for file in files
    ]
    return {"n_drawings": n_drawings, "files": described}


def write_manifest(folder: Path, known: Mapping[str, Any]) -> None:
    """Write dataset.json, flushed to the disk: the format, and what the caller knows."""
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, "garabato": version("garabato")}
    file = folder / MANIFEST
    text = json.dumps({**head, **known}, indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    sync(file)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read dataset.json. Raises DatasetError, saying what to do, where it is no good."""
    manifest = _load(folder)
    if manifest.get("format") != FORMAT:
        raise DatasetError(f"{folder / MANIFEST} is not that of a garabato data set")
    found = manifest.get("format_version")
    if found != FORMAT_VERSION:
        raise DatasetError(
            f"{folder} has format version {found}, this garabato reads {FORMAT_VERSION}; "
            f"{_AGAIN}, or install the garabato that wrote it "
            f"({manifest.get('garabato', 'unknown')})"
        )
    if {"storage", "kind", "categories", "counts", "splits"} - set(manifest):
        raise DatasetError(f"{folder / MANIFEST} is incomplete; {_AGAIN}")
    return manifest


def check_sizes(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raises DatasetError for files that are missing or of another size than was written."""
    for file, about in _files(folder, manifest):
        try:
            n_bytes = file.stat().st_size
        except FileNotFoundError:
            raise DatasetError(f"{file} is missing; {_AGAIN}") from None
        if n_bytes != about["bytes"]:
            raise DatasetError(
                f"{file} has {n_bytes:,} bytes, {about['bytes']:,} were written: it is truncated "
                f"or was changed; {_AGAIN}"
            )


def check_checksums(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raises DatasetError for files that are not, byte for byte, what was written."""
    check_sizes(folder, manifest)
    for file, about in _files(folder, manifest):
        if _sha256(file) != about["sha256"]:
            raise DatasetError(
                f"{file} is damaged: its checksum is not the one in {MANIFEST}; {_AGAIN}"
            )


def check_replaceable(folder: Path) -> None:
    """Raises DatasetError where `folder` holds anything but a data set and its pictures."""
    if not folder.exists():
        return
    fix = "move it away or give another folder"
    if not folder.is_dir():
        raise DatasetError(f"{folder} is a file; {fix}")
    held = {entry.name for entry in folder.iterdir()}
    if not held:
        return
    manifest = _load(folder) if MANIFEST in held else {}
    if manifest.get("format") != FORMAT:
        raise DatasetError(f"{folder} is not a garabato data set and is not replaced; {fix}")
    if others := sorted(name for name in held if not _OURS.fullmatch(name)):
        raise DatasetError(
            f"{folder} holds {', '.join(others)}, which garabato did not write; "
            "move that away or give another folder"
        )


def _files(folder: Path, manifest: Mapping[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    """Every file of the splits, and what is said about it: name, bytes, sha256."""
    try:
        described = [about for name in SPLITS for about in manifest["splits"][name]["files"]]
        return [(folder / str(about["name"]), about) for about in described]
    except (KeyError, TypeError):
        raise DatasetError(f"{folder / MANIFEST} is incomplete; {_AGAIN}") from None


def _load(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        hint = f"garabato prepare --source DIR --out {folder}"
        raise DatasetError(
            f"{folder} holds no data set ({MANIFEST} is missing); make one: {hint}"
        ) from None
    except ValueError as error:
        raise DatasetError(f"{file} is damaged ({error}); {_AGAIN}") from None
    if not isinstance(manifest, dict):
        raise DatasetError(f"{file} is damaged (no JSON object); {_AGAIN}")
    return manifest


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
