"""The compiled scanner and the plain parser are one reader."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import SKETCH_CATEGORIES, make_drawings, simplified_line

from garabato.drawing import DrawingBatch
from garabato.formats import ReadReport, ndjson
from garabato.formats._ndjson import BlockParser
from garabato.formats.stream import Input
from garabato.host.kernels import kernel


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int = -1, /) -> bytes:
        part, self.data = self.data[:size], self.data[size:]
        return part


def _read(data: bytes, *, compiled: bool) -> tuple[DrawingBatch, dict[str, object]]:
    """All drawings of `data`, and the report."""
    report = ReadReport()
    source = Input("x.ndjson", "x", _Bytes(data), data[:4096], None, report.add)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ndjson, "SMALL_BYTES", -1 if compiled else 2**60)
        if not compiled:
            patch.setattr(ndjson, "scan_block", kernel(len))  # not compiled
        batches = list(ndjson.read(source))
    return DrawingBatch.concatenate(batches), report.to_dict()


def assert_same_batches(a: DrawingBatch, b: DrawingBatch) -> None:
    for name in ("points", "stroke_starts", "drawing_starts"):
        left, right = getattr(a, name), getattr(b, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    for name in ("key_ids", "categories", "countries", "recognized", "timestamps", "traced"):
        assert getattr(a, name) == getattr(b, name)


def _assert_both_read_the_same(data: bytes) -> None:
    fast, fast_report = _read(data, compiled=True)
    slow, slow_report = _read(data, compiled=False)
    assert_same_batches(fast, slow)
    assert fast_report == slow_report


_LINES = [simplified_line(d).encode() for d in make_drawings(SKETCH_CATEGORIES[:6], 3, seed=0)]


def test_the_scanner_understands_lines_as_google_writes_them() -> None:
    batch, others = BlockParser(2**20).parse(b"\n".join(_LINES) + b"\n")
    assert others == []
    assert len(batch) == len(_LINES)
    first = make_drawings(SKETCH_CATEGORIES[:1], 1, seed=0)[0]
    assert batch[0].metadata == first.metadata
    assert batch[0].to_lists() == first.to_lists()


@pytest.mark.parametrize(
    "line",
    [
        '{"drawing":[[[1],[2]]],"word":"caf\\u00e9"}',  # an escape
        '{"drawing":[[[1],[2]]],"word":"café"}',  # not ASCII
        '{"drawing":[[[1],[2]]],"word":null}',
        '{"drawing":[[[1],[2]]],"recognized":null}',
        '{"drawing":[[[1],[2]]],"key_id":17}',
        '{"drawing":[[[1],[2]]],"extra":{"a":[1]}}',
        '{"drawing":[[[1.5, 2],[2, 3]]]}',
        '{"drawing":[[[1.0, 2],[2, 3]]]}',
        '{"drawing":[[[-1],[2]]]}',
        '{"drawing":[[[16777216],[2]]]}',
        '{"drawing":[[[1,2],[2,3],[0,10]]]}',
        '{"drawing":[[[1],[2]]],"drawing":[]}',
    ],
)
def test_valid_lines_beyond_the_scanner_go_to_the_plain_parser(line: str) -> None:
    data = b"\n".join([_LINES[0], line.encode(), _LINES[1]]) + b"\n"
    _, others = BlockParser(2**20).parse(data)
    first = len(_LINES[0]) + 1
    assert others == [(1, first, first + len(line.encode()), 1)]
    batch, report = _read(data, compiled=True)
    assert len(batch) == 3
    assert report["n_unreadable"] == 0
    _assert_both_read_the_same(data)


def test_whole_numbers_written_as_floats_are_not_raw_coordinates() -> None:
    whole = b'{"drawing":[[[0, 100, 200, 255],[0, 1, 1, 0]]]}\n'
    as_floats = b'{"drawing":[[[0.0, 100.0, 200.0, 255.0],[0.0, 1.0, 1.0, 0.0]]]}\n'
    raw = b'{"drawing":[[[0.5, 100.5, 200.5, 255.5],[0, 1, 1, 0]]]}\n'
    first, second, third = _read(whole + as_floats + raw, compiled=False)[0]
    assert first.to_lists() == second.to_lists() == [[[0, 100, 200, 255], [0, 1, 1, 0]]]
    assert len(third.to_lists()[0][0]) == 2  # simplified


@pytest.mark.parametrize(
    "line",
    [
        '{"drawing":[[[01],[2]]]}',
        '{"drawing":[[[1,],[2,3]]]}',
        '{"drawing":[[[1 2],[2,3]]]}',
        '{"drawing":[[[],[2]]]}',
        '{"drawing":[[[1],[2]],]}',
        '{"drawing":[[[1],[2]]]',
        '{"drawing":[[[1],[2]]]}}',
        '{"drawing":[[[1],[2]]]} {"drawing":[]}',
        '{"drawing":[[1],[2]]}',
        '{"drawing":[[[1]]]}',
        '{"drawing":[[[1],[2]]],}',
        '{"drawing":[[[1],[2]]],"recognized":truey}',
        '{"drawing":[[[1],[2]]],"recognized":tru',
        '{"drawing":[[[1],[2]]],"word":"a\tb"}',
        '{"drawing":[[[1],[2]]],"word":"never closed}',
        '{"drawing":[[[1],[2]]],"timestamp":"1488530400123"}',
        '{"drawing":[[[1],[2]]],"timestamp":"2017-03-13 02:00:01.000000 UTC"}',
        '{"drawing":[[[1],[2]]],"timestamp":"12"}',
        '{"drawing":[[[1],[2]]],"timestamp":""}',
        '{"word":"cat"}',
        "{}",
        "[]",
        "[",
        "{",
        '"',
        "{\v}",
        "\v\f",
    ],
)
def test_both_parsers_accept_and_reject_the_same_odd_lines(line: str) -> None:
    _assert_both_read_the_same(b"\n".join([_LINES[0], line.encode(), _LINES[1]]))
    _assert_both_read_the_same(line.encode())


_json_lines = st.fixed_dictionaries(
    {
        "drawing": st.lists(
            st.tuples(
                st.lists(st.integers(0, 10**8) | st.integers(-3, 255), max_size=3),
                st.lists(st.integers(0, 255), max_size=3),
            ),
            max_size=3,
        )
    },
    optional={
        "word": st.text(max_size=5) | st.none(),
        "key_id": st.text("0123456789", max_size=5) | st.integers(),
        "recognized": st.booleans() | st.none() | st.integers(),
        "countrycode": st.text(max_size=2),
        "timestamp": st.text(max_size=5),
        "other": st.none(),
    },
).map(lambda document: json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())

_pieces = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b",", b":", b" ", b"0", b"9", b"-", b".", b"\\", b"\n", b"\r",
     b"\t", b"\x00", b"\xff", b"null", b"true", b"[[1],[2]]", b'"word":"x"', b'"drawing":', b"e5"]
)  # fmt: skip


@st.composite
def _mutated_lines(draw: st.DrawFn) -> bytes:
    line = draw(st.sampled_from(_LINES) | _json_lines)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        n_removed = draw(st.integers(0, 4))
        line = line[:at] + draw(_pieces | st.just(b"")) + line[at + n_removed :]
    return line


@settings(max_examples=400)
@given(st.lists(_mutated_lines(), max_size=6), st.sampled_from([b"", b"\n", b"\r\n"]))
def test_both_ways_read_mutated_lines_alike(lines: list[bytes], last: bytes) -> None:
    _assert_both_read_the_same(b"\n".join(lines) + last)


@settings(max_examples=100)
@given(st.lists(_mutated_lines(), max_size=8), st.integers(1, 300), st.integers(40, 400))
def test_where_blocks_are_cut_changes_nothing(
    lines: list[bytes], block_bytes: int, max_line_bytes: int
) -> None:
    data = b"\n" + b"\n".join(lines)  # the first block decides whether lines end as on old Macs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ndjson, "MAX_LINE_BYTES", max_line_bytes)
        whole, whole_report = _read(data, compiled=True)
        patch.setattr(ndjson, "BLOCK_BYTES", block_bytes)
        for compiled in (True, False):
            cut, cut_report = _read(data, compiled=compiled)
            assert_same_batches(cut, whole)
            assert cut_report == whole_report


def test_real_files_are_read_alike(quickdraw: Path) -> None:
    files = sorted((quickdraw / "simplified").glob("*.ndjson"))[::60]
    files += sorted((quickdraw / "raw").glob("*.ndjson"))[:2]
    for file in files:
        _assert_both_read_the_same(file.read_bytes())
