"""Copying a gallery to another folder or backend: everything is copied, once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from pixel_encoder import PixelEncoder

from garabato.drawing import Drawing
from garabato.errors import EncoderMismatchError
from garabato.gallery import open_gallery
from garabato.ingest import copy as copying

KILLED_AFTER_TWO_PIECES = """
import os, signal, sys
from garabato.ingest import copy as copying
from garabato.gallery import open_gallery

source = open_gallery(sys.argv[1])
copying.PIECE = 1
n_pieces = 0

def progress(n_done):
    global n_pieces
    n_pieces += 1
    if n_pieces == 2:
        os.kill(os.getpid(), signal.SIGKILL)

copying.copy_gallery(source, sys.argv[2], progress=progress)
"""


@pytest.fixture(params=["to milvus", "to lance"])
def places(request, tmp_path, milvus_uri) -> tuple[str, str]:
    """From where, to where."""
    folder = str(tmp_path / "my.gallery")
    return (folder, milvus_uri) if request.param == "to milvus" else (milvus_uri, folder)


def garabato(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "garabato", *arguments], capture_output=True, text=True, check=False
    )


def contents(gallery) -> dict[str, tuple]:
    """Everything of every drawing; embeddings apart."""
    return {
        drawing.key_id: (
            drawing.metadata,
            drawing.to_lists(),
            drawing.bitmap is not None,
            drawing.tags,
        )
        for piece in gallery.scan()
        for drawing in piece.drawings
    }


def embeddings(gallery) -> dict[str, np.ndarray]:
    return {
        key: embedding
        for piece in gallery.scan()
        for key, embedding in zip(piece.drawings.key_ids, piece.embeddings, strict=True)
    }


def test_a_copy_for_the_same_encoder_is_complete(places, encoder, drawings):
    source_uri, target_uri = places
    source = open_gallery(source_uri, encoder=encoder)
    source.add(drawings[:60], tags=["a", "b"])
    source.add(drawings[60:90])
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:20, 9] = 255
    unknown = drawings[90].replace(country=None, recognized=None, timestamp=None, category=None)
    source.add([unknown, Drawing(bitmap=pixels, key_id="bitmap")], tags=["a"])
    done = garabato("gallery", "copy", source_uri, target_uri, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["n_copied"], document["n_there"], document["n_drawings"]) == (92, 0, 92)
    target = open_gallery(target_uri, encoder=encoder)
    assert contents(target) == contents(source)
    first, second = embeddings(source), embeddings(target)
    # one backend keeps float16, the other float32
    assert max(float(np.abs(first[key] - second[key]).max()) for key in first) < 1e-3
    assert target.search(drawings[5], k=1)[0].key_id == drawings[5].key_id
    again = garabato("gallery", "copy", source_uri, target_uri)
    assert "92 drawings (0 copied, 92 already there)" in again.stdout


def test_a_killed_copy_resumes_where_it_stopped(places, encoder, drawings):
    source_uri, target_uri = places
    source = open_gallery(source_uri, encoder=encoder)
    for first in range(0, 200, 40):
        source.add(drawings[first : first + 40], tags=[f"from {first}"])
    script = KILLED_AFTER_TWO_PIECES
    if "://" in source_uri:
        script = (
            "from garabato.gallery.milvus import gallery as milvus\nmilvus.PAGE = 40\n" + script
        )
    done = subprocess.run([sys.executable, "-c", script, source_uri, target_uri], check=False)
    assert done.returncode == -signal.SIGKILL
    target = open_gallery(target_uri, encoder=encoder)
    n_before = len(target)
    assert 0 < n_before < 200
    copied = copying.copy_gallery(source, target_uri, encoder=encoder)
    assert (copied.n_copied, copied.n_there) == (200 - n_before, n_before)
    assert contents(target) == contents(source)


def test_copying_into_a_gallery_of_another_encoder_is_refused(tmp_path, encoder, drawings):
    source = open_gallery(tmp_path / "one", encoder=encoder)
    source.add(drawings[:3])
    open_gallery(tmp_path / "two", encoder=PixelEncoder(line_width=0.2))
    with pytest.raises(EncoderMismatchError):
        copying.copy_gallery(source, str(tmp_path / "two"))


def test_a_copy_for_another_encoder_keeps_all_but_the_embeddings(tmp_path, encoder, drawings):
    source = open_gallery(tmp_path / "one", encoder=encoder)
    source.add([d.replace(category="a/b") for d in drawings[:5]], tags=["mine"])
    source.add([drawings[5].replace(category=None)])
    other = PixelEncoder(line_width=0.2)
    copied = copying.copy_gallery(source, str(tmp_path / "two"), encoder=other)
    assert copied.n_copied == 6
    target = open_gallery(tmp_path / "two", encoder=other)
    assert contents(target) == contents(source)
    held = {drawing.key_id: drawing for drawing in drawings[:6]}
    for key_id, embedding in embeddings(target).items():
        np.testing.assert_allclose(embedding, other.embed([held[key_id]])[0], atol=1e-3)


def test_what_is_there_is_not_copied_again_and_hidden_drawings_stay_hidden(
    tmp_path, encoder, drawings
):
    source = open_gallery(tmp_path / "one", encoder=encoder)
    source.add(drawings[:10])
    source.hide([drawings[3].key_id], reason="rude")
    target = open_gallery(tmp_path / "two", encoder=encoder)
    target.add(drawings[1:5])
    told = []
    # without an encoder: the embeddings are copied
    copied = copying.copy_gallery(source, str(tmp_path / "two"), progress=told.append)
    assert (copied.n_copied, copied.n_there) == (6, 4)
    assert told[-1] == 10
    assert target.hidden() == source.hidden() != []
    assert contents(target) == contents(source)
    assert len(contents(target)) == 9
    copied_embeddings = embeddings(target)
    for key_id, embedding in embeddings(source).items():
        np.testing.assert_allclose(copied_embeddings[key_id], embedding, atol=1e-3)


def test_a_gallery_is_not_copied_onto_itself(tmp_path, encoder):
    place = str(tmp_path / "g")
    open_gallery(place, encoder=encoder)
    done = garabato("gallery", "copy", place, place)
    assert done.returncode != 0
    assert "the same gallery" in done.stderr
