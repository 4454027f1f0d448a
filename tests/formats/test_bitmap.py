from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garabato.errors import FormatError
from garabato.formats import bitmap, read_batches, read_drawings


def _save(folder: Path, array: np.ndarray, name: str = "cat.npy") -> Path:
    path = folder / name
    np.save(path, array)
    return path


def _images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 784), np.uint8)


@pytest.mark.parametrize("shape", [(-1, 784), (-1, 28, 28)])
def test_rows_become_bitmaps_with_key_ids_of_file_and_row(tmp_path, shape):
    images = _images(3)
    drawings = list(read_drawings(_save(tmp_path, images.reshape(shape))))
    assert [d.key_id for d in drawings] == ["cat-0", "cat-1", "cat-2"]
    assert all(d.points.shape == (0, 2) for d in drawings)
    np.testing.assert_array_equal(drawings[2].bitmap, images[2].reshape(28, 28))


@pytest.mark.parametrize("white", [255, 250])
def test_dark_drawings_on_white_are_inverted(tmp_path, white):
    images = np.full((2, 28, 28), white, np.uint8)
    images[:, 5:9, 3:20] = 10
    drawings = list(read_drawings(_save(tmp_path, images)))
    assert len(drawings) == 2
    for drawing in drawings:
        assert drawing.bitmap[6, 10] == 245
        assert drawing.bitmap[20, 10] == 255 - white


@pytest.mark.parametrize("rows", [slice(1, 27), slice(0, 24)])
@pytest.mark.parametrize("n_filled", [1, 2])
def test_filled_drawings_stay_as_they_are(tmp_path, rows, n_filled):
    images = np.zeros((2, 28, 28), np.uint8)
    images[:, 5:9, 3:20] = 255
    images[:n_filled, rows, 1:27] = 255
    drawings = read_drawings(_save(tmp_path, images))
    np.testing.assert_array_equal([drawing.bitmap for drawing in drawings], images)


def test_big_files_come_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(bitmap, "BATCH", 4)
    batches = list(read_batches(_save(tmp_path, _images(10))))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert batches[2].key_ids == ["cat-8", "cat-9"]


def test_a_gzipped_file_is_read_too(tmp_path):
    plain = _save(tmp_path, _images(5))
    zipped = tmp_path / "cat.npy.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert [d.key_id for d in read_drawings(zipped)] == [d.key_id for d in read_drawings(plain)]


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((3, 784)), "3 x 784 float64"),
        (np.zeros((3, 783), np.uint8), "3 x 783 uint8"),
        (np.zeros((3, 28, 27), np.uint8), "3 x 28 x 27 uint8"),
        (np.zeros((784,), np.uint8), "784 uint8"),
        (np.array(7), "a single value int64"),
    ],
)
def test_another_array_is_refused_with_its_shape_and_the_one_expected(tmp_path, array, found):
    path = _save(tmp_path, array)
    with pytest.raises(FormatError, match=f"{path}: the array is {found}; N x 784 or N x 28 x 28"):
        list(read_drawings(path))


def test_pickled_arrays_are_refused_unopened(tmp_path):
    path = tmp_path / "cat.npy"
    np.save(path, np.array([{}], object), allow_pickle=True)
    with pytest.raises(FormatError, match="truncated or damaged"):
        list(read_drawings(path))


@pytest.mark.parametrize("n_kept", [7, 20, 127, 128, 1000])
@pytest.mark.parametrize("compress", [False, True])
def test_a_truncated_file_is_an_error(tmp_path, n_kept, compress):
    path = _save(tmp_path, _images(5))
    data = path.read_bytes()[:n_kept]
    path.write_bytes(gzip.compress(data) if compress else data)
    with pytest.raises(FormatError, match=r"truncated or damaged \.npy file"):
        list(read_drawings(path))


def test_a_header_that_promises_too_much_is_refused_not_allocated(tmp_path):
    path = tmp_path / "cat.npy"
    array = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (10**12, 784), (0, 0))
    header = {"descr": "|u1", "fortran_order": False, "shape": array.shape}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(b"\0" * 784)
    for data in (path.read_bytes(), gzip.compress(path.read_bytes())):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"truncated or damaged \.npy file"):
            list(read_drawings(path))


@settings(max_examples=200)
@given(st.integers(0, 127), st.integers(0, 255), st.booleans())
def test_a_mutated_header_is_read_or_refused(tmp_path_factory, at, value, compress):
    path = _save(tmp_path_factory.mktemp("mutated"), _images(3))
    data = bytearray(path.read_bytes())
    data[at] = value
    path.write_bytes(gzip.compress(data) if compress else data)
    with contextlib.suppress(FormatError):
        assert {d.bitmap.shape for d in read_drawings(path)} == {(28, 28)}


def test_an_array_without_rows_holds_no_drawing(tmp_path):
    with pytest.raises(FormatError, match="there is no drawing in the file"):
        list(read_drawings(_save(tmp_path, _images(0))))


def test_real_bitmaps_are_read(quickdraw):
    batches = list(read_batches(quickdraw / "numpy_bitmap" / "cat.npy"))
    assert sum(map(len, batches)) == 1100
    assert batches[0].bitmaps is not None
    assert batches[0].bitmaps.max() == 255
