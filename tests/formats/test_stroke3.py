from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import make_drawings

from garabato.drawing import Drawing
from garabato.errors import FormatError, InputError
from garabato.formats import (
    ReadReport,
    read_batches,
    read_drawings,
    stream,
    stroke3,
    write_drawings,
)

#: Two strokes by hand: (10, 10) to (40, 10), then a dot at (40, 50).
ROWS = np.array([[10, 10, 0], [30, 0, 1], [0, 40, 1]], np.int16)


def _objects(*items: object) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _save(folder: Path, **parts: np.ndarray) -> Path:
    path = folder / "cat.npz"
    np.savez_compressed(path, **parts)
    return path


def _archive(folder: Path, **members: bytes) -> Path:
    path = folder / "cat.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def _npy_header(descr: str, shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def test_moves_become_points_from_the_top_left(tmp_path):
    drawings = list(read_drawings(_save(tmp_path, train=_objects(ROWS, ROWS[1:]))))
    assert drawings[0].to_lists() == [[[0, 30], [0, 0]], [[30], [40]]]
    assert drawings[1].to_lists() == [[[0], [0]], [[0], [40]]]
    assert [d.key_id for d in drawings] == ["cat-train-0", "cat-train-1"]


def test_the_parts_are_read_in_order_and_a_last_stroke_without_end_is_closed(tmp_path):
    path = _save(tmp_path, test=_objects(ROWS), train=_objects(ROWS[:1]), valid=_objects(ROWS))
    drawings = list(read_drawings(path, strict=True))
    assert [d.key_id for d in drawings] == ["cat-train-0", "cat-valid-0", "cat-test-0"]
    assert drawings[0].to_lists() == [[[0], [0]]]


def test_drawings_of_one_length_saved_as_one_array_of_numbers_are_read(tmp_path):
    (drawing,) = read_drawings(_save(tmp_path, train=ROWS[None]))
    assert drawing.to_lists() == [[[0, 30], [0, 0]], [[30], [40]]]


