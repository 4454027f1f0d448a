"""Undamaged files of every format read, small ones: what fuzz_readers damages."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator

import harness
import numpy as np

from garabato.dataset.tfrecord import encode_example, to_features, write_record
from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.arrow import to_table

N_SEEDS = 12


def make_seeds(context: harness.Context) -> Iterator[tuple[str, list[bytes]]]:
    """Undamaged files of each format."""
    from PIL import Image

    from garabato.formats import read_drawings, write_drawings
    from garabato.render import RenderSpec, render

    files = sorted(context.source.glob("*.ndjson"))[:: max(1, 345 // N_SEEDS)]
    drawings = [next(read_drawings(file)) for file in files]

    def written(suffix: str, several: bool) -> list[bytes]:
        path = context.work / f"seed.{suffix}"
        contents = []
        for i, drawing in enumerate(drawings):
            write_drawings(path, drawings[i : i + 3] if several else [drawing])
            contents.append(path.read_bytes())
        return contents

    def pictures(kind: str) -> list[bytes]:
        contents = []
        for drawing in drawings[:6]:
            stream = io.BytesIO()
            Image.fromarray(255 - render(drawing, RenderSpec(size_px=48))).save(stream, kind)
            contents.append(stream.getvalue())
        return contents

    yield "ndjson", written("ndjson", several=True)
    yield "raw", [raw_line(drawing.strokes) for drawing in drawings]
    yield "bin", written("bin", several=True)
    bitmaps = io.BytesIO()
    np.save(bitmaps, np.zeros((2, 784), np.uint8) + 9)
    yield "npy", [bitmaps.getvalue()]
    yield "npz", written("npz", several=True) + [stored_npz(data) for data in written("npz", True)]
    yield "svg", written("svg", several=False) + SVGS
    yield from tables(drawings)
    yield from documents(drawings)
    yield "pdf", [pdf_of(drawing) for drawing in drawings[:3]] + pictures("PDF")[:1]
    yield "png", pictures("PNG")
    yield "jpg", pictures("JPEG")
    yield "webp", pictures("WEBP")
    yield "gif", pictures("GIF")
    yield "bmp", pictures("BMP")
    yield "tiff", pictures("TIFF")
    yield "avif", pictures("AVIF")
    dots = Drawing(bitmap=np.eye(9, dtype=np.uint8) * 255, category="cat")
    records = [example(drawing) for drawing in (*drawings, dots)]
    yield "example", records
    yield "tfrecord", [framed(*records[i : i + 3]) for i in range(len(drawings) - 2)]
    yield "gz", [gzip.compress(data) for data in written("ndjson", True) + written("bin", True)]


def tables(drawings: list[Drawing]) -> Iterator[tuple[str, list[bytes]]]:
    """CSV, Parquet and Arrow: as Kaggle, Hugging Face and garabato write them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["countrycode", "drawing", "key_id", "recognized", "timestamp", "word"])
    for i, drawing in enumerate(drawings[:4]):
        strokes = json.dumps(drawing.to_lists())
        writer.writerow(["US", strokes, i, True, "2017-03-09 00:28:55", "cat"])
    yield "csv", [text.getvalue().encode()]
    lists = pa.list_(pa.list_(pa.uint8()))
    pairs = [list(zip(*d.to_lists(), strict=True)) for d in drawings[:4]]
    columns = [{"x": list(xs), "y": list(ys)} for xs, ys in pairs]
    batch = DrawingBatch.from_drawings([d.replace(key_id="7") for d in drawings[:4]])
    found = [
        pa.table(
            {
                "word": pa.array([0, 1, 2, 3]),
                "drawing": pa.array(columns, pa.struct([("x", lists), ("y", lists)])),
            }
        ),
        pa.table({"drawing": [json.dumps(d.to_lists()) for d in drawings[:4]]}),
        to_table(batch.on_grid(), "train"),
    ]
    parquet, arrow = [], []
    for table in found:
        stream = io.BytesIO()
        pq.write_table(table, stream)
        parquet.append(stream.getvalue())
        for new in (pa.ipc.new_file, pa.ipc.new_stream):
            stream = io.BytesIO()
            with new(stream, table.schema) as opened:
                opened.write_table(table)
            arrow.append(stream.getvalue())
    yield "parquet", parquet
    yield "arrow", arrow


