from __future__ import annotations

import gzip
import io
import random
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sketches import sketch

from garabato.errors import FormatError
from garabato.formats import picture as reader
from garabato.formats import read_drawings

Grey = npt.NDArray[np.float32]  # (H, W), 0..1

WIDTH, HEIGHT = 640, 480


def _ink(
    category: str = "house", *, box: int = 300, at: tuple[int, int] = (120, 90), pen: int = 6
) -> Grey:
    """How much ink each pixel of a page has, edges smooth."""
    page = np.zeros((4 * HEIGHT, 4 * WIDTH), np.uint8)
    for stroke in sketch(category, 0).strokes:
        points = (stroke.T * (box / 255) + at) * 4
        cv2.polylines(page, [np.rint(points).astype(np.int32)], False, 255, 4 * pen)
    return cv2.resize(page, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _save(folder: Path, page: npt.NDArray[np.floating], suffix: str = "png", **how: object) -> Path:
    path = folder / f"cat.{suffix}"
    Image.fromarray(np.clip(np.rint(page * 255), 0, 255).astype(np.uint8)).save(path, **how)
    return path


def _read(path: Path) -> npt.NDArray[np.uint8]:
    (drawing,) = read_drawings(path)
    assert drawing.bitmap is not None
    return drawing.bitmap


def _assert_is_the_ink(found: npt.NDArray[np.uint8], truth: Grey, within_px: int = 3) -> None:
    """Both have ink at the same places of their boxes, give or take some px of 200."""
    boxes = []
    for ink in (found.astype(np.float32) / 255, truth):
        mask = ink > 0.4
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)
        boxes.append(cv2.resize(cut, (200, 200), interpolation=cv2.INTER_NEAREST))
    near = [cv2.dilate(box, np.ones((2 * within_px + 1,) * 2, np.uint8)) for box in boxes]
    assert (boxes[0] <= near[1]).mean() > 0.998
    assert (boxes[1] <= near[0]).mean() > 0.998


@pytest.fixture(scope="module")
def noise() -> Grey:
    return np.random.default_rng(0).standard_normal((HEIGHT, WIDTH)).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        ("png", {}),
        ("jpg", {"quality": 30}),
        ("webp", {}),
        ("gif", {}),
        ("bmp", {}),
        ("tif", {}),
        ("tif", {"compression": "tiff_lzw"}),
        ("avif", {}),
        ("ppm", {}),
        ("pgm", {}),
    ],
)
def test_dark_ink_on_white_is_found_in_all_formats(tmp_path, suffix, how):
    ink = _ink()
    _assert_is_the_ink(_read(_save(tmp_path, 1 - ink, suffix, **how)), ink)


def test_the_format_is_told_by_content(tmp_path):
    ink = _ink()
    path = _save(tmp_path, 1 - ink)
    named = path.rename(tmp_path / "holiday.txt")
    _assert_is_the_ink(_read(named), ink)
    named.write_bytes(gzip.compress(named.read_bytes()))
    _assert_is_the_ink(_read(named), ink)


def test_the_largest_icon_of_an_ico_file_is_read(tmp_path):
    ink = _ink()[40:440, 70:470]
    icon = Image.fromarray(np.dstack([np.zeros((400, 400, 3)), ink * 255]).astype(np.uint8))
    path = tmp_path / "cat.ico"
    for form in ("png", "bmp"):
        icon.save(path, sizes=[(16, 16), (200, 200)], bitmap_format=form)
        _assert_is_the_ink(_read(path), ink)
        assert max(_read(path).shape) > 140  # of a box of 300 / 2 px


def test_a_large_picture_inside_a_small_icon_is_refused(tmp_path):
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 100, 22)
    path = tmp_path / "cat.ico"
    path.write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + _png(9000, 9000))
    with pytest.raises(FormatError, match="more than 64 million pixels"):
        list(read_drawings(path))