def test_stroke_5_is_read_up_to_the_end_of_the_drawing(tmp_path):
    rows = [[8, 9, 1, 0, 0], [30, 0, 0, 1, 0], [0, 40, 1, 0, 0], [5, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    padded = [*rows, [0, 0, 0, 0, 1], [7, 7, 1, 0, 0]]
    strokes = [[[0, 30], [0, 0]], [[30, 35], [40, 40]]]
    for items in (rows, padded, rows[:-1]):
        for train in (_objects(np.array(items, np.float16)), np.array([items])):
            (drawing,) = read_drawings(_save(tmp_path, train=train))
            assert drawing.to_lists() == strokes


def test_a_start_token_before_every_drawing_is_no_point(tmp_path):
    token = [0, 0, 1, 0, 0]
    rows = [[50, 60, 1, 0, 0], [30, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    path = _save(tmp_path, train=np.array([[token, *rows], [token, token, *rows[1:]]]))
    assert [d.to_lists() for d in read_drawings(path)] == [[[[0, 30], [0, 0]]]] * 2
    path = _save(tmp_path, train=_objects(np.array([token, *rows]), np.array(rows)))
    with_token, without = (d.to_lists() for d in read_drawings(path))
    assert with_token == [[[0, 50, 80], [0, 60, 60]]]  # a point like any other
    assert without == [[[0, 30], [0, 0]]]


@pytest.mark.parametrize(
    "row",
    [
        [110, 120, 16, 0.5, 0.25],  # time, pressure, tilt
        [110, 120, 0, 0.5, 1],
        [110, 120, 0, 0, 0],
        [110, 120, 0, 1, 1],
        [110, 120, 2, -1, 0],
        [110, 120, 1, 0, np.nan],
    ],
    ids=str,
)
@pytest.mark.parametrize("at", [0, 1])
def test_five_other_columns_are_no_stroke_5(tmp_path, row, at):
    rows = [[30, 0, 1, 0, 0], [0, 40, 0, 1, 0]]
    rows.insert(at, row)
    with pytest.raises(FormatError, match=r"neither stroke-3.* nor stroke-5, \(n, 5\)"):
        list(read_drawings(_save(tmp_path, train=np.array([rows]))))


def test_what_is_written_is_read_back_and_numpy_reads_it_too(tmp_path):
    drawings = make_drawings(["circle", "house"], 10, seed=0)
    path = tmp_path / "out.npz"
    assert write_drawings(path, drawings) == 20
    assert [d.to_lists() for d in read_drawings(path, strict=True)] == [
        d.to_lists() for d in drawings
    ]
    loaded = np.load(path, allow_pickle=True)
    assert sorted(loaded.files) == ["test", "train", "valid"]
    assert loaded["train"][0].dtype == np.int16
    np.testing.assert_array_equal(
        np.cumsum(loaded["train"][0][:, :2], axis=0), drawings[0].points.astype(int)
    )


def _pickled_as_by_python_2() -> bytes:
    """A pickle of protocol 2 with byte strings, as cPickle wrote them."""
    data = ROWS.tobytes()
    inner = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n"
        b"(I3\nI3\ntcnumpy\ndtype\n(U\x02i2I0\nI1\ntR(I3\nU\x01<NNNI-1\nI-1\nI0\ntbI00\n"
        b"U" + bytes([len(data)]) + data + b"tb"
    )
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n"
        b"(I1\ntcnumpy\ndtype\n(U\x02O8I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI63\ntbI00\n"
        b"(l" + inner + b"atb."
    )


def test_files_saved_by_python_2_are_read(tmp_path):
    header = _npy_header("|O", (1,))
    (drawing,) = read_drawings(_archive(tmp_path, train=header + _pickled_as_by_python_2()))
    assert drawing.to_lists() == [[[0, 30], [0, 0]], [[30], [40]]]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_pickles_of_all_old_protocols_are_read(tmp_path, protocol):
    data = _npy_header("|O", (2,)) + pickle.dumps(_objects(ROWS, ROWS), protocol)
    assert len(list(read_drawings(_archive(tmp_path, train=data), strict=True))) == 2


def test_big_endian_and_fortran_arrays_are_understood(tmp_path):
    path = _save(tmp_path, train=_objects(ROWS.astype(">i2"), np.asfortranarray(ROWS)))
    first, second = read_drawings(path, strict=True)
    assert first.to_lists() == second.to_lists() == [[[0, 30], [0, 0]], [[30], [40]]]


class _Evil:
    def __init__(self, call: object, *args: object) -> None:
        self.call, self.args = call, args

    def __reduce__(self):
        return self.call, self.args


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "numpy.load"])
def test_a_pickle_that_asks_for_code_is_refused_and_runs_nothing(tmp_path, protocol, name):
    import builtins
    import os

    mark = tmp_path / "ran"
    call = {"os.system": os.system, "builtins.eval": builtins.eval, "numpy.load": np.load}[name]
    data = pickle.dumps(_Evil(call, f"open({str(mark)!r}, 'w')"), protocol)
    path = _archive(tmp_path, train=_npy_header("|O", (1,)) + data)
    with pytest.raises(FormatError, match=r"train: the pickle asks for .*, which is not an array"):
        list(read_drawings(path, strict=True))
    assert not mark.exists()


def test_a_few_bytes_cannot_claim_gigabytes(tmp_path):
    greedy_memo = b"\x80\x02Nr\xff\xff\xff\xff."
    greedy_bytes = b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x."
    greedy_buffer = b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x."
    for data in (greedy_memo, greedy_bytes, greedy_buffer):
        path = _archive(tmp_path, train=_npy_header("|O", (1,)) + data)
        with pytest.raises(FormatError, match="the pickle"):
            list(read_drawings(path, strict=True))