def documents(drawings: list[Drawing]) -> Iterator[tuple[str, list[bytes]]]:
    """JSON arrays, whiteboards and handwriting."""
    objects = [{"word": "cat", "drawing": d.to_lists()} for d in drawings[:3]]
    bare = "\n".join(json.dumps(d.to_lists()) for d in drawings[:3])
    columns = {key: dict(enumerate(row[key] for row in objects)) for key in ("word", "drawing")}
    split = {"columns": ["word", "drawing"], "data": [list(row.values()) for row in objects]}
    yield (
        "json",
        [
            json.dumps(objects).encode(),
            json.dumps(objects[0], indent=1).encode(),
            json.dumps([d.to_lists() for d in drawings[:3]]).encode(),
            bare.encode(),
            *(json.dumps(table).encode() for table in (columns, split)),
        ],
    )
    points = [np.stack(stroke, axis=1).tolist() for stroke in drawings[0].strokes]
    elements = [
        {"type": "freedraw", "x": 1, "y": 2, "angle": 0.5, "points": stroke} for stroke in points
    ]
    scene = {"type": "excalidraw", "elements": elements}
    library = {"type": "excalidrawlib", "libraryItems": [{"elements": elements}]}
    shapes = [
        {"id": f"shape:{i}", "typeName": "shape", "type": "draw", "x": 1, "y": 2, "rotation": 1,
         "parentId": "page:a", "props": {"segments": [
             {"type": "free", "points": [{"x": x, "y": y} for x, y in stroke]},
             {"type": "free", "path": "AAAAAAAAAAAAAAAAAAAAAAAA"}]}}
        for i, stroke in enumerate(points)
    ]  # fmt: skip
    tldr = {"tldrawFileFormatVersion": 1, "records": shapes}
    yield "whiteboard", [json.dumps(document).encode() for document in (scene, library, tldr)]
    traces = [", ".join(f"{x:g} {y:g}" for x, y in stroke) for stroke in points]
    inkml = "".join(f"<trace>{trace}</trace>" for trace in traces)
    strokes = "".join(f"<stroke>{trace.replace(',', '')}</stroke>" for trace in traces)
    xournal = f"<xournal><page><layer>{strokes}</layer></page></xournal>".encode()
    yield (
        "ink",
        [
            f'<ink xmlns="http://www.w3.org/2003/InkML">{inkml}</ink>'.encode(),
            b"""<ink><traceFormat><channel name="X" type="integer" units="cm"/><channel name="Y" """
            b"""units="mm"/></traceFormat><channelProperty channel="X" name="resolution" """
            b"""value="28.3" units="1/cm"/><trace>10 20, 11 25, 9 30</trace></ink>""",
            b"""<ink><trace>1125 18432,'23'43,"7"-8,3-5,7 -3</trace></ink>""",
            xournal,
            gzip.compress(xournal, mtime=0),
        ],
    )


def pdf_of(drawing: Drawing) -> bytes:
    """One page with the strokes as paths: uncompressed, so that mutations reach the operators."""
    paths = [
        " ".join(f"{x:g} {y:g} {'l' if i else 'm'}" for i, (x, y) in enumerate(stroke.T)) + " S"
        for stroke in drawing.strokes
    ]
    content = f"q 2 w 1 0 0 -1 0 255 cm {' '.join(paths)} Q".encode()
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 255 255]/Contents 4 0 R/Resources<<>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
    )
    body = b"%PDF-1.4\n"
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, text)
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    table = b"xref\n0 5\n0000000000 65535 f \n" + rows
    trailer = b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    return body + table + trailer


def raw_line(strokes: list[np.ndarray]) -> bytes:
    """A drawing as raw ndjson: a device's coordinates, and times."""
    raw = [
        [(xs * 1.7 + 20.25).tolist(), (ys * 1.7 + 31.5).tolist(), list(range(len(xs)))]
        for xs, ys in strokes
    ]
    return json.dumps({"word": "cat", "key_id": "7", "drawing": raw}).encode() + b"\n"


def example(drawing: Drawing) -> bytes:
    """A drawing as the tf.train.Example that an export writes; the picture is short for one."""
    return encode_example(to_features(drawing.on_grid(), label=3, row=7, png=b"\x89PNG"))


def framed(*records: bytes) -> bytes:
    """A TFRecord file of these records, its checksums right."""
    stream = io.BytesIO()
    for record in records:
        write_record(stream, record)
    return stream.getvalue()


def stored_npz(data: bytes) -> bytes:
    """The same archive without compression, so that mutations reach the pickle."""
    stream = io.BytesIO()
    parts = np.load(io.BytesIO(data), allow_pickle=True)
    np.savez(stream, **parts)
    return stream.getvalue()


SVGS = [
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 99 99" width="50%">'
    b'<g id="a" transform="rotate(10 5 5) skewX(3)" style="fill:none;stroke:#123">'
    b'<path d="M1 1c1 2 3 4 5 6s3 3 9 9q1 2 3 4t9 9a1 2 3 0 1 4 5zl3 3"/><circle r="3" cx="9%"/>'
    b'<rect x="1" y="2" width="5mm" height="6" rx="1"/></g><use href="#a" x="3"/>'
    b'<polygon points="0,0 9,9 1,0"/><svg viewBox="0 0 1 1"><ellipse rx="1" ry="2"/></svg></svg>',
    b'<!DOCTYPE svg [<!ENTITY n "M3 3h9v9">]><svg viewBox="0 0 40 30"><style>.a{fill:none;stroke:'
    b"#123!important}g>path:not(.b){opacity:.5}@media screen{*{color:red}}</style>"
    b'<clipPath id="c"><rect width="30" height="20" transform="rotate(9)"/></clipPath>'
    b'<mask id="m"><circle r="30" fill="#fff"/></mask><linearGradient id="l"><stop/>'
    b'</linearGradient><symbol id="s" viewBox="0 0 9 9"><path class="a" d="&n;"/></symbol>'
    b'<rect width="40" height="30" fill="#012"/><g clip-path="url(#c)" fill="url(#l) red">'
    b'<path d="M1 1L20 20 30 5z" mask="url(#m)"/><use href="#s" width="20" height="9"/></g>'
    b'<switch><g style="transform:scale(2);transform-origin:50% 5px"><path stroke="hsl(9 9% 90%)"'
    b' d="M2 2L9 9"/></g></switch><path fill="#fff" d="M5 5L25 6 25 7 5 6z"/></svg>',
]
