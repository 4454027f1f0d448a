from __future__ import annotations

import gzip
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sketches import make_drawings, sketch, write_source

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import CategoryError, FormatError, InputError, SourceError
from garabato.formats import ReadReport, read_batches, read_drawings, write_drawings
from garabato.render import RenderSpec, render_batch
from garabato.sources import open_source
from garabato.sources.folder import FolderSource, category_of

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg"><path stroke="black" fill="none" d="M0 0L9 9"/></svg>'
)


def test_the_categories_are_the_names_of_the_files(sketch_source):
    categories = open_source(sketch_source).categories()
    assert list(categories) == sorted(file.stem for file in sketch_source.iterdir())
    assert all(files == [sketch_source / f"{name}.ndjson"] for name, files in categories.items())


def test_a_category_is_read_with_its_name_set(sketch_source, tmp_path):
    (batch,) = open_source(sketch_source).read("circle")
    assert len(batch) == 40
    assert set(batch.categories) == {"circle"}
    np.save(tmp_path / "circle.npy", np.zeros((2, 784), np.uint8))
    (batch,) = open_source(tmp_path).read("circle")
    assert batch.categories == ["circle", "circle"]
    assert batch.key_ids == ["circle-0", "circle-1"]


def test_a_misspelt_category_gets_the_nearest_suggested(sketch_source):
    with pytest.raises(CategoryError, match="no category 'circel'; did you mean 'circle'"):
        list(open_source(sketch_source).read("circel"))


def test_gzipped_files_belong_to_their_category(tmp_path):
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 2, seed=0))
    data = (tmp_path / "star.ndjson").read_bytes()
    (tmp_path / "house.ndjson.gz").write_bytes(gzip.compress(data))
    assert list(open_source(tmp_path).categories()) == ["house", "star"]


def test_a_folder_without_drawings_is_named_with_what_was_expected(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SourceError, match=rf"{tmp_path} holds no drawings; expected files"):
        open_source(tmp_path)


def test_a_folder_above_the_right_one_points_to_it(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").touch()
    write_source(tmp_path / "simplified", ["star"], per_category=1, seed=0)
    with pytest.raises(SourceError, match="use its folder simplified"):
        open_source(tmp_path)


def test_a_path_that_is_not_a_folder_is_named(tmp_path):
    with pytest.raises(SourceError, match="none does not exist"):
        open_source(tmp_path / "none")


def test_an_unreadable_file_is_counted_and_the_others_are_read(tmp_path):
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 2, seed=0))
    (tmp_path / "star.ndjson.gz").write_bytes(b"")
    report = ReadReport()
    assert sum(map(len, open_source(tmp_path).read("star", report=report))) == 2
    assert report.n_unreadable == 1
    assert "the file is empty" in report.lines()[0]
    with pytest.raises(FormatError, match="the file is empty"):
        list(open_source(tmp_path).read("star", strict=True))


def test_without_a_report_what_cannot_be_read_is_logged(tmp_path, caplog):
    (tmp_path / "cat.ndjson").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "garabato"):
        assert list(open_source(tmp_path).read("cat")) == []
    assert "1 unreadable: the file is empty" in caplog.text


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("cat.ndjson (1)", "cat"),
        ("Kopie von cat.ndjson", "cat"),
        ("full simplified alarm clock.ndjson", "alarm clock"),
        ("cat.ndjson", "cat"),
        ("The Eiffel Tower.bin", "The Eiffel Tower"),
        ("full_simplified_t-shirt.ndjson.gz", "t-shirt"),
        ("full_numpy_bitmap_alarm clock.npy", "alarm clock"),
        ("sketchrnn_cat.npz", "cat"),
        ("cat.full.npz", "cat"),
        ("alarm%20clock.ndjson", "alarm clock"),
        ("full%2Fsimplified%2Fcat.ndjson", "cat"),
        ("full-simplified-cat.ndjson", "cat"),
        ("full-numpy_bitmap-dog.npy", "dog"),
        ("full_simplified_cat (1).ndjson", "cat"),
        ("cat (2).ndjson.gz", "cat"),
        ("The%20Mona%20Lisa/1.png", "The Mona Lisa"),
        ("alarm+clock.ndjson", "alarm clock"),
        ("full%252Fsimplified%252Falarm%2520clock.ndjson", "alarm clock"),
        ("cat - Copy.ndjson", "cat"),
        ("cat - Copy (2).ndjson", "cat"),
        ("cat copy 2.npy", "cat"),
        ("cat (copy).npy", "cat"),
        ("cat (another copy).npy", "cat"),
        ("cat (3rd copy).npy", "cat"),
        ("full_simplified_cat_(1).ndjson", "cat"),
        ("cat (tame).ndjson", "cat (tame)"),
        ("Copy of cat.ndjson", "cat"),
        ("cat[1].bin", "cat"),
        ("cat (1) (1).ndjson", "cat"),
        ("cat.ndjson.1", "cat"),
        ("full%2Fsimplified%2Fcat.ndjson?alt=media&token=a.b", "cat"),
        ("quickdraw_dataset_full_simplified_cat.ndjson", "cat"),
        ("CAT.NDJSON.GZ", "CAT"),
        ("Full_Simplified_cat.NDJSON", "cat"),
        ("cafe\u0301.ndjson", "caf\u00e9"),
        ("cat (1)/1.png", "cat"),
        ("copy.ndjson", "copy"),
        ("c++.ndjson", "c++"),
    ],
)
def test_additions_to_names_by_google_browsers_and_wget_are_removed(name, category):
    assert category_of(Path(name)) == category


