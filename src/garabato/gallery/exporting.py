"""Writing what a gallery holds to ndjson files that any reader of Google's files takes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from garabato.atomic import replacing, sync
from garabato.errors import StorageError, storage_errors
from garabato.formats.simplified import format_line
from garabato.gallery.base import Stored
from garabato.render import with_strokes

#: The file of drawings without a category.
NO_CATEGORY = "uncategorised"


def export_drawings(pieces: Iterable[Stored], path: str | PathLike[str]) -> int:
    """Write the drawings to `path`, whole or not at all; return how many.

    A name that ends in `.ndjson` becomes one file. Any other becomes a folder with one
    `<category>.ndjson` a category, which `garabato index --source` takes; it must not exist yet.
    Bitmaps are written as the strokes traced from them.
    """
    target = Path(path)
    if target.suffix == ".ndjson":
        with replacing(target) as temporary, open(temporary, "wb") as file:
            n_written = 0
            for piece in pieces:
                file.writelines(map(format_line, with_strokes(piece.drawings)))
                n_written += len(piece.drawings)
        return n_written
    return _export_folder(pieces, target)


def _export_folder(pieces: Iterable[Stored], target: Path) -> int:
    if target.exists():
        raise StorageError(f"cannot write {target}: it exists; give a new folder or a .ndjson file")
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    n_written = 0
    with storage_errors(target):
        try:
            unfinished.mkdir(parents=True)
            for piece in pieces:
                lines: dict[str, list[bytes]] = {}
                for drawing in with_strokes(piece.drawings):
                    name = _file_name(drawing.category)
                    lines.setdefault(name, []).append(format_line(drawing))
                for name, of_category in lines.items():
                    with open(unfinished / name, "ab") as file:
                        file.writelines(of_category)
                n_written += len(piece.drawings)
            for written in unfinished.iterdir():
                sync(written)
            sync(unfinished)
            unfinished.rename(target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return n_written


def _file_name(category: str | None) -> str:
    """A category may hold what a file name may not."""
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]|^\.', "_", category or NO_CATEGORY) + ".ndjson"
