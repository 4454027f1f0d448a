"""What only the gallery in a folder does: survive kills, damage, full disks and other processes."""

from __future__ import annotations

import gc
import os
import random
import resource
import shutil
import subprocess
import sys
import weakref
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from pixel_encoder import PixelEncoder
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.errors import EncoderMismatchError, GalleryError, InputError, StorageError
from garabato.gallery import open_gallery, records
from garabato.gallery.lance import limits
from garabato.gallery.lance.gallery import LanceGallery
from garabato.gallery.lance.index import KeyRanges

TESTS = Path(__file__).resolve().parents[2]


def start(code: str, *arguments: str, **options) -> subprocess.Popen[str]:
    """A process that runs `code` with the generator and the pixel encoder at hand."""
    path = os.pathsep.join([str(TESTS), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


ADDER = """
import sys
from pixel_encoder import PixelEncoder
from sketches import SKETCH_CATEGORIES, make_drawings
from garabato.gallery import open_gallery
gallery = open_gallery(sys.argv[1], encoder=PixelEncoder())
sys.stdin.readline()
drawings = make_drawings(SKETCH_CATEGORIES[:4], 25, seed=int(sys.argv[2]))
for first in range(0, 100, 10):
    gallery.add(drawings[first : first + 10], tags=[sys.argv[3]])
"""


@pytest.mark.slow
def test_concurrent_writers_lose_and_duplicate_nothing(tmp_path, encoder):
    uri = str(tmp_path / "g")
    # two writers with the same drawings, one with others, one that makes the gallery as well
    writers = [
        start(ADDER, uri, seed, name, stdin=subprocess.PIPE) for seed, name in ("0a", "0b", "1c")
    ]
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=300)
        assert writer.returncode == 0, errors
    gallery = open_gallery(uri, encoder=encoder)
    keys = [key for piece in gallery.scan() for key in piece.drawings.key_ids]
    assert len(keys) == len(set(keys)) == len(gallery) == 200


READER = """
import sys, time
from pixel_encoder import PixelEncoder
from sketches import SKETCH_CATEGORIES, sketch
from garabato.gallery import open_gallery
encoder = PixelEncoder()
gallery = open_gallery(sys.argv[1], encoder=encoder)
query = encoder.embed(sketch("circle", 1))[0]
n = 0
print("ready", flush=True)
while n < 1000:
    hits = gallery.search(query, k=1000)
    # ten drawings a transaction, all or none; a reader never goes back
    assert len(hits) % 10 == 0 and len(hits) >= n, (len(hits), n)
    assert len({hit.key_id for hit in hits}) == len(hits)
    n = len(hits)
    if hits and "last" in hits[0].tags:
        break
print(n)
"""


@pytest.mark.slow
def test_readers_see_whole_transactions_while_another_process_writes(tmp_path, encoder):
    uri = str(tmp_path / "g")
    gallery = open_gallery(uri, encoder=encoder)
    readers = [start(READER, uri) for _ in range(2)]
    for reader in readers:
        assert reader.stdout.readline() == "ready\n", reader.stderr.read()
    drawings = make_drawings(["circle"], 200, seed=0)
    for first in range(0, 200, 10):
        gallery.add(drawings[first : first + 10])
        if first == 100:
            gallery.compact()
    gallery.add(drawings, tags=["last"])
    for reader in readers:
        output, errors = reader.communicate(timeout=300)
        assert reader.returncode == 0, errors
        assert output == "200\n"


def test_rows_in_memory_are_updated_with_every_change(tmp_path, encoder, drawings):
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    rng = random.Random(1)
    held = {}
    for _ in range(40):
        chosen = rng.sample(drawings, rng.randint(1, 60))
        if rng.random() < 0.6:
            gallery.add(chosen)
            held.update({d.key_id: d for d in chosen})
        else:
            gallery.delete([d.key_id for d in chosen])
            held = {k: d for k, d in held.items() if k not in {c.key_id for c in chosen}}
        if rng.random() < 0.2:
            gallery.compact()
        in_memory = [(h.key_id, h.score) for h in gallery.search(drawings[0], k=300)]
        fresh = open_gallery(gallery.uri, encoder=encoder).search(drawings[0], k=300)
        assert sorted(k for k, _ in in_memory) == sorted(held)
        assert [s for _, s in in_memory] == pytest.approx([h.score for h in fresh], abs=1e-3)


def test_rows_of_an_older_version_are_dropped_from_memory(tmp_path, encoder, drawings):
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(drawings)
    gallery.warm()
    category = drawings[0].category
    gallery.search(drawings[0], where={"category": category})
    held = weakref.ref(gallery._in_memory)
    gallery.delete([drawings[1].key_id])
    gallery.search(drawings[0], where={"category": category})
    gc.collect()  # since Python 3.13, LanceDB keeps a traceback with its callers
    assert held() is None


def test_info_says_when_the_gallery_is_held_in_memory(tmp_path, encoder, drawings):
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(drawings)
    assert "from disk for the first query" in gallery.info().mode
    gallery.warm()
    assert "MiB in memory" in gallery.info().mode


def test_a_large_gallery_without_an_index_is_searched_exactly(
    tmp_path, encoder, drawings, monkeypatch
):
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(drawings)
    monkeypatch.setattr(limits, "EXACT_UP_TO", 20)  # as on a machine with less memory
    info = gallery.info()
    assert (info.exact, info.n_indexed) == (True, 0)
    assert info.mode == "exact, on disk and slow; garabato gallery compact makes an index"
    gallery.compact()
    assert (gallery.info().exact, gallery.info().n_indexed) == (False, 200)


def test_a_process_may_change_to_another_folder(tmp_path, encoder, drawings, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    gallery = open_gallery("g", encoder=encoder)
    gallery.add(drawings[:3])
    gallery.hide([drawings[0].key_id])
    monkeypatch.chdir("other")
    assert gallery.get([drawings[0].key_id]) == []
    assert gallery.add([drawings[3]]).n_new == 1
    assert {hit.key_id for hit in gallery.search(drawings[0])} == {
        drawing.key_id for drawing in drawings[1:4]
    }
    assert list((tmp_path / "other").iterdir()) == []


def test_a_gallery_that_was_deleted_is_not_called_damaged(tmp_path, encoder, drawings):
    uri = str(tmp_path / "g")
    gallery = open_gallery(uri, encoder=encoder)
    gallery.add(drawings[:3])
    shutil.rmtree(uri)
    add = partial(gallery.add, drawings[:3])
    for use in (gallery.info, gallery.count, gallery.compact, add, partial(gallery.get, ["a"])):
        with pytest.raises(GalleryError, match=f"there is no gallery at {uri}"):
            use()
    for change in (gallery.hide, gallery.restore):
        with pytest.raises(GalleryError, match=f"the folder {uri} was moved or deleted"):
            change(["a"])
    assert not Path(uri).exists()


def test_too_many_open_files_are_not_called_damage(tmp_path, encoder, drawings):
    uri = str(tmp_path / "g")
    gallery = open_gallery(uri, encoder=encoder)
    gallery.add(drawings[:3])
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        n_open = len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 20, before[1]))
        with suppress(OSError):
            while True:
                opened.enter_context(open(os.devnull))
        for use in (lambda: gallery.search(drawings[0]), lambda: open_gallery(uri)):
            with pytest.raises(StorageError, match="too many files are open"):
                use()
    assert len(gallery.search(drawings[0])) == 3