def test_all_formats_with_many_drawings_are_found(tmp_path):
    drawings = make_drawings(["star"], 3, seed=0)
    for name in ("a.ndjson", "b.bin", "c.npz"):
        write_drawings(tmp_path / name, drawings)
    write_drawings(tmp_path / "d.npy", [Drawing(bitmap=np.ones((28, 28), np.uint8))])
    (tmp_path / ".hidden.ndjson").write_text("not looked at")
    source = open_source(tmp_path)
    assert list(source.categories()) == ["a", "b", "c", "d"]
    assert [sum(map(len, source.read(name, strict=True))) for name in "abcd"] == [3, 3, 3, 1]


def _picture(path: Path, category: str, seed: int) -> None:
    path.parent.mkdir(exist_ok=True)
    drawing = sketch(category, seed)
    if path.suffix == ".svg":
        write_drawings(path, [drawing])
    else:
        spec = RenderSpec(size_px=90 + seed)
        (image,) = render_batch(DrawingBatch.from_drawings([drawing]), spec)
        Image.fromarray(255 - image).save(path)


def test_folders_of_pictures_are_categories_and_come_as_strokes(tmp_path):
    for number, name in enumerate(["1.png", "2.JPG", "3.svg", "4.webp"]):
        _picture(tmp_path / "star" / name, "star", number)
    _picture(tmp_path / "house" / "1.png", "house", 0)
    (tmp_path / "star" / "notes.txt").write_text("hello")
    source = open_source(tmp_path)
    assert [(name, len(files)) for name, files in source.categories().items()] == [
        ("house", 1),
        ("star", 4),
    ]
    (batch,) = source.read("star", strict=True)
    assert batch.bitmaps is None
    assert batch.key_ids == ["star/1.png", "star/2.JPG", "star/3.svg", "star/4.webp"]
    assert set(batch.categories) == {"star"}
    assert all(not drawing.is_empty for drawing in batch)
    assert batch.traced == [True, True, None, True]


@pytest.mark.parametrize("name", ["1.png", "1.svg"])
def test_a_picture_in_a_folder_is_seen_as_the_same_picture_in_a_query(tmp_path, name):
    _picture(tmp_path / "star" / name, "star", 0)
    (stored,) = open_source(tmp_path).read("star", strict=True)
    spec = RenderSpec(48, order=True, path=True)
    queries = list(read_drawings(tmp_path / "star" / name))
    np.testing.assert_array_equal(render_batch(stored, spec), render_batch(queries, spec))


def test_pictures_in_the_folder_itself_are_of_its_category(tmp_path):
    _picture(tmp_path / "star" / "1.png", "star", 0)
    source = open_source(tmp_path / "star")
    assert list(source.categories()) == ["star"]
    assert [len(batch) for batch in source.read("star")] == [1]


