"""PDF pages of sketches, one drawing per page (extra `pdf`).

The paths of a page become an SVG document, so that what is visible is decided as for SVG files.
Scans and other pages that are mostly pictures, or have nothing else, are rendered and read as
pictures. Drawings in annotations are part of the page. Text and hidden layers are skipped.
"""

from __future__ import annotations

import ctypes
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from garabato.drawing import DrawingBatch
from garabato.errors import FormatError, MissingExtraError
from garabato.formats import picture, svg
from garabato.formats.stream import MAX_EXPANSION, Input, most_expanded
from garabato.formats.svg import NAMESPACE
from garabato.formats.svg.geometry import IDENTITY, Matrix, multiply

MAGIC = b"%PDF-"
MAX_BYTES = 64 * 2**20
MAX_PAGES = 1_000
#: Path segments of a page, and form objects inside each other.
_MAX_SEGMENTS, _MAX_DEPTH = 200_000, 15
#: Pages that pictures cover more of than this are rendered, with this longer side.
_PICTURE_SHARE, _RENDERED_PX = 0.25, 1024
#: A page with more layers times objects shows them all; a layer is painted with this longer side.
_MAX_LAYERED, _LAYER_PX = 100_000, 256
_STREAM_START = re.compile(rb"(?<!end)stream\s+")
#: Streams may be compressed several times, of which this many are undone, in parts of this size.
_MAX_FILTERS, _PART_BYTES = 4, 2**16


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield the drawing of each page. A page that cannot be read is rejected; the others are read.

    Raises FormatError if the file is damaged or encrypted, has more than MAX_PAGES pages, or if
    pypdfium2 is not installed.
    """
    try:
        import pypdfium2
    except ImportError:
        needed = MissingExtraError("reading PDF files", "pdf")
        hint = "convert a page to SVG: pdftocairo -svg -f 1 -l 1 FILE.pdf FILE.svg"
        raise source.error(f"this is a PDF; {needed}; or {hint}") from None
    content = source.read_whole(MAX_BYTES)
    _check_growth(content, source)
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise source.error("an encrypted PDF; save it without a password") from None
        raise source.error("a truncated or damaged PDF; save it again") from None
    try:
        n_pages = len(document)
        if n_pages > MAX_PAGES:
            raise source.error(f"the PDF has {n_pages:,} pages; at most {MAX_PAGES:,} are read")
        for number in range(1, n_pages + 1):
            try:
                hidden = _hidden_layers(document, number - 1)
                batch = _read_page(_with_annotations(document, number - 1), hidden, source)
            except (FormatError, pypdfium2.PdfiumError) as error:
                problem = error.problem if isinstance(error, FormatError) else str(error)
                source.reject(source.error(problem, f"page {number}"))
                continue
            key_id = f"{source.stem}-{number}" if n_pages > 1 else None
            yield batch.replace(key_ids=[key_id])
    finally:
        document.close()


def _check_growth(content: bytes, source: Input) -> None:
    """Raise FormatError if the compressed streams grow like a bomb: PDFium has no limit."""
    n_left = most_expanded(len(content))
    for start in _STREAM_START.finditer(content):
        first = range(start.end(), len(content), _PART_BYTES)
        for n_filters in range(1, _MAX_FILTERS + 1):
            parts: Iterable[bytes] = (content[i : i + _PART_BYTES] for i in first)
            for _ in range(n_filters):
                parts = _inflated(parts)
            n_before = n_left
            for part in parts:
                n_left -= len(part)
                if n_left < 0:
                    raise source.error(
                        f"the PDF grows more than {MAX_EXPANSION} times when expanded; "
                        "convert it to SVG if you trust it"
                    )
            if n_left == n_before:  # not compressed, or not as often
                break


def _inflated(parts: Iterable[bytes]) -> Iterator[bytes]:
    """What deflated data expands to, up to its end or the first damage."""
    stream = zlib.decompressobj()
    try:
        for part in parts:
            while part and not stream.eof:
                yield stream.decompress(part, _PART_BYTES)
                part = stream.unconsumed_tail
            if stream.eof:
                return
    except zlib.error:
        return


def _with_annotations(document: Any, index: int) -> Any:
    """A page with what was drawn on it as annotations, as programs that mark up PDFs do."""
    import pypdfium2.raw as pdfium

    page = document[index]
    drawn = {
        pdfium.FPDF_ANNOT_INK, pdfium.FPDF_ANNOT_LINE, pdfium.FPDF_ANNOT_POLYLINE,
        pdfium.FPDF_ANNOT_POLYGON, pdfium.FPDF_ANNOT_SQUARE, pdfium.FPDF_ANNOT_CIRCLE,
        pdfium.FPDF_ANNOT_STAMP,
    }  # fmt: skip
    for i in range(pdfium.FPDFPage_GetAnnotCount(page.raw) - 1, -1, -1):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, i)
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        pdfium.FPDFPage_CloseAnnot(annotation)
        if kind not in drawn:
            pdfium.FPDFPage_RemoveAnnot(page.raw, i)
    if pdfium.FPDFPage_GetAnnotCount(page.raw) == 0:
        return page
    page.render(scale=1 / max(*page.get_size(), 1))  # adds the appearances that are missing
    pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY)
    page.close()
    return document[index]


def _hidden_layers(document: Any, index: int) -> set[str]:
    """The layers of a page that are not shown: PDFium paints nothing of such a layer alone."""
    import pypdfium2.raw as pdfium

    found = list(map(_layer_of, _page_objects(document[index])))
    layers = set(filter(None, found))
    hidden: set[str] = set()
    if len(layers) * len(found) > _MAX_LAYERED:
        return hidden
    for layer in layers:
        page = document[index]
        for item in list(_page_objects(page)):
            if _layer_of(item) != layer:
                pdfium.FPDFPage_RemoveObject(page.raw, item)
                pdfium.FPDFPageObj_Destroy(item)
        scale = _LAYER_PX / max(*page.get_size(), 1)
        painted = page.render(scale=scale, fill_color=(0, 0, 0, 0), draw_annots=False)
        if not painted.to_numpy().any():
            hidden.add(layer)
    return hidden


def _layer_of(item: Any) -> str | None:
    """The name of the layer (optional content) that an object of a page is in, if any."""
    import pypdfium2.raw as pdfium

    def text(get: Callable[[Any, int, Any], Any]) -> str:
        content, n_bytes = (ctypes.c_ushort * 128)(), ctypes.c_ulong()
        get(content, 256, n_bytes)
        return bytes(content)[: n_bytes.value].decode("utf-16-le", "replace").rstrip("\0")

    for i in range(pdfium.FPDFPageObj_CountMarks(item)):
        mark = pdfium.FPDFPageObj_GetMark(item, i)
        if text(partial(pdfium.FPDFPageObjMark_GetName, mark)) == "OC":
            return text(partial(pdfium.FPDFPageObjMark_GetParamStringValue, mark, b"Name"))
    return None


def _read_page(page: Any, hidden: set[str], source: Input) -> DrawingBatch:
    paths = _Paths()
    shown = (item for item in _page_objects(page) if _layer_of(item) not in hidden)
    paths.add_all(shown, _page_matrix(page))
    width, height = page.get_size()
    if paths.picture_area <= _PICTURE_SHARE * width * height:
        document = (
            f'<svg xmlns="{NAMESPACE}" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">{paths.svg()}</svg>'
        )
        try:
            (batch,) = svg.read(Input.from_bytes(document.encode(), source.name, source.stem))
            return batch
        except FormatError as error:
            if not paths.n_pictures:
                problem = error.problem.replace("the document", "the page")
                raise FormatError(problem) from None
    png = io.BytesIO()
    page.render(scale=_RENDERED_PX / max(width, height, 1)).to_pil().save(png, "PNG")
    (batch,) = picture.read(Input.from_bytes(png.getvalue(), source.name, source.stem))
    return batch


class _Paths:
    """The paths of a page as SVG elements."""

    def __init__(self) -> None:
        #: The clips and attributes of each element (without a stroke's width), that width, and its
        #: data.
        self._elements: list[tuple[str, float, list[str]]] = []
        #: The shape of a clip -> its id.
        self._clips: dict[str, str] = {}
        self.n_segments = self.n_clip_segments = self.n_texts = self.n_pictures = 0
        self.picture_area = 0.0

    def add_all(self, objects: Iterator[Any], matrix: Matrix, depth: int = 0) -> None:
        import pypdfium2.raw as pdfium

        for item in objects:
            kind = pdfium.FPDFPageObj_GetType(item)
            if kind == pdfium.FPDF_PAGEOBJ_PATH:
                self._add(item, matrix)
            elif kind == pdfium.FPDF_PAGEOBJ_TEXT:
                self.n_texts += 1
            elif kind == pdfium.FPDF_PAGEOBJ_SHADING:
                self.n_pictures += 1
            elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:  # a square of 1 unit, before its matrix
                self.n_pictures += 1
                a, b, c, d, _, _ = multiply(matrix, _matrix_of(item))
                self.picture_area += abs(a * d - b * c)
            elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
                inner = (
                    pdfium.FPDFFormObj_GetObject(item, i)
                    for i in range(pdfium.FPDFFormObj_CountObjects(item))
                )
                self.add_all(inner, multiply(matrix, _matrix_of(item)), depth + 1)

    def _add(self, item: Any, matrix: Matrix) -> None:
        import pypdfium2.raw as pdfium

        n = pdfium.FPDFPath_CountSegments(item)
        self.n_segments += max(n, 0)
        if self.n_segments > _MAX_SEGMENTS:
            raise FormatError(f"the page has more than {_MAX_SEGMENTS:,} path segments")
        fill_mode, has_stroke = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDFPath_GetDrawMode(item, fill_mode, has_stroke)
        if not (fill_mode.value or has_stroke.value):
            return
        fill, stroke = 'fill="none"', ""
        if fill_mode.value:
            rule = "evenodd" if fill_mode.value == pdfium.FPDF_FILLMODE_ALTERNATE else "nonzero"
            fill = _colour(pdfium.FPDFPageObj_GetFillColor, item, "fill")
            fill += f' fill-rule="{rule}"'
        if has_stroke.value:
            stroke = _colour(pdfium.FPDFPageObj_GetStrokeColor, item, "stroke")
        placed = _transform(multiply(matrix, _matrix_of(item)))
        style = f"{self._clip(item, matrix)}<path {placed} {fill} {stroke}"
        given = ctypes.c_float()
        pdfium.FPDFPageObj_GetStrokeWidth(item, given)
        width = given.value or 1.0  # 0 is the thinnest line that can be drawn
        data = _path_data(partial(pdfium.FPDFPath_GetPathSegment, item), n)
        if self._elements and not fill_mode.value:
            last_style, last_width, last_data = self._elements[-1]
            # strokes of a pen with pressure are paths from point to point, thousands a page
            if style == last_style and last_width / 2 <= width <= last_width * 2:
                last_data.append(data)
                return
        self._elements.append((style, width, [data]))

    def _clip(self, item: Any, matrix: Matrix) -> str:
        """Tags that open a group for each clip of an item; clips of too many segments are left out.

        PDFium doesn't tell their fill rule. `matrix` places the form that the item is in.
        """
        import pypdfium2.raw as pdfium

        clip, groups = pdfium.FPDFPageObj_GetClipPath(item), ""
        for i in range(pdfium.FPDFClipPath_CountPaths(clip)):
            n = pdfium.FPDFClipPath_CountPathSegments(clip, i)
            self.n_clip_segments += max(n, 0)
            if self.n_clip_segments > _MAX_SEGMENTS:
                break
            data = _path_data(partial(pdfium.FPDFClipPath_GetPathSegment, clip, i), n)
            shape = f'<path d="{data}" {_transform(matrix)}/>'
            name = self._clips.setdefault(shape, f"clip{len(self._clips)}")
            groups += f'<g clip-path="url(#{name})">'
        return groups

    def svg(self) -> str:
        """The elements, and a sign of texts: SVG tells a page of text from an empty one."""
        clips = (f'<clipPath id="{name}">{shape}</clipPath>' for shape, name in self._clips.items())
        paths = (
            f'{style} d="{"".join(data)}" stroke-width="{width}"/>{"</g>" * style.count("<g")}'
            for style, width, data in self._elements
        )
        return "".join([*clips, *paths, "<text>.</text>" if self.n_texts else ""])


def _matrix_of(item: Any) -> Matrix:
    import pypdfium2.raw as pdfium

    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, found):
        return IDENTITY
    return found.a, found.b, found.c, found.d, found.e, found.f


def _colour(get: Any, item: Any, name: str) -> str:
    """The attributes `fill` or `stroke`, and their opacity."""
    red, green, blue, alpha = (ctypes.c_uint(value) for value in (0, 0, 0, 255))
    get(item, red, green, blue, alpha)
    opacity = alpha.value / 255
    return f'{name}="rgb({red.value},{green.value},{blue.value})" {name}-opacity="{opacity:.3f}"'


def _transform(matrix: Matrix) -> str:
    return f'transform="matrix({",".join(map(str, matrix))})"'


def _path_data(get_segment: Callable[[int], Any], n_segments: int) -> str:
    import pypdfium2.raw as pdfium

    x, y = ctypes.c_float(), ctypes.c_float()
    letters = {pdfium.FPDF_SEGMENT_LINETO: "L", pdfium.FPDF_SEGMENT_MOVETO: "M"}
    parts = []
    n_curve_points = 0
    for i in range(n_segments):
        segment = get_segment(i)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_BEZIERTO:  # three segments are one curve
            letter = "C" if n_curve_points % 3 == 0 else " "
            n_curve_points += 1
        else:
            letter = letters.get(kind, "L")
        parts.append(f"{letter}{x.value} {y.value}")
        if pdfium.FPDFPathSegment_GetClose(segment):
            parts.append("Z")
    return "".join(parts)


def _page_objects(page: Any) -> Iterator[Any]:
    import pypdfium2.raw as pdfium

    for i in range(pdfium.FPDFPage_CountObjects(page.raw)):
        yield pdfium.FPDFPage_GetObject(page.raw, i)


def _page_matrix(page: Any) -> Matrix:
    """From PDF's units, y upwards, to the page as it is shown: turned, y downwards."""
    left, bottom, right, top = page.get_bbox()
    return {
        0: (1, 0, 0, -1, -left, top),
        90: (0, 1, 1, 0, -bottom, -left),
        180: (-1, 0, 0, 1, right, -bottom),
        270: (0, -1, -1, 0, top, right),
    }[page.get_rotation()]
