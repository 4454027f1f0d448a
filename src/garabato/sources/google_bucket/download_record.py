"""`download.json`: the files of a download folder, so that a later run can resume.

A file is recorded before its first byte is fetched. Files without a record were not downloaded, and
are left alone.
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
    """The record of one folder; thread-safe, saved at every change."""

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
        """As JSON: licence, bucket, format and an entry for each category."""
        with self._lock:
            copy: dict[str, Any] = json.loads(json.dumps(self._document))
        return copy

    def begin(self, files: Mapping[str, Path], settings: dict[str, Any]) -> list[str]:
        """Record categories and their files; return those not complete yet with these settings.

        Raises InputError for an existing file that was not downloaded.
        """
        entries = self._document["categories"]
        wanted = []
        for name, file in files.items():
            entry = entries.get(name)
            if entry is None and file.exists():
                raise InputError(
                    f"{file} already exists and was not downloaded by garabato; move it away or "
                    "choose another folder"
                )
            if entry is None or not _is_finished(file, entry, settings):
                etag = entry.get("etag") if entry else None
                entries[name] = {"finished": False, "etag": etag}
                wanted.append(name)
        self._save()
        return wanted

    def update(self, category: str, **known: Any) -> None:
        """Update a category's entry."""
        with self._lock:
            self._document["categories"][category] |= known
            self._save()

    def entry(self, category: str) -> dict[str, Any]:
        """A category's entry."""
        with self._lock:
            return dict(self._document["categories"][category])

    def _read(self, bucket: str, kind: str) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_bytes())
            version, found = document["version"], (document["bucket"], document["format"])
            categories: dict[str, Any] = document["categories"]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{self._path} was not written by garabato; remove it and the files beside it"
            ) from None
        if version != _VERSION:
            raise InputError(f"{self._path} is of version {version}, not {_VERSION}")
        if found != (bucket, kind):
            raise InputError(
                f"{self._path.parent} holds {found[1]} drawings from {found[0]}; choose another "
                f"folder for {kind} from {bucket}"
            )
        return categories

    def _save(self) -> None:
        write_bytes(self._path, json.dumps(self._document, indent=1).encode())


def _is_finished(file: Path, entry: dict[str, Any], settings: dict[str, Any]) -> bool:
    """True if the file was made with these settings and still has its length."""
    return (
        bool(entry["finished"])
        and all(entry.get(name) == value for name, value in settings.items())
        and file.exists()
        and file.stat().st_size == entry["bytes"]
    )