def test_pictures_beside_drawing_files_belong_to_their_folder(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    write_drawings(mine / "house.ndjson", make_drawings(["house"], 2, seed=0))
    for name in ("face.png", "star.svg", "star/1.png"):
        _picture(mine / name, "star", 0)
    source = open_source(mine)
    assert source.categories() == {
        "house": [mine / "house.ndjson"],
        "mine": [mine / "face.png", mine / "star.svg"],
        "star": [mine / "star" / "1.png"],
    }
    read = {name: next(source.read(name, strict=True)) for name in source.categories()}
    assert read["mine"].key_ids == ["mine/face.png", "mine/star.svg"]
    assert [len(batch) for batch in read.values()] == [2, 2, 1]


def test_a_category_may_have_files_with_many_drawings_and_pictures(tmp_path):
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 2, seed=0))
    _picture(tmp_path / "star" / "1.png", "star", 3)
    source = open_source(tmp_path)
    assert list(source.categories()) == ["star"]
    assert [len(batch) for batch in source.read("star", strict=True)] == [2, 1]


def test_files_that_are_not_read_are_counted_and_named(tmp_path, caplog):
    _picture(tmp_path / "cat" / "1.png", "star", 0)
    for name in ("cat/2.psd", "cat/3.ps", "notes.txt", "README.md", "cat/4.PSD"):
        (tmp_path / name).touch()
    open_source(tmp_path)
    assert caplog.messages == [f"{tmp_path}: skipped 4 files (.ps, .psd, .txt)"]


def test_a_folder_of_archives_alone_names_them(tmp_path, caplog):
    (tmp_path / "cat.zip").write_bytes(b"PK")
    with pytest.raises(SourceError, match="holds no drawings"):
        FolderSource(tmp_path)
    assert caplog.messages == [f"{tmp_path}: skipped 1 file (.zip)"]


def test_a_folder_of_splits_points_to_them(tmp_path):
    for split in ("test", "train"):
        (tmp_path / split / "cat").mkdir(parents=True)
        (tmp_path / split / "cat" / "1.png").touch()
    with pytest.raises(SourceError, match="use one of its folders: test, train"):
        open_source(tmp_path)


def test_pictures_with_different_names_in_one_folder_are_reported(tmp_path, caplog):
    flat = tmp_path / "flat"
    for name in ("lamp-1.svg", "lamp-2.svg", "chair_03.svg", "sun.svg"):
        _picture(flat / name, "star", 0)
    assert list(open_source(flat).categories()) == ["flat"]
    (told,) = caplog.messages
    assert "4 pictures are read as 'flat'" in told
    assert "(chair, lamp, sun): --category-from name" in told
    source = open_source(flat, category_from="name")
    assert {name: len(files) for name, files in source.categories().items()} == {
        "chair": 1,
        "lamp": 2,
        "sun": 1,
    }
    (batch,) = source.read("lamp", strict=True)
    assert batch.key_ids == ["lamp-1.svg", "lamp-2.svg"]
    assert batch.categories == ["lamp", "lamp"]


@pytest.mark.parametrize("given", ["flat", "flat/lamp-1.svg"])
def test_a_picture_named_unlike_its_folder_is_reported(tmp_path, caplog, given):
    _picture(tmp_path / "flat" / "lamp-1.svg", "star", 0)
    assert list(open_source(tmp_path / given).categories()) == ["flat"]
    (told,) = caplog.messages
    assert "its picture is read as 'flat', the name of the folder" in told
    assert "(lamp): --category-from name" in told


def test_a_linked_folder_gives_the_name_of_the_link(tmp_path):
    _picture(tmp_path / "n02121620" / "1.svg", "star", 0)
    source = tmp_path / "source"
    source.mkdir()
    (source / "cat").symlink_to(tmp_path / "n02121620")
    assert list(open_source(source).categories()) == ["cat"]


def test_numbered_pictures_in_one_folder_are_not_reported(tmp_path, caplog):
    for name in ("1.svg", "2.svg"):
        _picture(tmp_path / "star" / name, "star", 0)
    assert list(open_source(tmp_path / "star").categories()) == ["star"]
    assert caplog.messages == []


def _table(path: Path) -> None:
    rows = ["word,key_id,drawing", *(f'{word},{n},"[[[0, 9], [0, 9]]]"' for n, word in
            enumerate(["cat", "dog", "cat", ""])), "dog,9,nonsense"]  # fmt: skip
    path.write_text("\n".join(rows))