def test_unfit_drawings_are_counted_and_the_others_read(tmp_path):
    path = _save(
        tmp_path,
        train=_objects(
            ROWS,
            "a string",
            ROWS[:, :2],
            np.array([[np.nan, 0, 1]]),
            np.array([[1e300, 0, 1], [-1e300, 0, 1]]),
            np.array([[1j, 0, 1]]),
            np.zeros((0, 3), np.int16),
        ),
    )
    report = ReadReport()
    drawings = list(read_drawings(path, report=report))
    assert [d.is_empty for d in drawings] == [False, True]
    assert [p.positions[0].split(", ", 1)[1] for p in report.problems.values()] == [
        "train, drawing 1",
        "train, drawing 2",
        "train, drawing 3",
        "train, drawing 4",
    ]
    assert report.n_unreadable == 5
    with pytest.raises(FormatError, match=r"train, drawing 1: the item is not an array of numbers"):
        list(read_drawings(path, strict=True))


def test_a_part_that_cannot_be_read_does_not_hide_the_others(tmp_path):
    good = io.BytesIO()
    np.save(good, _objects(ROWS), allow_pickle=True)
    path = _archive(tmp_path, train=b"junk", test=good.getvalue())
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 1
    assert report.n_unreadable == 1


def test_another_archive_is_refused_with_what_it_holds(tmp_path):
    path = _archive(tmp_path, letter=b"", song=b"")
    with pytest.raises(FormatError, match=r"a zip archive with letter\.npy, song\.npy"):
        list(read_drawings(path))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("[Content_Types].xml", "an Office document"),
        ("META-INF/manifest.xml", "an OpenDocument file"),
        ("Document.archive", "a Procreate file"),
        ("canvas.fig", "a Figma file"),
        ("maindoc.xml", "a Krita file"),
        ("mergedimage.png", "an OpenRaster file"),
        ("meta.json", "a Sketch file"),
        ("index.notes.pb", "a GoodNotes file"),
    ],
)
def test_a_document_that_is_an_archive_says_what_it_is_and_what_to_do(tmp_path, name, kind):
    path = tmp_path / "cat.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"")
    with pytest.raises(FormatError, match=f"this is {kind}; export the drawing as SVG or PNG"):
        list(read_drawings(path))


def test_an_array_that_unfolds_too_far_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(stroke3, "MAX_PART_BYTES", 1000)
    path = _save(tmp_path, train=_objects(np.zeros((10_000, 3), np.int16)))
    with pytest.raises(FormatError, match="expands to more than"):
        list(read_drawings(path, strict=True))


def test_a_small_archive_does_not_unfold_to_much(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "MIN_BOMB_BYTES", 10_000)
    path = _save(tmp_path, train=np.zeros((10_000, 30, 3), np.int16))
    assert path.stat().st_size < 10_000
    with pytest.raises(FormatError, match=r"train: the array expands to more than 0 MiB"):
        list(read_drawings(path, strict=True))


def test_what_an_archive_says_of_an_entry_does_not_let_it_unfold_further(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "MIN_BOMB_BYTES", 10_000)
    path = _save(tmp_path, train=np.zeros((30_000, 30, 3), np.int16))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 20 : entry + 24] = struct.pack("<I", 2**31)  # its size, compressed
    path.write_bytes(data)
    # Pythons that know where an entry ends (since 2024) refuse it themselves.
    python_refuses = "_end_offset" in zipfile.ZipInfo.__slots__
    told = ".*zip bomb" if python_refuses else r"the array expands to more than \d MiB"
    with pytest.raises(FormatError, match=f"train: {told}"):
        list(read_drawings(path, strict=True))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, 93])
def test_compressions_that_numpy_never_writes_are_refused(tmp_path, method):
    path = _save(tmp_path, train=_objects(ROWS))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 10 : entry + 12] = struct.pack("<H", method)
    path.write_bytes(data)
    with pytest.raises(FormatError, match=rf"train: .* that NumPy cannot read \({method}\)"):
        list(read_drawings(path, strict=True))