def test_light_ink_on_dark_is_found(tmp_path):
    ink = _ink()
    _assert_is_the_ink(_read(_save(tmp_path, ink * 0.8 + 0.1)), ink)


@pytest.mark.parametrize("colour", [(1, 0.85, 0), (0.2, 0.4, 1), (0.9, 0.3, 0.3)])
def test_coloured_ink_is_found(tmp_path, colour):
    ink = _ink()[:, :, None]
    _assert_is_the_ink(_read(_save(tmp_path, 1 - ink * (1 - np.array(colour)))), ink[:, :, 0])


@pytest.mark.parametrize("pen", [1, 3, 24])
def test_thin_and_thick_pens_are_found(tmp_path, pen):
    ink = _ink(pen=pen)
    _assert_is_the_ink(_read(_save(tmp_path, 1 - ink)), ink)


@pytest.mark.parametrize("category", ["spiral", "ladder", "envelope", "stairs"])
@pytest.mark.parametrize("light_on_dark", [False, True])
def test_ink_that_covers_most_of_what_it_surrounds_is_found(tmp_path, category, light_on_dark):
    ink = _ink(category, pen=40)
    _assert_is_the_ink(_read(_save(tmp_path, ink if light_on_dark else 1 - ink)), ink)


@pytest.mark.parametrize(("paper", "pen"), [(1.0, 0.0), (0.0, 1.0), (0.9, 0.4)])
def test_ink_that_covers_most_of_the_picture_is_found(tmp_path, paper, pen):
    ink = np.zeros((HEIGHT, WIDTH), np.float32)
    ink[20:460, 30:610] = 1
    ink[200:230, 100:500] = 0
    assert ink.mean() > 0.7
    _assert_is_the_ink(_read(_save(tmp_path, paper + (pen - paper) * ink)), ink)


def test_a_small_drawing_on_a_large_page_is_looked_at_closely(tmp_path):
    page = np.ones((1500, 2000), np.float32)
    ink = _ink()
    page[900 : 900 + HEIGHT, 300 : 300 + WIDTH] = 1 - ink
    found = _read(_save(tmp_path, page))
    assert 280 < max(found.shape) < 330  # as drawn: a box of 300 px and the pen
    _assert_is_the_ink(found, ink)


def test_ink_is_cut_out_and_bounded(tmp_path):
    found = _read(_save(tmp_path, np.kron(1 - _ink("circle"), np.ones((2, 2)))))
    assert max(found.shape) <= 512
    assert found.dtype == np.uint8
    assert found.max() == 255
    assert all(edge.any() for edge in (found[0], found[-1], found[:, 0], found[:, -1]))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_opaque_pixels_on_a_transparent_page_are_ink_in_any_colour(tmp_path, value):
    ink = _ink()
    picture = np.full((HEIGHT, WIDTH, 4), value, np.float32)
    picture[:, :, 3] = ink
    _assert_is_the_ink(_read(_save(tmp_path, picture)), ink)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("margin", [0, 20])
def test_a_drawing_cut_out_of_a_card_is_read(tmp_path, suffix, margin):
    ink = _ink()
    card = np.ones((HEIGHT, WIDTH, 4), np.float32)
    card[:, :, 3] = 1 - ink
    around = np.ones((HEIGHT, WIDTH), np.bool_)
    around[margin : HEIGHT - margin, margin : WIDTH - margin] = False
    card[around, 3] = 0
    _assert_is_the_ink(_read(_save(tmp_path, card, suffix)), ink)


def test_a_blank_card_with_transparent_corners_is_blank(tmp_path):
    card = np.ones((HEIGHT, WIDTH, 4), np.float32)
    card[:20, :30, 3] = card[-20:, -30:, 3] = 0
    with pytest.raises(FormatError, match="blank"):
        _read(_save(tmp_path, card))