def test_the_drawings_of_a_table_have_their_own_categories(tmp_path):
    _table(tmp_path / "train.csv")
    source = open_source(tmp_path)
    report = ReadReport()
    read = {
        name: [key_id for batch in source.read(name, report=report) for key_id in batch.key_ids]
        for name in source.categories()
    }
    assert read == {"cat": ["0", "2"], "dog": ["1"], "train": ["3"]}
    assert (report.n_read, report.n_unreadable) == (4, 1)


def test_a_table_of_many_categories_is_parsed_as_often_as_one_of_two(tmp_path, monkeypatch):
    rows = [f'c{n % 40},{n},"[[[0, {n}], [0, 9]]]"' for n in range(600)]
    (tmp_path / "train.csv").write_text("\n".join(["word,key_id,drawing", *rows]))
    source = open_source(tmp_path)
    reads = []
    monkeypatch.setattr("garabato.sources.sorted_table._SORTED_AT_ONCE", 300)
    monkeypatch.setattr(
        "garabato.sources.folder.read_batches",
        lambda *args, **options: reads.append(1) or (b for b in read_batches(*args, **options)),
    )
    read = {name: list(source.read(name)) for name in source.categories()}
    assert len(reads) == 1
    for n in range(40):
        drawings = [drawing for batch in read[f"c{n}"] for drawing in batch]
        assert [drawing.key_id for drawing in drawings] == [str(k) for k in range(n, 600, 40)]
        assert all(drawing.points[1, 0] == int(drawing.key_id) for drawing in drawings)
        assert {drawing.category for drawing in drawings} == {f"c{n}"}


def test_categories_come_from_the_drawings_on_request(tmp_path):
    write_drawings(tmp_path / "mine.ndjson", make_drawings(["star", "house"], 3, seed=0))
    source = open_source(tmp_path, category_from="drawing")
    assert list(source.categories()) == ["house", "star"]
    assert [sum(map(len, source.read(name))) for name in ("house", "star")] == [3, 3]


def test_each_item_of_a_library_has_its_own_key_id(tmp_path):
    line = {"type": "line", "x": 0, "y": 0, "angle": 0, "points": [[0, 0], [9, 9]]}
    document = {"type": "excalidrawlib", "libraryItems": [{"elements": [line]}] * 2}
    (tmp_path / "icons").mkdir()
    (tmp_path / "icons" / "a.excalidrawlib").write_text(json.dumps(document))
    (batch,) = open_source(tmp_path).read("icons", strict=True)
    assert batch.key_ids == ["icons/a.excalidrawlib", "icons/a.excalidrawlib-2"]


def test_drawing_files_in_deeper_folders_are_reported(tmp_path, caplog):
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 2, seed=0))
    write_source(tmp_path / "raw", ["house"], per_category=1, seed=0)
    assert list(open_source(tmp_path).categories()) == ["star"]
    assert "skipped the files with many drawings in its folders raw" in caplog.text


def test_folders_that_are_too_deep_are_reported(tmp_path, caplog):
    for folder in ("arrows", "arrows/outline", "arrows/filled"):
        (tmp_path / folder).mkdir()
        write_drawings(tmp_path / folder / "left.svg", make_drawings(["line"], 1, seed=0))
    source = open_source(tmp_path)
    assert source.categories() == {"arrows": [tmp_path / "arrows" / "left.svg"]}
    (message,) = caplog.messages
    assert "skipped the folders inside its folders (arrows/filled, arrows/outline)" in message


@pytest.mark.parametrize(
    ("category_from", "folders", "name", "category"),
    [
        ("name", ("arrows", "icons"), "left.svg", "left"),
        ("auto", ("cat", "cat (1)"), "1.svg", "cat"),
    ],
)
def test_files_of_the_same_name_in_several_folders_have_their_own_key_ids(
    tmp_path, category_from, folders, name, category
):
    for seed, folder in enumerate(folders):
        (tmp_path / folder).mkdir()
        write_drawings(tmp_path / folder / name, make_drawings(["line"], 1, seed=seed))
    (batch,) = open_source(tmp_path, category_from=category_from).read(category)
    assert batch.key_ids == [f"{folder}/{name}" for folder in folders]