@pytest.mark.parametrize("opcode", [b"]", b"(", b")", b"N"])
def test_a_pickle_of_a_million_little_things_is_refused(tmp_path, monkeypatch, opcode):
    monkeypatch.setattr(stroke3, "MAX_OPCODES", 1000)
    path = _archive(tmp_path, train=_npy_header("|O", (1,)) + b"\x80\x02" + opcode * 2000 + b".")
    with pytest.raises(FormatError, match=r"train: the pickle has more than 1,000 opcodes"):
        list(read_drawings(path, strict=True))


@pytest.mark.parametrize("opcode", [b"\x8f", b"}", b"2"])
def test_a_pickle_of_other_things_than_arrays_take_is_refused(tmp_path, opcode):
    path = _archive(tmp_path, train=_npy_header("|O", (1,)) + b"\x80\x04N" + opcode + b".")
    with pytest.raises(FormatError, match=r"train: the pickle holds something other than arrays"):
        list(read_drawings(path, strict=True))


def test_a_text_encoded_again_and_again_is_refused(tmp_path):
    text = b"X" + struct.pack("<I", 1000) + b"a" * 1000 + b"q\x01"
    encode = b"c_codecs\nencode\nq\x00"
    data = b"\x80\x02" + encode + text + b"h\x00h\x01\x85R" * 9 + b"."
    path = _archive(tmp_path, train=_npy_header("|O", (1,)) + data)
    with pytest.raises(FormatError, match=r"train: the pickle expands to more than it holds"):
        list(read_drawings(path, strict=True))


def test_one_array_named_too_often_is_read_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(stroke3, "MAX_NUMBERS_BYTES", 3 * ROWS.nbytes)
    report = ReadReport()
    drawings = list(read_drawings(_save(tmp_path, train=_objects(*[ROWS] * 9)), report=report))
    assert len(drawings) == 3
    assert report.lines()[0] == "1 unreadable: the arrays expand to more than 0 MiB"


def test_a_text_in_place_of_bytes_is_no_array(tmp_path):
    pickled = _pickled_as_by_python_2()
    content = b"U" + bytes([ROWS.nbytes]) + ROWS.tobytes()
    assert content in pickled
    text = ("\u4e00" * ROWS.nbytes).encode()
    pickled = pickled.replace(content, b"X" + struct.pack("<I", len(text)) + text)
    path = _archive(tmp_path, train=_npy_header("|O", (1,)) + pickled)
    with pytest.raises(FormatError, match=r"train, drawing 0: the item is not an array of numbers"):
        list(read_drawings(path, strict=True))


def test_one_array_named_a_million_times_comes_in_bounded_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_BATCH_POINTS", 100)
    one = np.zeros((30, 3), np.int16)
    batches = list(read_batches(_save(tmp_path, train=_objects(*[one] * 50))))
    assert sum(map(len, batches)) == 50
    assert max(len(batch.points) for batch in batches) <= 130


def test_a_truncated_archive_is_an_error(tmp_path):
    path = _save(tmp_path, train=_objects(ROWS, ROWS))
    data = path.read_bytes()
    for n_kept in (4, 30, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:n_kept])
        with pytest.raises(FormatError, match=r"truncated or damaged \.npz file"):
            list(read_drawings(path, strict=True))


@settings(max_examples=300)
@given(st.data())
def test_mutated_archives_are_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("mutated")
    array = io.BytesIO()
    np.save(array, _objects(ROWS, ROWS), allow_pickle=True)
    mutated = bytearray(array.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at] = data.draw(st.integers(0, 255))
    path = _archive(folder, train=bytes(mutated))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            drawings = list(read_drawings(path, report=ReadReport()))
    except FormatError:
        return
    for drawing in drawings:
        assert np.isfinite(drawing.points).all()
        assert drawing.stroke_starts[-1] == len(drawing.points)


def test_what_has_no_strokes_is_not_written(tmp_path):
    with pytest.raises(InputError, match="has no strokes"):
        write_drawings(tmp_path / "out.npz", [Drawing(bitmap=np.zeros((2, 2), np.uint8))])
