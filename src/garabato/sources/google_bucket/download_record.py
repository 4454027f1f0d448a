"""What a folder of downloads holds: `download.json`, by which a later run knows what to go on with.

Every wanted file is entered before its first byte is fetched, so that a file that stands in the
folder and is not entered was put there by somebody else, and is left alone.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from garabato.errors import InputError
from garabato.host.atomic import write_bytes

RECORD = "download.json"
_VERSION = 1
_LICENCE = "Quick, Draw! Dataset by Google, Inc., CC BY 4.0"


class DownloadRecord:
    """The record of one folder; saved whole at every change, by any thread."""

    def __init__(self, folder: Path, *, bucket: str, kind: str) -> None:
        self._path = folder / RECORD
        self._lock = threading.Lock()
        self._document: dict[str, Any] = {
            "version": _VERSION,
            "licence": _LICENCE,
            "bucket": bucket,
            "format": kind,
            "categories": {},
        }
        if self._path.exists():
            self._document["categories"] = self._read(bucket, kind)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it: licence, bucket, format and `categories`: what is known of each."""
        with self._lock:
            copy: dict[str, Any] = json.loads(json.dumps(self._document))
        return copy

    def begin(self, files: Mapping[str, Path], settings: dict[str, Any]) -> list[str]:
        """Enter categories and their files; returns those not finished yet with these settings.

        Raises InputError for a file that stands there and was not downloaded.
        """
        entries = self._document["categories"]
        wanted = []
        for name, file in files.items():
            entry = entries.get(name)
            if entry is None and file.exists():
                raise InputError(
                    f"{file} stands there and was not downloaded by garabato; move it away or "
                    "choose another folder"
                )
            if entry is None or not _is_finished(file, entry, settings):
                etag = entry.get("etag") if entry else None
                entries[name] = {"finished": False, "etag": etag}
                wanted.append(name)
        self._save()
        return wanted

    def update(self, category: str, **known: Any) -> None:
        """Note what is known of a category's file."""
        with self._lock:
            self._document["categories"][category] |= known
            self._save()

    def entry(self, category: str) -> dict[str, Any]:
        """What is known of a category's file."""
        with self._lock:
            return dict(self._document["categories"][category])

    def _read(self, bucket: str, kind: str) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_bytes())
            version, there = document["version"], (document["bucket"], document["format"])
            categories: dict[str, Any] = document["categories"]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{self._path} is not what garabato wrote; remove it and the files beside it"
            ) from None
        if version != _VERSION:
            raise InputError(f"{self._path} is of version {version}, not {_VERSION}")
        if there != (bucket, kind):
            raise InputError(
                f"{self._path.parent} holds {there[1]} drawings from {there[0]}; choose another "
                f"folder for {kind} from {bucket}"
            )
        return categories

    def _save(self) -> None:
        write_bytes(self._path, json.dumps(self._document, indent=1).encode())


def _is_finished(file: Path, entry: dict[str, Any], settings: dict[str, Any]) -> bool:
    """True where the file was made with these settings and still has its length."""
    return (
        bool(entry["finished"])
        and all(entry.get(name) == value for name, value in settings.items())
        and file.exists()
        and file.stat().st_size == entry["bytes"]
    )