def test_a_card_with_transparent_corners_is_a_card(tmp_path):
    ink = _ink()
    card = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    card[:, :, :3] = (0.9 - 0.8 * ink)[:, :, None]
    card[:, :, 3] = cv2.rectangle(np.zeros((HEIGHT, WIDTH)), (30, 30), (610, 450), 1, -1)
    card[:, :, :3] *= card[:, :, 3:]
    _assert_is_the_ink(_read(_save(tmp_path, card)), ink)


def test_a_photo_with_uneven_light_and_grain_is_read(tmp_path, noise):
    ink = cv2.GaussianBlur(_ink(), (0, 0), 0.8)
    light = 0.5 + 0.4 * np.linspace(0, 1, WIDTH, dtype=np.float32)[None, :]
    light = light * np.where(np.arange(HEIGHT) > 250, 0.7, 1)[:, None]  # a shadow
    page = cv2.GaussianBlur(light, (0, 0), 5) * (1 - 0.7 * ink) + 0.02 * noise
    _assert_is_the_ink(_read(_save(tmp_path, page, "jpg", quality=75)), ink)


@pytest.mark.parametrize("share", [0.4, 0.7])
@pytest.mark.parametrize("blur", [1, 5])
@pytest.mark.parametrize("outline", [
    [(0, 150), (0, 480), (560, 480)],
    [(200, 0), (380, 0), (520, 480), (340, 480)],
    [(90, 480), (120, 200), (210, 110), (400, 120), (470, 200), (500, 480)],
])  # fmt: skip
def test_a_shadow_with_a_sharp_edge_is_no_ink(tmp_path, noise, share, blur, outline):
    ink = cv2.GaussianBlur(_ink(), (0, 0), 0.8)
    light = np.full((HEIGHT, WIDTH), 0.9, np.float32)
    cv2.fillPoly(light, [np.array(outline)], 0.9 * share)
    page = cv2.GaussianBlur(light, (0, 0), blur) * (1 - 0.7 * ink) + 0.015 * noise
    _assert_is_the_ink(_read(_save(tmp_path, page, "jpg", quality=85)), ink)


@pytest.mark.parametrize("is_squared", [False, True])
@pytest.mark.parametrize("grain", [0.0, 0.01])
def test_rules_as_dark_as_the_ink_are_told_by_their_width(tmp_path, noise, grain, is_squared):
    ink = _ink()
    rules = np.zeros((HEIGHT, WIDTH), np.float32)
    for y in range(-20, HEIGHT, 30):  # turned a little
        cv2.line(rules, (0, y), (WIDTH, y + 15), 1, 2)
    for x in range(10, WIDTH + 20, 30 if is_squared else 1000):
        cv2.line(rules, (x, 0), (x - 12, HEIGHT), 1, 2)
    page = 0.95 - 0.8 * np.maximum(ink, rules) + grain * noise
    _assert_is_the_ink(_read(_save(tmp_path, page)), ink)


def _ruled(rules_px: int, *, is_upright: bool) -> npt.NDArray[np.uint8]:
    rules = np.zeros((HEIGHT, WIDTH), np.uint8)
    for at in range(20, WIDTH if is_upright else HEIGHT, 50):
        cv2.line(
            rules,
            (at, 0) if is_upright else (0, at),
            (at, HEIGHT) if is_upright else (WIDTH, at),
            255,
            rules_px,
        )
    return rules


@pytest.mark.parametrize("shade", [0.3, 0.8])
@pytest.mark.parametrize("print_", ["rules", "squares", "staves"])
def test_rules_that_end_before_the_edges_are_no_ink(tmp_path, print_, shade):
    ink = _ink(at=(160, 90), box=260)
    rules = np.zeros((HEIGHT, WIDTH), np.float32)
    for y in range(30, 460, 30):
        if print_ != "staves" or y // 30 % 6:
            rules[y, 40:600] = shade
    for x in range(40, 610, 30):
        if print_ == "squares":
            rules[30:451, x] = shade
    _assert_is_the_ink(_read(_save(tmp_path, 1 - np.maximum(ink, rules))), ink)