def test_small_fragments_are_merged_before_they_pile_up(tmp_path, encoder, drawings, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SMALL_FRAGMENTS", 5)
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    for drawing in drawings[:30]:
        gallery.add([drawing])
    n_fragments = gallery._table.stats()["fragment_stats"]["num_fragments"]
    assert n_fragments <= 6
    assert len(gallery) == 30


def test_old_versions_are_removed_before_they_pile_up(tmp_path, encoder, drawings, monkeypatch):
    monkeypatch.setattr(limits, "KEEP_VERSIONS_S", 0.01)
    monkeypatch.setattr(limits, "MAX_OLD_VERSIONS", 5)
    monkeypatch.setattr(limits, "REST", 0.0)
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(drawings)
    for drawing in drawings[:30]:
        assert gallery.delete(drawing.key_id) == 1
    assert len(list((tmp_path / "g" / "drawings.lance" / "_versions").iterdir())) <= 10
    assert len(gallery.search(drawings[0], k=200)) == 170


def test_compacting_gives_the_space_of_replaced_drawings_back(tmp_path, encoder, drawings):
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(drawings)
    once = gallery.info().bytes_on_disk
    for _ in range(10):
        gallery.add(drawings)
    assert gallery.info().bytes_on_disk > 5 * once
    gallery.compact(keep_versions_s=0)
    assert gallery.info().bytes_on_disk < 1.5 * once
    assert len(gallery.search(drawings[0], k=200)) == 200


def test_the_error_for_a_folder_inside_a_file_says_so(tmp_path, encoder):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/g: a part of this path is a file, not a folder"):
        open_gallery(str(tmp_path / "file" / "g"), encoder=encoder)


@pytest.mark.parametrize("content", ["file", "folder"])
def test_a_folder_that_is_not_a_gallery_is_refused_and_left_alone(tmp_path, encoder, content):
    place = tmp_path / "mine"
    if content == "file":
        place.write_text("precious")
    else:
        place.mkdir()
        (place / "cat.ndjson").write_text("precious")
    for given in (encoder, None):
        with pytest.raises(GalleryError, match=r"is a file|holds cat\.ndjson"):
            open_gallery(str(place), encoder=given)
    assert sorted(p.name for p in tmp_path.rglob("*")) == (
        ["mine"] if content == "file" else ["cat.ndjson", "mine"]
    )


def test_an_empty_folder_becomes_a_gallery(tmp_path, encoder, drawings):
    gallery = open_gallery(str(tmp_path), encoder=encoder)
    gallery.add(drawings[:2])
    assert len(open_gallery(tmp_path)) == 2


def test_a_lance_table_that_garabato_did_not_create_is_refused(tmp_path, encoder):
    lancedb.connect(tmp_path / "g").create_table("drawings", pa.table({"a": [1]}))
    with pytest.raises(GalleryError, match="garabato did not create"):
        open_gallery(str(tmp_path / "g"), encoder=encoder)


def test_a_gallery_of_a_newer_format_says_to_upgrade(tmp_path, encoder, monkeypatch):
    monkeypatch.setattr(records, "FORMAT_VERSION", 99)
    open_gallery(str(tmp_path / "g"), encoder=encoder)
    monkeypatch.undo()
    with pytest.raises(GalleryError, match=r"format 99.*install a newer garabato"):
        open_gallery(str(tmp_path / "g"), encoder=encoder)


def test_an_unknown_scheme_says_what_a_gallery_address_is(encoder):
    with pytest.raises(InputError, match="a gallery is a folder"):
        open_gallery("ftp://somewhere/else", encoder=encoder)


@pytest.mark.parametrize("damage", ["truncate", "empty", "delete", "scramble"])
@pytest.mark.parametrize("part", ["data", "_versions"])
def test_opening_or_searching_a_damaged_gallery_is_an_error(
    tmp_path, encoder, drawings, damage, part
):
    uri = str(tmp_path / "g")
    open_gallery(uri, encoder=encoder).add(drawings)
    for file in (tmp_path / "g" / "drawings.lance" / part).iterdir():
        content = file.read_bytes()
        if damage == "truncate":
            file.write_bytes(content[: len(content) // 2])
        elif damage == "empty":
            file.write_bytes(b"")
        elif damage == "delete":
            file.unlink()
        else:
            file.write_bytes(random.Random(0).randbytes(len(content)))
    with pytest.raises(GalleryError, match=r"damaged"):
        open_gallery(uri, encoder=encoder).search(drawings[0])


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path, encoder, drawings):
    if os.geteuid() == 0:
        parent = Path("/proc/self")  # refuses new folders to root, too
    else:
        parent = tmp_path
        tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match=r"write somewhere else|cannot create"):
        open_gallery(str(parent / "g"), encoder=encoder)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MiB; needs the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if mount is None or subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_a_storage_error_and_leaves_the_old_state(small_disk, encoder, drawings):
    uri = str(small_disk / "g")
    gallery = open_gallery(uri, encoder=encoder)
    gallery.add(drawings)
    n_batches = 0

    def fill():
        nonlocal n_batches
        for seed in range(100, 1100):
            gallery.add(make_drawings(SKETCH_CATEGORIES[:10], 50, seed=seed))
            n_batches += 1

    with pytest.raises(StorageError, match="the disk is full"):
        fill()
    for opened in (gallery, open_gallery(uri, encoder=encoder)):
        n_drawings = sum(len(piece.drawings) for piece in opened.scan())
        assert n_drawings == len(opened) == 200 + 500 * n_batches
        assert opened.search(drawings[0], k=1)[0].key_id == drawings[0].key_id


def test_a_gallery_that_was_replaced_is_noticed(tmp_path, encoder):
    uri = str(tmp_path / "g")
    before, after = (
        make_drawings(SKETCH_CATEGORIES[:2], 20, seed=1)[:20],
        make_drawings(SKETCH_CATEGORIES[:2], 20, seed=2),
    )
    held = open_gallery(uri, encoder=encoder)
    held.add(before)
    held.warm()
    shutil.rmtree(uri)
    open_gallery(uri, encoder=encoder).add(
        [d.replace(key_id=f"new {d.key_id}") for d in after[:20]]
    )
    assert {hit.key_id.split()[0] for hit in held.search(before[0], k=30)} == {"new"}
    shutil.rmtree(uri)
    open_gallery(uri, encoder=PixelEncoder(0.3)).add(after)
    with pytest.raises(EncoderMismatchError):
        held.search(before[0], k=3)
    with pytest.raises(EncoderMismatchError):
        held.add(after)
    shutil.rmtree(uri)
    for use in (lambda: held.search(before[0], k=3), lambda: held.add(after)):
        with pytest.raises(GalleryError, match="there is no gallery at"):
            use()


def test_after_additions_the_rows_in_memory_are_one_chunk(tmp_path, encoder):
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    drawings = make_drawings(SKETCH_CATEGORIES[:2], 20, seed=1)
    for first in range(0, 40, 10):
        gallery.add(drawings[first : first + 10])
        gallery.warm()
        # Arrow copies all pieces of a column together to take a few rows of it
        assert gallery._in_memory.rows["strokes"].num_chunks == 1


def test_invalid_text_and_values_of_the_wrong_type_are_refused_by_name(tmp_path, encoder):
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    one = make_drawings(SKETCH_CATEGORIES[:1], 1, seed=1)[0]
    for wrong, named in (
        ({"category": 3}, "category"),
        ({"timestamp": 3}, "timestamp"),
        ({"recognized": "yes"}, "recognized"),
        ({"category": "\ud800"}, "category of drawing 1 is not valid text"),
    ):
        with pytest.raises(InputError, match=named):
            gallery.add([one.replace(**wrong)])
    with pytest.raises(InputError, match="category"):
        gallery.search(one, where={"category": "\ud800"})
    with pytest.raises(InputError, match="surrogates"):
        gallery.get(["\ud800"])
    assert len(gallery) == 0


def test_a_scan_whose_version_was_compacted_away_continues_with_the_newest(
    tmp_path, encoder, drawings
):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    for first in range(0, 200, 20):
        gallery.add(drawings[first : first + 20])
    scanned = gallery.scan()
    pieces = [next(scanned)]
    writer = open_gallery(tmp_path / "g", encoder=encoder)
    writer.delete([drawings[0].key_id])
    writer.add([drawings[1].replace(key_id="new")])
    writer.compact(keep_versions_s=0)  # as after ten minutes, or when a clock jumps
    pieces += scanned
    key_ids = [key for piece in pieces for key in piece.drawings.key_ids]
    assert len(key_ids) == len(set(key_ids))
    assert set(key_ids) >= {d.key_id for d in drawings[1:]}


class _CompactedWhileListing(KeyRanges):
    """The version is compacted away in the middle of `list`, once."""

    def __init__(self, writer: LanceGallery) -> None:
        super().__init__()
        self.writer: LanceGallery | None = writer

    def next_key_ids(self, table, *args, **kwargs):
        if self.writer is not None:  # `table` opens no file yet: Linux still reads open ones
            table = self.writer._pinned(table.version)
        found = super().next_key_ids(table, *args, **kwargs)
        if self.writer is not None:
            writer, self.writer = self.writer, None
            writer.add(make_drawings(["star"], 1, seed=9))
            writer.compact(keep_versions_s=0)
        return found


def test_a_page_whose_version_was_compacted_away_is_read_again(tmp_path, encoder, drawings):
    writer = open_gallery(tmp_path / "g", encoder=encoder)
    for first in range(0, 60, 20):
        writer.add(drawings[first : first + 20])
    gallery = LanceGallery.open(str(tmp_path / "g"), encoder=encoder)
    gallery._key_ranges = _CompactedWhileListing(writer)
    listed = gallery.list(limit=100)
    assert gallery._key_ranges.writer is None
    assert len(listed) in (60, 61)  # Lance may still have the rows of the version before
    assert len(gallery.list(limit=100)) == 61


def test_the_commands_that_errors_suggest_are_right_for_any_folder(tmp_path, encoder):
    uri = f"{tmp_path}/my gallery/"  # with the slash that shells add
    with pytest.raises(GalleryError, match=f"garabato index --source DIR --gallery '{uri}'"):
        open_gallery(uri)
    open_gallery(uri, encoder=encoder)
    with pytest.raises(EncoderMismatchError) as caught:
        open_gallery(uri, encoder=PixelEncoder(line_width=0.2))
    copy = f"garabato gallery copy '{uri}' '{tmp_path}/my gallery.new' --model shipped"
    assert str(caught.value).endswith(copy)


@pytest.mark.parametrize("is_warm", [False, True])
def test_rows_whose_version_was_compacted_away_are_loaded_again(
    tmp_path, encoder, drawings, monkeypatch, is_warm
):
    writer = open_gallery(tmp_path / "g", encoder=encoder)
    for first in range(0, 60, 20):
        writer.add(drawings[first : first + 20])
    gallery = LanceGallery.open(str(tmp_path / "g"), encoder=encoder)
    if is_warm:
        gallery.warm()
        writer.add(drawings[60:140])
    pinned, compacted = gallery._pinned, []

    def pin_and_compact(version):
        table = pinned(version)
        if not compacted:
            compacted.append(version)
            writer.add([drawings[199].replace(category="new")])
            writer.compact(keep_versions_s=0)
        return table

    monkeypatch.setattr(gallery, "_pinned", pin_and_compact)
    if is_warm:
        # Lance may still have the rows of the version before; the next read must not.
        assert sum(gallery.count(by="category").values()) in (140, 141)
        assert gallery.count(by="category")["new"] == 1
    else:
        gallery.warm()
        assert gallery.info().bytes_in_memory is not None
    assert compacted


def test_times_that_earlier_versions_stored_are_compared_as_times(tmp_path, encoder, drawings):
    written = ["2017-03-29T08:00:00Z", "2017-03-29T14:00:00+05:00", "yesterday", None]
    stored = ["2017-03-29 13:00:00 UTC"]
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    gallery.add([d.replace(timestamp=None) for d in drawings[:5]])
    for drawing, time in zip(drawings, [*written, *stored], strict=False):
        if time is not None:
            gallery._table.update(f"key_id = '{drawing.key_id}'", {"timestamp": time})
    for warm in (False, True):
        opened = open_gallery(tmp_path / "g", encoder=encoder)
        opened._table = _WithoutTimes(opened._table)
        if warm:
            opened._in_memory = opened._up_to_date()
        for after, expected in (("2017-03-29 12:00", {4}), ("2017-03-29 08:30", {1, 4})):
            where = {"timestamp": {"after": after}}
            key_ids = {drawings[i].key_id for i in expected}
            assert {h.key_id for h in opened.search(drawings[9], where=where)} == key_ids
            assert opened.count(where=where) == len(expected)
        (first,) = opened.get([drawings[0].key_id])
        assert first.timestamp == "2017-03-29 08:00:00 UTC"


class _WithoutTimes:
    """A table whose metadata does not say that its times are in one form."""

    def __init__(self, table):
        self._of = table

    def __getattr__(self, name):
        return getattr(self._of, name)

    @property
    def schema(self):
        schema = self._of.schema
        metadata = {k: v for k, v in schema.metadata.items() if k != b"garabato.times"}
        return schema.with_metadata(metadata)


@pytest.fixture(scope="module")
def embedded(quickdraw):
    """Real drawings of twelve categories, and their embeddings by the encoder that ships."""
    from itertools import islice

    from garabato.encoder import load_encoder
    from garabato.formats import read_drawings

    files = sorted((quickdraw / "simplified").glob("*.ndjson"))[:12]
    drawings = [d for file in files for d in islice(read_drawings(file), 110)]
    return drawings, load_encoder().embed(drawings)


@pytest.mark.parametrize("is_filtered", [False, True])
@pytest.mark.parametrize("way", ["in memory", "first query", "index on disk"])
def test_an_exact_search_agrees_with_float64_brute_force(
    tmp_path, embedded, monkeypatch, way, is_filtered
):
    from garabato.encoder import load_encoder

    drawings, embeddings = embedded
    if way == "index on disk":
        monkeypatch.setattr(limits, "EXACT_UP_TO", 0)
        monkeypatch.setattr(limits, "RANK_COST", 1)  # all that pass are ranked
        monkeypatch.setattr(limits, "READ_COST", 0)
    stored, queries = drawings[:-100], embeddings[-100:].astype(np.float64)
    gallery = open_gallery(tmp_path / "g", encoder=load_encoder())
    gallery.add(stored, embeddings=embeddings[:-100])
    assert gallery.info().exact == (way != "index on disk")
    categories = np.array([d.category for d in stored])
    chosen = sorted(set(categories.tolist()))[::3]
    where = {"category": chosen} if is_filtered else None
    exact = embeddings[:-100].astype(np.float64)
    scores = queries @ (exact / np.linalg.norm(exact, axis=1, keepdims=True)).T
    if is_filtered:
        scores[:, ~np.isin(categories, chosen)] = -2
    by_key = {str(d.key_id): i for i, d in enumerate(stored)}
    for n, query in enumerate(queries):
        searched = open_gallery(tmp_path / "g") if way == "first query" else gallery
        found = [by_key[hit.key_id] for hit in searched.search(query, k=10, where=where)]
        # by score: drawings that differ by less than float32 can tell may change places
        np.testing.assert_allclose(scores[n][found], np.sort(scores[n])[::-1][:10], atol=2e-7)


def test_split_embeddings_are_as_precise_as_float32():
    from garabato.gallery.exact.half_precision import join, split

    rows = np.random.default_rng(0).normal(size=(2_000, 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(join(*split(rows)), rows, rtol=2**-19, atol=2**-33)


def test_rounding_errors_are_stored_in_steps_of_the_last_float16_digit():
    from garabato.gallery.exact.half_precision import join

    halves = np.arange(0x7800, dtype=np.uint16).view(np.float16)  # 0 to 32,768, subnormal ones too
    one = join(halves, np.ones(len(halves), np.int8)).astype(np.float64) - halves
    np.testing.assert_allclose(one, np.spacing(halves).astype(np.float64) / 254, rtol=0.02)


def test_a_search_asks_lance_only_if_a_version_was_written_since_the_last(
    tmp_path, encoder, monkeypatch
):
    drawings = make_drawings(SKETCH_CATEGORIES[:2], 3, seed=0)
    writer = open_gallery(tmp_path / "g", encoder=encoder)
    writer.add(drawings[:-1])
    reader = open_gallery(tmp_path / "g", encoder=encoder)
    (versions,) = (tmp_path / "g").glob("*/_versions")

    def nearest() -> str:
        return reader.search(drawings[-1], k=1)[0].key_id

    def age(seconds: int) -> None:
        then = versions.stat().st_mtime - seconds
        os.utime(versions, (then, then))

    reader.warm()
    before = nearest()
    writer.add(drawings[-1:])  # at once: the file system's clock need not have ticked
    assert nearest() == drawings[-1].key_id != before
    age(60)
    nearest()
    with monkeypatch.context() as without_lance:
        without_lance.setattr(reader, "_table", None)
        assert nearest() == drawings[-1].key_id
    writer.delete([drawings[-1].key_id])
    assert nearest() == before