def test_a_source_is_shown_with_its_number_of_categories(tmp_path):
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 2, seed=0))
    assert repr(open_source(tmp_path)) == f"FolderSource({str(tmp_path)!r}, 1 category)"


def test_an_unknown_origin_of_categories_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="one of auto, name, drawing, not 'nam'; did you mean 'name'"
    ):
        open_source(tmp_path, category_from="nam")


def test_a_second_file_of_a_name_does_not_change_the_key_id_of_the_first(tmp_path):
    _picture(tmp_path / "flat" / "cloud.svg", "star", 0)
    (first,) = open_source(tmp_path, category_from="name").read("cloud")
    _picture(tmp_path / "bold" / "cloud.svg", "star", 1)
    (both,) = open_source(tmp_path, category_from="name").read("cloud")
    assert first.key_ids == ["flat/cloud.svg"]
    assert both.key_ids == ["bold/cloud.svg", "flat/cloud.svg"]


def test_drawings_whose_category_differs_from_their_file_are_reported_once(tmp_path, caplog):
    write_drawings(tmp_path / "mine.ndjson", make_drawings(["star", "house"], 3, seed=0))
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 3, seed=0))
    source = open_source(tmp_path)
    for _ in range(2):
        for name in source.categories():
            assert {c for batch in source.read(name) for c in batch.categories} == {name}
    (told,) = caplog.messages
    assert "mine.ndjson: all drawings are read as 'mine', the name of the file, but" in told
    assert "some say 'house', 'star' (6); to use their own" in told


@pytest.mark.parametrize(
    ("name", "category", "key_id"),
    [
        ("star.ndjson", "star", None),
        ("star.bin", "star", None),
        ("1.svg", "star", "star/1.svg"),
        ("1.png", "star", "star/1.png"),
    ],
)
def test_a_file_is_a_source_of_its_own(tmp_path, name, category, key_id):
    file = tmp_path / "star" / name
    file.parent.mkdir()
    write_drawings(file.parent / "house.ndjson", make_drawings(["house"], 3, seed=0))
    if name.startswith("star"):
        write_drawings(file, make_drawings(["star"], 1, seed=0))
    else:
        _picture(file, "star", 0)
    source = open_source(file)
    assert source.categories() == {category: [file]}
    (batch,) = source.read(category, strict=True)
    assert (len(batch), batch.categories) == (1, [category])
    assert key_id in (None, *batch.key_ids)


def test_a_file_of_another_kind_is_no_source(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SourceError, match=r"notes\.txt is not a file of drawings; expected files"):
        open_source(tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"PK\x03\x04" + bytes(99), "this is a zip archive; unpack it first"),
        (b"Rar!\x1a\x07\x01\0" + bytes(99), "this is a RAR archive; unpack it first"),
    ],
)
def test_an_archive_is_no_source(tmp_path, content, problem):
    (tmp_path / "cats.arc").write_bytes(content)
    with pytest.raises(SourceError, match=f"cats.arc: {problem}$"):
        open_source(tmp_path / "cats.arc")


@pytest.mark.parametrize(
    ("held", "fix"),
    [("drawings.lance", "garabato gallery info --gallery {0}$"), ("dataset.json", "as --data$")],
)
def test_a_gallery_or_a_data_set_is_no_source(tmp_path, held, fix):
    (tmp_path / held).mkdir()
    _picture(tmp_path / "sheets" / "star.png", "star", 0)
    with pytest.raises(SourceError, match=fix.format(tmp_path)):
        open_source(tmp_path)


def test_a_damaged_picture_is_counted_and_the_others_read(tmp_path):
    _picture(tmp_path / "star" / "1.png", "star", 0)
    (tmp_path / "star" / "2.png").write_bytes((tmp_path / "star" / "1.png").read_bytes()[:50])
    report = ReadReport()
    assert [len(batch) for batch in open_source(tmp_path).read("star", report=report)] == [1]
    assert (report.n_read, report.n_unreadable) == (1, 1)


def test_unreadable_lines_are_counted_once(tmp_path):
    (tmp_path / "cat.ndjson").write_text("garbage\n")
    report = ReadReport()
    assert list(open_source(tmp_path).read("cat", report=report)) == []
    assert report.n_unreadable == 1


def test_the_real_folder_holds_all_categories(quickdraw: Path):
    from garabato.categories import CATEGORIES

    assert tuple(open_source(quickdraw / "simplified").categories()) == CATEGORIES