def test_ink_may_be_lighter_than_the_paper_in_one_channel(tmp_path):
    """Red on blue: the mean of the channels hardly differs."""
    ink = _ink()
    paper, pen = (np.array(colour, np.float32) for colour in ((0.8, 0.3, 0.2), (0.2, 0.2, 0.85)))
    page = paper + ink[..., None] * (pen - paper)
    _assert_is_the_ink(_read(_save(tmp_path, page)), ink)


def test_staves_of_scanned_music_paper_are_no_ink(tmp_path):
    """At 100 dpi, the five lines of a staff are 7 px apart."""
    ink = _ink(at=(160, 90), box=260)
    staves = np.zeros((HEIGHT, WIDTH), np.float32)
    for top in range(40, 410, 63):
        staves[top : top + 29 : 7] = 0.8
    _assert_is_the_ink(_read(_save(tmp_path, 1 - np.maximum(ink, staves))), ink)


@pytest.mark.parametrize("x", [230, 246, 270])
def test_round_marks_beside_and_on_rules_stay(tmp_path, x):
    face = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(face, (300, 240), 120, 255, 9)
    for eye in ((x, 200), (345, 200)):
        cv2.circle(face, eye, 12, 255, -1)
    page = 1 - np.maximum(face, _ruled(4, is_upright=True)) / 255
    _assert_is_the_ink(_read(_save(tmp_path, page)), face.astype(np.float32) / 255)


@pytest.mark.parametrize("is_upright", [False, True])
@pytest.mark.parametrize("detail", ["window", "line"])
def test_rules_are_ink_where_other_lines_are_as_thin(tmp_path, is_upright, detail):
    page = _ruled(3, is_upright=is_upright)
    cv2.rectangle(page, (190, 120), (440, 400), 255, 8)
    if detail == "window":
        cv2.circle(page, (320, 220), 40, 255, 3)
    else:
        cv2.line(page, (210, 300), (420, 340), 255, 3)
    _assert_is_the_ink(_read(_save(tmp_path, 1 - page / 255)), page.astype(np.float32) / 255)


def test_rules_on_the_paper_are_no_ink(tmp_path, noise):
    ink = _ink()
    rules = np.where(np.arange(HEIGHT) % 25 < 2, 0.3, 0.0)[:, None]
    page = (0.9 - rules) * (1 - 0.8 * ink) + 0.01 * noise
    _assert_is_the_ink(_read(_save(tmp_path, page)), ink)


@pytest.mark.parametrize("rule", [0.2, 0.6])
def test_rules_on_flat_paper_are_no_ink_however_dark(tmp_path, rule):
    ink = _ink()
    rules = np.where(np.arange(HEIGHT) % 28 < 1, rule, 0.0)[:, None]
    page = (0.98 - rules) * (1 - ink) + 0.1 * ink
    _assert_is_the_ink(_read(_save(tmp_path, page)), ink)


def test_the_table_around_a_sheet_is_no_ink(tmp_path, noise):
    ink = _ink(box=220, at=(200, 120))
    sheet = cv2.fillConvexPoly(
        np.zeros((HEIGHT, WIDTH), np.float32),
        np.array([[100, 60], [560, 50], [580, 420], [90, 430]]), 1.0,
    )  # fmt: skip
    table = 0.35 + 0.08 * cv2.GaussianBlur(noise, (0, 0), 2) * 5
    page = np.where(sheet > 0, 0.9 * (1 - 0.8 * ink), table) + 0.01 * noise
    _assert_is_the_ink(_read(_save(tmp_path, page)), ink)


