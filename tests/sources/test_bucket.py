"""Downloads from a real server on this machine, on its good and its bad days."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bucket_server import BucketServer, bitmap_file, serve_sketches, simplified_file
from sketches import make_drawings, sketch

from garabato.errors import CategoryError, InputError, SourceError
from garabato.formats import read_drawings
from garabato.sources import open_source
from garabato.sources.google_bucket import Download, download
from garabato.sources.google_bucket.bucket import why_unreachable
from garabato.sources.google_bucket.http import RetryPolicy

QUICK = RetryPolicy(attempts=4, first_delay_s=0.01, max_delay_s=0.02, timeout_s=60.0)
CIRCLE = "/full/simplified/circle.ndjson"


@pytest.fixture(scope="session")
def circle_file() -> bytes:
    """1,200 circles, some 400 kB."""
    return simplified_file(make_drawings(["circle"], 1200, seed=0))


@pytest.fixture
def circles(bucket: BucketServer, circle_file: bytes) -> BucketServer:
    """A bucket with that one file."""
    bucket.add(CIRCLE, circle_file)
    return bucket


def fetch(bucket: BucketServer, out: Path, *categories: str, **more: Any) -> Download:
    names = categories or ("circle",)
    more = {"per_category": 50, "policy": QUICK, **more}
    return download(out, names, bucket=bucket.url, **more)


def key_ids(path: Path) -> list[str | None]:
    return [drawing.key_id for drawing in read_drawings(path, strict=True)]


def leftovers(out: Path) -> set[str]:
    return {file.name for file in out.iterdir()} - {"download.json", ".download.lock"}


def test_a_sample_has_the_given_number_of_different_drawings(
    circles: BucketServer, tmp_path: Path
) -> None:
    done = fetch(circles, tmp_path / "out")
    lines = (tmp_path / "out" / "circle.ndjson").read_bytes().splitlines()
    assert len(set(lines)) == 50 == done.n_drawings
    assert set(lines) <= set(circles.files[CIRCLE].splitlines())
    assert done.short == {}
    assert done.at_random
    assert leftovers(tmp_path / "out") == {"circle.ndjson"}


def test_a_sample_is_read_from_a_few_pieces_across_the_file(
    circles: BucketServer, tmp_path: Path
) -> None:
    done = fetch(circles, tmp_path / "out", per_category=100)
    gets = circles.asked("GET")
    size = len(circles.files[CIRCLE])
    assert 3 <= len(gets) <= 16
    assert circles.sent_bytes < size / 3
    assert done.fetched_bytes == circles.sent_bytes
    firsts = [int(get.headers["range"].removeprefix("bytes=").split("-")[0]) for get in gets]
    assert max(firsts) - min(firsts) > size / 3
    assert all(get.headers["if-match"] == circles.etag(CIRCLE) for get in gets)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    circles: BucketServer, tmp_path: Path
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        fetch(circles, tmp_path / name, seed=seed)
    a, b, c = ((tmp_path / name / "circle.ndjson").read_bytes() for name in "abc")
    assert a == b != c


def test_every_part_of_the_file_is_sampled_equally_often(
    bucket: BucketServer, tmp_path: Path
) -> None:
    drawings = make_drawings(["line"], 600, seed=0)  # of few points
    bucket.add("/full/simplified/line.ndjson", simplified_file(drawings))
    row_of = {drawing.key_id: row for row, drawing in enumerate(drawings)}
    counts: Counter[int] = Counter()
    for seed in range(40):
        fetch(bucket, tmp_path / str(seed), "line", seed=seed)
        counts.update(row_of[key] // 100 for key in key_ids(tmp_path / str(seed) / "line.ndjson"))
    assert sum(counts.values()) == 40 * 50
    assert min(counts[part] for part in range(6)) > 0.4 * 40 * 50 / 6


@pytest.mark.parametrize("kind", ["simplified", "raw", "bin", "npy"])
def test_every_format_is_sampled_and_can_be_read_as_a_source(
    bucket: BucketServer, tmp_path: Path, kind: Any
) -> None:
    serve_sketches(bucket, ["star", "house"], 120, tmp_path)
    out = tmp_path / "out"
    done = fetch(bucket, out, "star", "house", format=kind, per_category=40)
    source = open_source(out)
    assert list(source.categories()) == ["house", "star"]
    for category in ("house", "star"):
        batches = list(source.read(category, strict=True))
        assert sum(map(len, batches)) == 40
        assert {name for batch in batches for name in batch.categories} == {category}
    assert done.record["format"] == kind
    if kind == "bin":
        known = {d.key_id for d in make_drawings(["star"], 120, seed=0)}
        assert set(key_ids(out / "star.bin")) <= known
    if kind == "npy":
        rows = np.load(out / "star.npy", allow_pickle=False)
        theirs = bucket.files["/full/numpy_bitmap/star.npy"][-120 * 784 :]
        every = {theirs[i : i + 784] for i in range(0, len(theirs), 784)}
        assert {row.tobytes() for row in rows} <= every


def test_repeated_drawings_count_once(bucket: BucketServer, tmp_path: Path) -> None:
    drawings = make_drawings(["star"], 30, seed=0)
    bucket.add("/full/simplified/star.ndjson", simplified_file(drawings * 3))
    done = fetch(bucket, tmp_path / "out", "star")
    assert done.short == {"star": 30}
    assert len(set(key_ids(tmp_path / "out" / "star.ndjson"))) == 30 == done.n_drawings


def test_lines_that_are_not_drawings_are_skipped(bucket: BucketServer, tmp_path: Path) -> None:
    good = simplified_file(make_drawings(["star"], 20, seed=0)).splitlines(keepends=True)
    bucket.add("/full/simplified/star.ndjson", b"{broken\n".join(good) + b'{"drawing": []}\n')
    assert fetch(bucket, tmp_path / "out", "star").n_drawings == 20
    assert len(key_ids(tmp_path / "out" / "star.ndjson")) == 20


def test_a_finished_download_asks_the_server_nothing(circles: BucketServer, tmp_path: Path) -> None:
    fetch(circles, tmp_path / "out")
    n_asked = len(circles.requests)
    again = fetch(circles, tmp_path / "out")
    assert len(circles.requests) == n_asked
    assert (again.n_done_before, again.fetched_bytes, again.n_drawings) == (1, 0, 50)


def test_with_other_settings_or_a_damaged_file_it_is_fetched_again(
    circles: BucketServer, tmp_path: Path
) -> None:
    fetch(circles, tmp_path / "out")
    assert fetch(circles, tmp_path / "out", per_category=60).n_drawings == 60
    assert len(key_ids(tmp_path / "out" / "circle.ndjson")) == 60
    (tmp_path / "out" / "circle.ndjson").write_bytes(b"{}")
    assert fetch(circles, tmp_path / "out", per_category=60).n_done_before == 0
    assert len(key_ids(tmp_path / "out" / "circle.ndjson")) == 60


def test_whole_files_equal_those_on_the_server(bucket: BucketServer, tmp_path: Path) -> None:
    serve_sketches(bucket, ["star", "house", "line"], 60, tmp_path)
    told: list[tuple[str, int, int | None]] = []
    done = fetch(
        bucket,
        tmp_path / "out",
        "star",
        "house",
        "line",
        per_category=None,
        progress=lambda *said: told.append(said),
    )
    for name in ("star", "house", "line"):
        content = (tmp_path / "out" / f"{name}.ndjson").read_bytes()
        assert content == bucket.files[f"/full/simplified/{name}.ndjson"]
    assert done.fetched_bytes == bucket.sent_bytes
    assert done.n_drawings is None
    assert told
    assert told[-1][1] == told[-1][2]
    assert leftovers(tmp_path / "out") == {"star.ndjson", "house.ndjson", "line.ndjson"}


def test_a_dropped_connection_resumes_where_it_broke(circles: BucketServer, tmp_path: Path) -> None:
    circles.fail(CIRCLE, drop_after=100_000, times=3)
    fetch(circles, tmp_path / "out", per_category=None)
    assert (tmp_path / "out" / "circle.ndjson").read_bytes() == circles.files[CIRCLE]
    gets = circles.asked("GET")
    assert [get.headers.get("range", "").partition("-")[0] for get in gets] == [
        "",
        "bytes=100000",
        "bytes=200000",
        "bytes=300000",
    ]
    assert all(get.headers["if-match"] == circles.etag(CIRCLE) for get in gets)


def test_sampling_survives_dropped_and_silent_connections_and_server_errors(
    circles: BucketServer, tmp_path: Path
) -> None:
    fetch(circles, tmp_path / "good")
    circles.fail(CIRCLE, drop_after=5000)
    circles.fail(CIRCLE, status=503)
    circles.fail(CIRCLE, silent_s=0.8)
    circles.fail(CIRCLE, status=500, methods=("HEAD",))
    # a busy machine may be silent more often
    policy = RetryPolicy(attempts=40, first_delay_s=0.01, max_delay_s=0.02, timeout_s=0.4)
    fetch(circles, tmp_path / "bad", policy=policy)
    good, bad = (tmp_path / name / "circle.ndjson" for name in ("good", "bad"))
    assert good.read_bytes() == bad.read_bytes()


def test_a_slow_server_is_waited_for(circles: BucketServer, tmp_path: Path) -> None:
    circles.bytes_per_s = 120_000  # the whole takes longer than the timeout
    fetch(circles, tmp_path / "out", per_category=None, policy=RetryPolicy(timeout_s=3.0))
    assert (tmp_path / "out" / "circle.ndjson").read_bytes() == circles.files[CIRCLE]
    assert len(circles.asked("GET")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(circles: BucketServer, tmp_path: Path, status: int) -> None:
    circles.fail(CIRCLE, status=status, retry_after="1")
    fetch(circles, tmp_path / "out", per_category=None)
    refused, answered = circles.asked("GET")
    assert answered.at_s - refused.at_s >= 1.0


def test_it_does_not_wait_for_a_retry_after_of_an_hour(
    circles: BucketServer, tmp_path: Path
) -> None:
    circles.fail(CIRCLE, status=429, retry_after="3600")
    with pytest.raises(SourceError, match=r"answers 429 .* asks to retry after 3,600 s"):
        fetch(circles, tmp_path / "out")


def test_a_server_that_stays_down_is_an_error_and_fetched_files_are_kept(
    bucket: BucketServer, tmp_path: Path
) -> None:
    serve_sketches(bucket, ["house", "star"], 60, tmp_path)
    fetch(bucket, tmp_path / "out", "house")
    bucket.fail("/full/simplified/star.ndjson", status=503, times=99)
    with pytest.raises(SourceError, match=r"503 .*4 times\. 1 of 2 categories are complete"):
        fetch(bucket, tmp_path / "out", "house", "star")
    bucket.faults.clear()
    assert fetch(bucket, tmp_path / "out", "house", "star").n_done_before == 1


def test_a_truncated_download_is_refused(circles: BucketServer, tmp_path: Path) -> None:
    circles.fail(CIRCLE, drop_after=100_000)
    circles.fail(CIRCLE, drop_after=0, times=99)
    with pytest.raises(SourceError, match="dropped the connection, 4 times"):
        fetch(circles, tmp_path / "out", per_category=None)
    assert leftovers(tmp_path / "out") == {".circle.ndjson.part"}
    circles.faults.clear()
    circles.requests.clear()
    fetch(circles, tmp_path / "out", per_category=None)
    (get,) = circles.asked("GET")
    assert get.headers["range"].startswith("bytes=100000-")
    assert (tmp_path / "out" / "circle.ndjson").read_bytes() == circles.files[CIRCLE]


@pytest.mark.parametrize(("told", "name"), [(("crc32c", "md5"), "MD5"), (("crc32c",), "CRC32C")])
def test_a_wrong_hash_is_named_and_nothing_is_left(
    circles: BucketServer, tmp_path: Path, told: tuple[str, ...], name: str
) -> None:
    circles.hashes, circles.wrong_hashes = told, 1
    with pytest.raises(
        SourceError, match=f"the {name} of the received file is .*the server says .*"
    ):
        fetch(circles, tmp_path / "out", per_category=None)
    assert leftovers(tmp_path / "out") == set()


def test_bytes_damaged_in_an_earlier_part_are_fetched_again(
    circles: BucketServer, tmp_path: Path
) -> None:
    circles.fail(CIRCLE, drop_after=50_000)
    circles.fail(CIRCLE, status=404)
    with pytest.raises(CategoryError):
        fetch(circles, tmp_path / "out", per_category=None)
    part = tmp_path / "out" / ".circle.ndjson.part"
    part.write_bytes(b"x" + part.read_bytes()[1:])
    fetch(circles, tmp_path / "out", per_category=None)
    assert (tmp_path / "out" / "circle.ndjson").read_bytes() == circles.files[CIRCLE]


def test_a_file_that_changed_since_is_fetched_again(circles: BucketServer, tmp_path: Path) -> None:
    circles.fail(CIRCLE, drop_after=50_000)
    circles.fail(CIRCLE, status=404)
    with pytest.raises(CategoryError):
        fetch(circles, tmp_path / "out", per_category=None)
    new = circles.add(CIRCLE, simplified_file(make_drawings(["circle"], 200, seed=5)))
    fetch(circles, tmp_path / "out", per_category=None)
    assert (tmp_path / "out" / "circle.ndjson").read_bytes() == new


def test_a_file_that_changes_during_a_download_is_noticed(
    circles: BucketServer, tmp_path: Path
) -> None:
    circles.fail(CIRCLE, status=412)
    fetch(circles, tmp_path / "out")
    assert len(circles.asked("HEAD")) == 2
    circles.fail(CIRCLE, status=412, times=9)
    with pytest.raises(SourceError, match=r"circle: .*the file changed on the server"):
        fetch(circles, tmp_path / "other")


def test_without_range_requests_the_first_drawings_are_taken_and_reported(
    circles: BucketServer, tmp_path: Path
) -> None:
    circles.has_ranges = False
    done = fetch(circles, tmp_path / "out")
    first = circles.files[CIRCLE].splitlines(keepends=True)[:50]
    assert (tmp_path / "out" / "circle.ndjson").read_bytes() == b"".join(first)
    assert not done.at_random
    assert done.record["categories"]["circle"]["at_random"] is False


def test_without_ranges_whole_files_start_from_their_beginning(
    circles: BucketServer, tmp_path: Path
) -> None:
    circles.has_ranges = False
    circles.fail(CIRCLE, drop_after=50_000)
    fetch(circles, tmp_path / "out", per_category=None)
    assert (tmp_path / "out" / "circle.ndjson").read_bytes() == circles.files[CIRCLE]


def test_without_an_etag_a_download_starts_again(circles: BucketServer, tmp_path: Path) -> None:
    circles.has_etags = False
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".circle.ndjson.part").write_bytes(b"something else")
    fetch(circles, tmp_path / "out", per_category=None)
    assert (tmp_path / "out" / "circle.ndjson").read_bytes() == circles.files[CIRCLE]


def test_an_unknown_category_gets_the_nearest_suggested_and_the_others_are_fetched(
    circles: BucketServer, tmp_path: Path
) -> None:
    with pytest.raises(
        CategoryError, match=r"no category 'circel'; did you mean 'circle'\? .*404.*1 of 2"
    ):
        fetch(circles, tmp_path / "out", "circel", "circle")
    assert leftovers(tmp_path / "out") == {"circle.ndjson"}


def test_without_a_network_it_fails_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound: nobody else listens there
        with pytest.raises(SourceError, match=r"cannot be connected to.*network connection\?"):
            download(tmp_path / "out", ["circle"], bucket=address, policy=QUICK)
        reason = why_unreachable(address)
    assert reason
    assert "cannot be connected to" in reason
    with pytest.raises(SourceError, match=r"name not resolved.*--source starter"):
        download(tmp_path / "out2", ["circle"], bucket="http://bucket.invalid", policy=QUICK)


def test_a_bucket_that_responds_is_reachable(bucket: BucketServer) -> None:
    bucket.add("/full/simplified/cat.ndjson", b"{}\n")
    assert why_unreachable(bucket.url) is None


def test_a_proxy_is_used_where_the_environment_names_one(
    circles: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", circles.url)
    monkeypatch.setenv("no_proxy", "")
    download(
        tmp_path / "out", ["circle"], bucket="http://bucket.invalid", per_category=5, policy=QUICK
    )
    assert len(key_ids(tmp_path / "out" / "circle.ndjson")) == 5
    assert {get.headers["host"] for get in circles.asked("GET")} == {"bucket.invalid"}


def test_a_folder_with_other_files_is_refused(circles: BucketServer, tmp_path: Path) -> None:
    fetch(circles, tmp_path / "out")
    with pytest.raises(InputError, match=r"holds simplified drawings .* choose another folder"):
        fetch(circles, tmp_path / "out", format="raw")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "circle.ndjson").write_text("mine")
    with pytest.raises(InputError, match=r"circle\.ndjson already exists and was not downloaded"):
        fetch(circles, tmp_path / "mine")
    assert (tmp_path / "mine" / "circle.ndjson").read_text() == "mine"
    (tmp_path / "out" / "download.json").write_text("[]")
    with pytest.raises(InputError, match=r"download\.json was not written by garabato"):
        fetch(circles, tmp_path / "out")


@pytest.mark.parametrize("categories", [[], [""], [","]])
def test_a_download_of_no_category_is_refused(tmp_path: Path, categories: list[str]) -> None:
    with pytest.raises(CategoryError, match="categories is empty"):
        download(tmp_path / "out", categories)
    assert not (tmp_path / "out").exists()


def test_a_sample_size_below_one_is_refused(circles: BucketServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1, not 0"):
        fetch(circles, tmp_path / "out", per_category=0)


def test_a_file_without_drawings_is_named(bucket: BucketServer, tmp_path: Path) -> None:
    bucket.add("/full/simplified/star.ndjson", b"")
    bucket.add("/full/numpy_bitmap/star.npy", b"no array at all")
    with pytest.raises(SourceError, match="star: no drawing was found"):
        fetch(bucket, tmp_path / "out", "star")
    with pytest.raises(SourceError, match=r"star: not a \.npy file"):
        fetch(bucket, tmp_path / "npy", "star", format="npy")


def start_command(bucket: BucketServer, out: Path, *more: str) -> subprocess.Popen[bytes]:
    code = "from garabato.cli import main; main()"
    command = [sys.executable, "-c", code, "download", "--out", str(out), "--bucket", bucket.url]
    return subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_resumes_where_it_stopped(
    bucket: BucketServer, circle_file: bytes, tmp_path: Path, how: signal.Signals
) -> None:
    small = bucket.add("/full/simplified/star.ndjson", simplified_file([sketch("star", 0)] * 3))
    large = bucket.add(CIRCLE, 3 * circle_file)
    bucket.bytes_per_s = 400_000
    out = tmp_path / "out"
    part = out / ".circle.ndjson.part"
    running = start_command(bucket, out, "--full", "--categories", "star,circle")
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 200_000 and (out / "star.ndjson").exists()):
        assert time.monotonic() < deadline
        assert running.poll() is None, running.stderr and running.stderr.read()
        time.sleep(0.02)
    running.send_signal(how)
    _, said = running.communicate(timeout=30)
    assert running.returncode == (-9 if how == signal.SIGKILL else 130), said
    assert not (out / "circle.ndjson").exists()
    assert (out / "star.ndjson").read_bytes() == small
    n_there = part.stat().st_size
    assert 200_000 <= n_there < len(large)
    assert part.read_bytes() == large[:n_there]

    bucket.bytes_per_s = None
    bucket.requests.clear()
    done = fetch(bucket, out, "star", "circle", per_category=None)
    (get,) = bucket.asked("GET")
    assert get.headers["range"] == f"bytes={n_there}-{len(large) - 1}"
    assert get.headers["if-match"] == bucket.etag(CIRCLE)
    assert (out / "circle.ndjson").read_bytes() == large
    assert done.fetched_bytes == len(large) - n_there
    assert leftovers(out) == {"star.ndjson", "circle.ndjson"}


def test_a_second_download_into_a_folder_is_refused(circles: BucketServer, tmp_path: Path) -> None:
    circles.bytes_per_s = 100_000
    running = start_command(circles, tmp_path / "out", "--full", "--categories", "circle")
    try:
        deadline = time.monotonic() + 60
        while not circles.asked("GET"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(InputError, match=r"another download into .* is running"):
            fetch(circles, tmp_path / "out")
    finally:
        running.kill()
        running.communicate()


def test_real_drawings_come_through_unchanged(
    quickdraw: Path, bucket: BucketServer, tmp_path: Path
) -> None:
    names = ["cat", "aircraft carrier", "The Eiffel Tower"]
    for name in names:
        content = (quickdraw / "simplified" / f"{name}.ndjson").read_bytes()
        bucket.add(f"/full/simplified/{name}.ndjson", content)
    fetch(bucket, tmp_path / "out", *names, per_category=100)
    for name in names:
        lines = (tmp_path / "out" / f"{name}.ndjson").read_bytes().splitlines()
        assert len(lines) == 100
        every = bucket.files[f"/full/simplified/{name}.ndjson"].splitlines()
        assert set(lines) <= set(every)
    record = json.loads((tmp_path / "out" / "download.json").read_bytes())
    assert record["licence"].endswith("CC BY 4.0")
    assert record["categories"]["aircraft carrier"]["n_drawings"] == 100


def test_whole_bitmap_files_are_copied_unchanged(bucket: BucketServer, tmp_path: Path) -> None:
    content = bucket.add("/full/numpy_bitmap/cat.npy", bitmap_file(50, seed=1))
    fetch(bucket, tmp_path / "out", "cat", format="npy", per_category=None)
    assert (tmp_path / "out" / "cat.npy").read_bytes() == content
    assert os.listdir(tmp_path / "out")
