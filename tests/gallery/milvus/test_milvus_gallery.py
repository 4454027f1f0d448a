"""What only a gallery on a Milvus server can do wrong: addresses, tokens, TLS, lost connections."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from milvus_server import TOKEN
from relay import Relay
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing
from garabato.errors import GalleryError, InputError, MissingExtraError
from garabato.gallery import open_gallery, records
from garabato.gallery.filters import parse_where
from garabato.gallery.milvus import gallery as milvus
from garabato.gallery.milvus import rows as milvus_rows
from garabato.gallery.milvus import server as milvus_server
from garabato.gallery.milvus.gallery import describe_index
from garabato.gallery.milvus.server import Settings, parse_address
from garabato.gallery.rows import DETAILS, ORIGINAL


@pytest.fixture
def relay(milvus):
    relay = Relay(milvus.port)
    yield relay
    relay.close()


def key_ids(gallery) -> list[str]:
    return sorted(key for piece in gallery.scan() for key in piece.drawings.key_ids)


@pytest.mark.parametrize(
    ("uri", "server", "collection"),
    [
        ("http://localhost", "http://localhost:19530", "garabato"),
        ("milvus://db.example:19531/cats", "http://db.example:19531", "cats"),
        ("https://db.example/cats_2", "https://db.example:443", "cats_2"),
        ("http://[::1]:19530/", "http://[::1]:19530", "garabato"),
    ],
)
def test_an_address_names_a_server_and_a_collection(uri, server, collection):
    address = parse_address(uri)
    assert (address.server, address.collection) == (server, collection)
    assert address.settings == Settings()


def test_the_query_of_an_address_sets_the_index():
    address = parse_address("http://h/c?shards=4&m=32&ef_construction=400&ef=300")
    assert address.settings == Settings(shards=4, m=32, ef_construction=400, ef=300)


def test_the_settings_and_their_defaults_stand_in_the_docs():
    docs = (Path(__file__).parents[3] / "docs" / "galleries.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (\d+) \|", docs, flags=re.MULTILINE)
    assert {name: int(default) for name, default in listed} == asdict(Settings())


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("ftp://h/c", "a gallery is a folder, or on a Milvus server as http://"),
        ("http:///c", "a gallery is a folder, or"),
        ("http://h:port/c", "a gallery on a server is http://"),
        ("http://h/my.cats", "letters, digits and _"),
        ("http://me:secret@h/c", "GARABATO_MILVUS_TOKEN"),
        ("http://h/c?efs=3", "there is no setting 'efs', only shards"),
        ("http://h/c?ef=many", "ef must be a whole number from 1"),
        ("http://h/c?shards=99", "shards must be a whole number from 1 to 16"),
    ],
)
def test_an_invalid_address_says_what_is_wrong(uri, told):
    with pytest.raises(InputError, match=told) as caught:
        open_gallery(uri)
    assert "secret" not in str(caught.value)


def test_a_token_for_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        open_gallery(tmp_path / "g", token="root:Milvus")


def test_without_the_extra_the_error_has_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'garabato\[milvus\]'"):
        open_gallery("http://localhost:19530/c")


def test_a_server_that_does_not_answer_is_an_error(monkeypatch):
    pytest.importorskip("pymilvus")
    monkeypatch.setattr(milvus_server, "CONNECT_S", 1.0)
    with pytest.raises(GalleryError, match=r"no response from the Milvus server.* Is it running"):
        open_gallery("http://127.0.0.1:9/c")


@pytest.mark.parametrize("text", [None, "", "∅", "∅∅", "∅x", "x∅", "cat"])
def test_text_and_none_survive_the_round_trip(text):
    assert milvus_rows._known(milvus_rows._or_unknown(text)) == text


def test_an_unknown_timestamp_passes_no_bound():
    expression = milvus_rows.to_expression(parse_where({"timestamp": {"before": "2017"}}))
    assert expression == 'timestamp < "2017-01-01 00:00:00" and timestamp != "∅"'


def test_a_wrong_token_is_refused_and_the_right_one_accepted(milvus_uri, encoder, monkeypatch):
    monkeypatch.setenv("GARABATO_MILVUS_TOKEN", "root:wrong")
    with pytest.raises(GalleryError, match="refuses the token; set GARABATO_MILVUS_TOKEN"):
        open_gallery(milvus_uri, encoder=encoder)
    assert len(open_gallery(milvus_uri, encoder=encoder, token=TOKEN)) == 0


def test_https_speaks_tls_and_trusts_the_certificate_named(milvus, milvus_uri, encoder, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    open_gallery(milvus_uri, encoder=encoder)
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    words += " -addext subjectAltName=DNS:localhost"
    done = subprocess.run(
        ["openssl", *words.split(), "-keyout", str(key), "-out", str(certificate)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    relay = Relay(milvus.port, tls=context)
    collection = milvus_uri.rpartition("/")[2]
    command = [sys.executable, "-m", "garabato", "gallery", "info", "--json", "--gallery"]
    done = subprocess.run(
        [*command, f"https://localhost:{relay.port}/{collection}"],
        env={**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate)},
        capture_output=True,
        text=True,
        check=False,
    )
    relay.close()
    assert done.returncode == 0, done.stderr
    assert '"backend": "milvus"' in done.stdout


def test_a_collection_that_garabato_did_not_create_is_left_alone(milvus, milvus_uri, encoder):
    from pymilvus import MilvusClient

    client = MilvusClient(f"http://127.0.0.1:{milvus.port}", token=TOKEN)
    client.create_collection(milvus_uri.rpartition("/")[2], dimension=8)
    with pytest.raises(GalleryError, match="a collection that garabato did not create"):
        open_gallery(milvus_uri, encoder=encoder)


def test_a_gallery_of_a_newer_format_says_what_to_run(milvus_uri, encoder, monkeypatch):
    monkeypatch.setattr(records, "FORMAT_VERSION", 2)
    open_gallery(milvus_uri, encoder=encoder)
    monkeypatch.setattr(records, "FORMAT_VERSION", 1)
    with pytest.raises(GalleryError, match=r"format 2; .* install a newer garabato"):
        open_gallery(milvus_uri, encoder=encoder)


def test_a_gallery_whose_creation_was_interrupted_is_completed(
    milvus, milvus_uri, encoder, drawings
):
    from pymilvus import MilvusClient

    open_gallery(milvus_uri, encoder=encoder)
    collection = milvus_uri.rpartition("/")[2]
    client = MilvusClient(f"http://127.0.0.1:{milvus.port}", token=TOKEN)
    client.release_collection(collection)
    client.drop_index(collection, "embedding")
    gallery = open_gallery(milvus_uri, encoder=encoder)
    gallery.add(drawings[:5])
    assert len(gallery.search(drawings[0])) == 5


def test_a_list_of_hidden_drawings_whose_creation_was_interrupted_is_completed(
    milvus, milvus_uri, encoder, drawings
):
    from pymilvus import MilvusClient

    gallery = open_gallery(milvus_uri, encoder=encoder)
    gallery.add(drawings[:5])
    gallery.hide([drawings[0].key_id], reason="rude")
    collection = milvus_uri.rpartition("/")[2] + "_hidden"
    client = MilvusClient(f"http://127.0.0.1:{milvus.port}", token=TOKEN)
    client.release_collection(collection)
    client.drop_index(collection, "no_vector")
    gallery = open_gallery(milvus_uri, encoder=encoder)
    assert [(one.key_id, one.reason) for one in gallery.hidden()] == [(drawings[0].key_id, "rude")]
    assert gallery.hide([drawings[1].key_id]) == 1
    assert len(gallery) == 3
    client.drop_collection(collection)


def test_times_that_earlier_versions_stored_are_compared_as_times(
    milvus, milvus_uri, encoder, drawings
):
    from pymilvus import MilvusClient

    schema = milvus_rows.to_schema(records.FilledBy.of(encoder))
    newer = {*DETAILS, ORIGINAL}
    schema.fields[:] = [field for field in schema.fields if field.name not in newer]
    collection = milvus_uri.rpartition("/")[2]
    client = MilvusClient(f"http://127.0.0.1:{milvus.port}", token=TOKEN)
    client.create_collection(collection, schema=schema, consistency_level="Strong")
    gallery = open_gallery(milvus_uri, encoder=encoder)
    gallery.add(drawings[:5])
    written = ["2017-03-29T08:00:00Z", "2017-03-29T14:00:00+05:00", "yesterday", "∅"]
    stored = client.query(collection, filter='key_id != ""', output_fields=["*"])
    stored = sorted(stored, key=lambda row: row["key_id"])
    times = [*written, "2017-03-29 13:00:00 UTC"]
    client.upsert(
        collection, [row | {"timestamp": time} for row, time in zip(stored, times, strict=True)]
    )
    for after, expected in (("2017-03-29 12:00", {4}), ("2017-03-29 08:30", {1, 4})):
        where = {"timestamp": {"after": after}, "text": drawings[0].category}
        found = {hit.key_id for hit in gallery.search(drawings[9], where=where)}
        assert found == {stored[i]["key_id"] for i in expected}
        assert gallery.count(where=where) == len(expected)
    assert gallery.delete(where={"timestamp": {"before": "2017-03-29 08:30"}}) == 1
    assert {drawing.timestamp for drawing in gallery.list()} == {
        "2017-03-29 09:00:00 UTC", "yesterday", None, "2017-03-29 13:00:00 UTC",
    }  # fmt: skip


def test_a_new_collection_gets_the_settings_in_its_address(milvus_uri, encoder, drawings):
    uri = f"{milvus_uri}?shards=2&m=8&ef_construction=64&ef=77"
    gallery = open_gallery(uri, encoder=encoder)
    gallery.add(drawings[:40])
    assert "HNSW, M 8, efConstruction 64, ef 77" in gallery.info().mode
    assert len(gallery.search(drawings[0], k=40)) == 40
    assert key_ids(gallery) == sorted(drawing.key_id for drawing in drawings[:40])


def test_a_giant_drawing_survives_the_round_trip_and_a_too_long_key_id_is_refused(
    milvus_uri, encoder
):
    rng = np.random.default_rng(0)
    giant = Drawing([rng.integers(0, 256, (2, 100_000))], key_id="giant", category="∅ or not")
    gallery = open_gallery(milvus_uri, encoder=encoder)
    gallery.add([giant])
    (back,) = gallery.get(["giant"])
    assert back.category == "∅ or not"
    np.testing.assert_array_equal(back.points, giant.on_grid().points)
    with pytest.raises(InputError, match="a key_id on Milvus has at most 65,535 bytes"):
        gallery.add([giant.replace(key_id="k" * 70_000)])


def test_everything_is_read_from_many_pages_and_segments(
    milvus_uri, encoder, drawings, monkeypatch
):
    monkeypatch.setattr(milvus, "PAGE", 16)
    gallery = open_gallery(milvus_uri, encoder=encoder)
    # each flush ends a segment; key_ids of one page are spread over all of them
    for part in range(3):
        gallery.add(drawings[part::3])
        gallery._server.call("flush")
    gallery.add([drawings[7]])
    gallery.delete([drawings[8].key_id])
    left = [drawing for drawing in drawings if drawing is not drawings[8]]
    assert key_ids(gallery) == sorted(drawing.key_id for drawing in left)
    stars = [k for p in gallery.scan(where={"category": "star"}) for k in p.drawings.key_ids]
    assert len(stars) == len(set(stars)) == 20
    assert gallery.delete(where={"category": "star"}) == 20
    assert len(gallery) == len(left) - 20


def test_requests_and_responses_are_as_large_as_the_server_allows(milvus_uri, encoder, drawings):
    # Milvus takes and sends at most 64 MiB: a title of 65,535 bytes is the longest
    long = [drawings[0].replace(key_id=f"{n:04}", title=65_535 * "x") for n in range(1_030)]
    gallery = open_gallery(milvus_uri, encoder=encoder)
    added = gallery.add(long, embeddings=np.ones((1_030, 64), np.float32))
    assert added.n_new == 1_030
    titles = [title for rows in gallery.columns("title") for title in rows["title"].to_pylist()]
    assert titles == 1_030 * [65_535 * "x"]
    assert len(gallery.get([drawing.key_id for drawing in long])) == 1_030


def test_more_hits_than_milvus_gives_are_found_by_reading_all(
    milvus_uri, encoder, drawings, monkeypatch
):
    gallery = open_gallery(milvus_uri, encoder=encoder)
    gallery.add(drawings)
    expected = [(hit.key_id, hit.score) for hit in gallery.search(drawings[3], k=60)]
    monkeypatch.setattr(milvus, "MAX_HITS", 20)
    monkeypatch.setattr(milvus, "PAGE", 32)
    hits = gallery.search(drawings[3], k=60)
    assert [hit.score for hit in hits] == pytest.approx([s for _, s in expected], abs=1e-5)
    assert {hit.key_id for hit in hits[:50]} <= {key for key, _ in expected}
    many = gallery.search_many([drawings[3], drawings[90]], k=60)
    assert [hit.score for hit in many[0]] == pytest.approx([s for _, s in expected], abs=1e-5)
    assert [len(hits) for hits in many] == [60, 60]
    assert many[1][0].key_id == drawings[90].key_id


def test_compacting_indexes_everything_and_drops_what_was_replaced(milvus_uri, encoder):
    rng = np.random.default_rng(1)
    drawings = make_drawings(SKETCH_CATEGORIES[:2], per_category=600, seed=5)
    embeddings = rng.normal(size=(1200, 64)).astype(np.float32)
    # a graph that is quickly made: Milvus builds it with the lowest priority
    gallery = open_gallery(f"{milvus_uri}?m=8&ef_construction=32&ef=1200", encoder=encoder)
    gallery.add(drawings, embeddings=embeddings)
    gallery.add(drawings[:600], embeddings=embeddings[:600])
    gallery.compact()
    index = describe_index(gallery._server)
    n_rows = gallery._server.call("describe_index", index_name="embedding")["total_rows"]
    assert n_rows == index.n_indexed == gallery.info().n_indexed == 1200
    normalised = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    for query in rng.normal(size=(5, 64)).astype(np.float32):
        nearest = np.argsort(-(normalised @ query))[:10]
        found = [hit.key_id for hit in gallery.search(query, k=10)]
        assert found == [drawings[i].key_id for i in nearest]
    hits = gallery.search(embeddings[0], k=5, where={"category": SKETCH_CATEGORIES[0]})
    assert [hit.category for hit in hits] == 5 * [SKETCH_CATEGORIES[0]]


@pytest.mark.parametrize("direction", ["sent", "received"])
@pytest.mark.parametrize("n_bytes", [1, 60_000])
def test_a_connection_that_breaks_in_a_batch_loses_and_duplicates_nothing(
    relay, milvus_uri, encoder, drawings, direction, n_bytes
):
    collection = milvus_uri.rpartition("/")[2]
    gallery = open_gallery(f"http://127.0.0.1:{relay.port}/{collection}", encoder=encoder)
    gallery.add(drawings[:10])
    if direction == "sent":
        relay.cut_after_sent(n_bytes)
    else:
        # a reply is small: an upsert's is cut once it has been stored
        relay.cut_after_received(max(1, n_bytes // 60))
    added = gallery.add(drawings)
    assert relay.n_cuts == 1
    assert (added.n_new, added.n_replaced) == (len(drawings) - 10, 10)
    assert key_ids(gallery) == sorted(drawing.key_id for drawing in drawings)
    assert len(gallery) == len(drawings)
    relay.cut_after_received(1)
    assert gallery.delete([drawing.key_id for drawing in drawings[:30]]) == 30
    assert len(gallery) == len(drawings) - 30


def test_a_killed_and_restarted_server_keeps_acknowledged_rows_and_the_bulk_load_continues(
    milvus, relay, milvus_uri, encoder, drawings
):
    collection = milvus_uri.rpartition("/")[2]
    gallery = open_gallery(f"http://127.0.0.1:{relay.port}/{collection}", encoder=encoder)
    acknowledged: list[str] = []
    failed: list[Exception] = []
    some_are_in = threading.Event()

    def fill() -> None:
        try:
            for first in range(0, len(drawings), 10):
                gallery.add(drawings[first : first + 10])
                acknowledged.extend(drawing.key_id for drawing in drawings[first : first + 10])
                if first == 50:
                    some_are_in.set()
        except Exception as error:
            failed.append(error)
            some_are_in.set()

    filling = threading.Thread(target=fill)
    filling.start()
    some_are_in.wait()
    milvus.kill()
    milvus.start()
    relay.target_port = milvus.port
    filling.join()
    assert failed == []
    assert key_ids(gallery) == sorted(acknowledged) == sorted(d.key_id for d in drawings)
    assert gallery.search(drawings[3], k=1)[0].key_id == drawings[3].key_id