def test_a_photo_is_read_upright(tmp_path):
    ink = _ink()
    turned = Image.fromarray(np.rint((1 - ink) * 255).astype(np.uint8)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it upright"
    path = tmp_path / "cat.jpg"
    turned.save(path, exif=exif, quality=90)
    _assert_is_the_ink(_read(path), ink)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_all_kinds_of_pixels_are_read(tmp_path, mode):
    ink = _ink()
    image = Image.fromarray(np.rint((1 - ink) * 255).astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.rint((1 - ink) * 65535).astype(np.uint16))
    else:
        image = image.convert(mode)
    path = tmp_path / "cat.png"
    image.save(path)
    _assert_is_the_ink(_read(path), ink)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_blank_picture_says_that_no_ink_was_found(tmp_path, value, noise):
    for page in (np.full((HEIGHT, WIDTH), value), np.clip(value + 0.02 * noise, 0, 1)):
        with pytest.raises(FormatError, match=r"cat\.png: the picture is blank: no ink stands out"):
            list(read_drawings(_save(tmp_path, page)))


@pytest.mark.parametrize("grain", [0.0, 0.02, 0.04])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_blank_paper_in_uneven_light_is_blank(tmp_path, grain, suffix, noise):
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH] / WIDTH
    light = 0.5 + 0.3 * xs + 0.15 * np.exp(-((xs - 0.6) ** 2 + (ys - 0.3) ** 2) / 0.1)
    how = {"quality": 30} if suffix == "jpg" else {}
    with pytest.raises(FormatError, match="the picture is blank"):
        list(read_drawings(_save(tmp_path, light * (1 + grain * noise), suffix, **how)))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2, 2), (300, 3)])