@pytest.mark.parametrize(
    "name", ["CAT.NDJSON", "cat.ndjson.1", "cat.ndjson?raw=true", "cat.jsonl", "cat.Ndjson.GZ"]
)
def test_files_are_found_by_the_suffix_they_had_on_the_server(tmp_path, name):
    write_drawings(tmp_path / "plain.ndjson", make_drawings(["star"], 2, seed=0))
    (tmp_path / "plain.ndjson").rename(tmp_path / name)
    source = open_source(tmp_path)
    assert sum(len(b) for c in source.categories() for b in source.read(c, strict=True)) == 2


@pytest.mark.parametrize("name", ["1.svg.gz", "1.SVGZ"])
def test_gzipped_svg_files_are_pictures(tmp_path, name):
    _picture(tmp_path / "star" / "1.svg", "star", 0)
    content = (tmp_path / "star" / "1.svg").read_bytes()
    (tmp_path / "star" / "1.svg").unlink()
    (tmp_path / "star" / name).write_bytes(gzip.compress(content))
    assert sum(map(len, open_source(tmp_path).read("star", strict=True))) == 1


def test_names_that_are_not_utf8_are_read_as_latin_1(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/th\xe9.svg", "wb") as file:
        file.write(SVG)
    source = FolderSource(tmp_path, keep_originals=True)
    assert list(source.categories()) == ["caf\u00e9"]
    (batch,) = source.read("caf\u00e9")
    assert batch.key_ids == ["caf\u00e9/th\u00e9.svg"]
    assert batch[0].details.source_path == "caf\u00e9/th\u00e9.svg"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("1.inkml", '<ink xmlns="http://www.w3.org/2003/InkML"><trace>0 0, 9 9</trace></ink>'),
        ("1.xopp", "<xournal><page><layer><stroke>0 0 9 9</stroke></layer></page></xournal>"),
        ("1.excalidraw", '{"type": "excalidraw", "elements": [{"type": "line", "x": 0, "y": 0, '
         '"points": [[0, 0], [9, 9]]}]}'),
    ],
)  # fmt: skip
def test_files_that_browsers_do_not_show_are_no_originals(tmp_path, name, content):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / name).write_text(content)
    (batch,) = FolderSource(tmp_path, keep_originals=True).read("cat", strict=True)
    assert (batch[0].details.source_path, batch[0].details.original) == (f"cat/{name}", None)


def test_tables_without_drawings_beside_pictures_are_skipped_and_named(tmp_path, caplog):
    for name in ("train/cat/1.svg", "train/dog/1.svg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(SVG)
    for folder in (tmp_path, tmp_path / "train"):
        (folder / "metadata.csv").write_text("file_name,label\n1.svg,cat\n")
    with pytest.raises(SourceError, match="use its folder train"):
        FolderSource(tmp_path)
    (tmp_path / "train" / "cat" / "labels.csv").write_text("file_name,label\n1.svg,cat\n")
    caplog.clear()
    assert list(FolderSource(tmp_path / "train").categories()) == ["cat", "dog"]
    skipped = [record.message for record in caplog.records]
    assert len(skipped) == 2
    assert all(".csv: skipped: a CSV file without a column" in text for text in skipped)


def test_folders_of_systems_links_to_folders_above_and_pipes_are_passed_over(tmp_path, caplog):
    for name in ("cat", "$RECYCLE.BIN", "@eaDir", "__MACOSX"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.svg").write_bytes(SVG)
    (tmp_path / "self").symlink_to(tmp_path)
    (tmp_path / "cat" / "up").symlink_to("..")
    os.mkfifo(tmp_path / "dog.ndjson")
    source = FolderSource(tmp_path)
    assert list(source.categories()) == ["cat"]
    assert [batch.key_ids for batch in source.read("cat")] == [["cat/1.svg"]]
    assert not caplog.records


def test_splits_deep_below_are_pointed_to(tmp_path):
    for split in ("train", "val"):
        (tmp_path / "images" / split).mkdir(parents=True)
        _picture(tmp_path / "images" / split / "star" / "1.svg", "star", 0)
    with pytest.raises(SourceError, match="use one of its folders: images/train, images/val"):
        open_source(tmp_path)