def test_tiny_pictures_are_read_or_blank(tmp_path, size):
    page = np.ones(size)
    page[:, : max(1, size[1] // 9)] = 0
    path = _save(tmp_path, page)
    try:
        assert _read(path).any()
    except FormatError as error:
        assert "blank" in error.problem  # noqa: PT017 - either is right


def _png(width: int, height: int) -> bytes:
    """A PNG that claims a size and has hardly a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(9000, 9000), (40_000, 40_000), (2**31 - 1, 2**31 - 1)])
def test_gigapixels_are_refused_by_the_header(tmp_path, size):
    path = tmp_path / "cat.png"
    path.write_bytes(_png(*size))
    with pytest.raises(FormatError, match="the picture has more than 64 million pixels; reduce it"):
        list(read_drawings(path))


@pytest.mark.parametrize(("is_progressive", "millions"), [(False, 512), (True, 64)])
def test_a_giant_jpeg_is_refused_with_the_limit_of_its_kind(tmp_path, is_progressive, millions):
    file = io.BytesIO()
    Image.new("L", (40, 30), 255).save(file, "jpeg", progressive=is_progressive)
    size = struct.pack(">HH", 30, 40)
    path = tmp_path / "cat.jpg"
    path.write_bytes(file.getvalue().replace(size, struct.pack(">HH", 40_000, 40_000), 1))
    with pytest.raises(FormatError, match=f"40000 x 40000 .*more than {millions} million pixels"):
        list(read_drawings(path))


_MEASURED = """
import re, sys
from garabato.formats import read_drawings

(drawing,) = read_drawings(sys.argv[1])
# not getrusage's, which is at least that of the process that started this one
(peak_kib,) = re.findall(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())
print(int(peak_kib) // 1024, *drawing.bitmap.shape)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is Linux's to tell")
@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_a_picture_of_60_million_pixels_is_held_once(tmp_path, mode):
    path = tmp_path / "cat.png"
    page = np.full((6000, 10_000), 60_000 if mode == "I;16" else 230, np.uint16)
    cv2.polylines(page, [np.array([[500, 500], [9500, 500], [9500, 5500]])], False, 40, 80)
    if mode == "RGBA":
        page = np.repeat(page.astype(np.uint8)[:, :, None], 4, axis=2)
        page[:, :, 3] = 255
        page[:100, :100, 3] = 0
    Image.fromarray(page).save(path, compress_level=1)
    assert path.stat().st_size < 2**21
    command = [sys.executable, "-c", _MEASURED, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    peak_mib, height, width = map(int, done.stdout.split())
    assert peak_mib < 800
    assert width / height == pytest.approx(9080 / 5080, rel=0.01)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tif", "avif"])
def test_a_truncated_picture_is_an_error(tmp_path, suffix):
    path = _save(tmp_path, 1 - _ink(), suffix)
    data = path.read_bytes()
    for n_kept in (20 if suffix == "bmp" else 12, 40, len(data) // 2):
        path.write_bytes(data[:n_kept])
        with pytest.raises(FormatError, match=r"a truncated or damaged picture"):
            list(read_drawings(path))


def test_a_tiff_of_a_rare_kind_is_not_only_called_damaged(tmp_path):
    """Two channels of 16 bits, as ImageMagick writes grey pictures with transparency."""
    path = tmp_path / "cat.tif"
    Image.new("LA", (9, 9)).save(path)
    bits = struct.pack("<HHI2H", 258, 3, 2, 8, 8)
    assert bits in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(bits, struct.pack("<HHI2H", 258, 3, 2, 16, 16)))
    with pytest.raises(FormatError, match="or one of a rare kind; save it as PNG"):
        list(read_drawings(path))


def test_a_heavy_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MAX_BYTES", 100)
    with pytest.raises(FormatError, match="bigger than the"):
        list(read_drawings(_save(tmp_path, 1 - _ink())))


def _small(suffix: str) -> bytes:
    stream = io.BytesIO()
    page = cv2.resize(1 - _ink(), (64, 48), interpolation=cv2.INTER_AREA)
    Image.fromarray((page * 255).astype(np.uint8)).save(
        stream, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix)
    )
    return stream.getvalue()


_SMALL = {
    suffix: _small(suffix)
    for suffix in ("png", "jpg", "webp", "gif", "bmp", "tif", "avif", "ico", "ppm")
}


@settings(max_examples=120)
@given(st.sampled_from(sorted(_SMALL)), st.integers(1, 6), st.randoms(use_true_random=False))
def test_mutated_pictures_are_read_or_refused(
    tmp_path_factory, suffix: str, n_changes: int, chance: random.Random
):
    mutated = bytearray(_SMALL[suffix])
    for _ in range(n_changes):
        mutated[chance.randrange(12, len(mutated))] = chance.randrange(256)
    path = tmp_path_factory.mktemp("mutated") / f"cat.{suffix}"
    path.write_bytes(mutated)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            drawings = list(read_drawings(path))
        except FormatError:
            return
    assert all(d.bitmap is not None and d.bitmap.any() for d in drawings)


def _save_animation(path: Path, frames: list[Grey], **how: object) -> Path:
    images = [Image.fromarray(np.rint((1 - ink) * 255).astype(np.uint8)) for ink in frames]
    images[0].save(path, save_all=True, append_images=images[1:], **how)
    return path


@pytest.mark.parametrize("suffix", ["png", "gif", "webp"])
def test_an_animation_gives_its_last_frame(tmp_path, suffix):
    ink = _ink()
    first = ink.copy()
    first[:, 260:] = 0
    how = {"lossless": True} if suffix == "webp" else {}
    frames = [np.zeros_like(ink), first, ink]
    path = _save_animation(tmp_path / f"cat.{suffix}", frames, **how)
    _assert_is_the_ink(_read(path), ink)


def test_an_animation_that_ends_blank_gives_an_earlier_frame(tmp_path):
    ink = _ink()
    blank = np.zeros_like(ink)
    path = _save_animation(tmp_path / "cat.gif", [ink, blank + 0.01, blank])
    _assert_is_the_ink(_read(path), ink)


@pytest.mark.parametrize("quality", [10, 30])
def test_specks_that_a_lossy_animation_leaves_are_no_drawing(tmp_path, quality):
    ink = _ink()
    blank = np.zeros_like(ink)
    half = ink.copy()
    half[:, 260:] = 0
    path = _save_animation(tmp_path / "cat.webp", [blank, half, ink, blank], quality=quality)
    with Image.open(path) as animation:
        animation.seek(animation.n_frames - 1)
        assert np.asarray(animation.convert("L")).min() < 240  # specks, not plain paper
    _assert_is_the_ink(_read(path), ink)


def test_an_animation_that_stays_blank_for_long_gives_an_earlier_frame(tmp_path):
    ink = _ink()
    blanks = [np.full_like(ink, 0.01 * i) for i in range(16)]
    path = _save_animation(tmp_path / "cat.gif", [*blanks[:5], ink, 0.99 * ink, *blanks[5:]])
    with Image.open(path) as animation:
        assert animation.n_frames == 18
    _assert_is_the_ink(_read(path), ink)


@pytest.mark.parametrize("n_blank", [1, 5])
def test_the_first_page_of_a_tiff_with_ink_is_read(tmp_path, n_blank):
    ink = _ink()
    blank = [np.zeros_like(ink)] * n_blank
    path = _save_animation(tmp_path / "cat.tif", [*blank, ink, _ink("star")])
    _assert_is_the_ink(_read(path), ink)


def test_a_large_page_of_a_tiff_is_refused_before_it_is_decoded(tmp_path):
    pages = [Image.new("1", (64, 64), 1), Image.new("1", (8100, 8000), 1)]
    path = tmp_path / "cat.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="group4")
    with pytest.raises(FormatError, match="more than 64 million pixels"):
        next(read_drawings(path))


@pytest.mark.slow
def test_a_jpeg_of_more_than_64_million_pixels_is_decoded_reduced(tmp_path):
    page = np.full((8500, 8500), 255, np.uint8)
    cv2.polylines(page, [np.array([[500, 500], [8000, 500], [8000, 5500]])], False, 40, 80)
    path = tmp_path / "cat.jpg"
    Image.fromarray(page).save(path, quality=60)
    found = _read(path)
    assert found.shape[1] / found.shape[0] == pytest.approx(7580 / 5080, rel=0.02)


def test_a_heic_picture_is_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    ink = _ink()
    path = tmp_path / "cat.heic"
    picture = Image.fromarray(np.rint((1 - ink) * 255).astype(np.uint8)).convert("RGB")
    pillow_heif.from_pillow(picture).save(path, quality=90)
    _assert_is_the_ink(_read(path), ink)


def test_a_heic_picture_without_its_extra_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "cat.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 100)
    with pytest.raises(FormatError, match=r"pip install 'garabato\[heic\]'"):
        list(read_drawings(path))


def test_a_text_that_begins_like_a_bmp_is_no_picture():
    assert not reader.looks_like(b"BMW, a drawing of a car, another")


@pytest.mark.parametrize("fall", [0, 6, 12, 20, 30])
def test_pale_lines_are_found_however_the_light_falls(tmp_path, fall, noise):
    ink = _ink(pen=4)
    light = (200 - fall * np.linspace(0, 1, WIDTH, dtype=np.float32)) / 255
    page = light * (1 - 0.15 * ink) + 0.008 * noise
    _assert_is_the_ink(_read(_save(tmp_path, page)), ink)


@pytest.mark.parametrize("grain", [0.0, 0.008])
def test_one_dark_line_does_not_hide_pale_ones(tmp_path, grain, noise):
    ink = _ink("house", pen=5)
    dark = np.zeros_like(ink)
    dark[250:256, 330:400] = 1
    together = np.maximum(ink, dark)
    _assert_is_the_ink(
        _read(_save(tmp_path, 0.95 - 0.2 * ink - 0.6 * dark + grain * noise)), together
    )
