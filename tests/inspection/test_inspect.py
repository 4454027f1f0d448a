"""What is in a data set or a source, and what is there more than once."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import SKETCH_CATEGORIES, make_drawings, simplified_line, write_source

from garabato.dataset import Dataset, prepare
from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import SourceError
from garabato.formats import write_drawings
from garabato.inspection import inspect, write_inspection
from garabato.inspection.inspect import equal_groups, near_groups
from garabato.sources import open_source

STARS = make_drawings(["star"], 5, seed=0)
HOUSES = make_drawings(["house"], 4, seed=0)
HALF = Drawing([np.rint(stroke / 2) for stroke in STARS[2].strokes], key_id="half")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Five stars and one at half size; four houses, a star among them, two dots, an empty one."""
    folder = tmp_path_factory.mktemp("inspect") / "drawings"
    folder.mkdir()
    stars = [d.replace(country="US", recognized=True) for d in STARS] + [HALF]
    houses = [d.replace(country="DE", recognized=i > 0) for i, d in enumerate(HOUSES)]
    houses += [
        STARS[1].replace(key_id=STARS[0].key_id, country=None, recognized=None),
        Drawing([[[3], [4]]]),
        Drawing([[[3, 3], [4, 4]]], country="US"),
        Drawing([], key_id="empty"),
    ]
    for name, drawings in (("star", stars), ("house", houses)):
        lines = [simplified_line(drawing) for drawing in drawings]
        (folder / f"{name}.ndjson").write_text("\n".join([*lines, "nonsense"]) + "\n")
    return folder


@pytest.fixture(scope="module")
def found(source):
    return inspect(source)


def test_drawings_are_counted_by_category_country_and_recognized(found):
    assert (found.name, found.kind) == ("drawings", "source")
    assert found.n_drawings == 14
    assert [(c.name, c.n) for c in found.categories] == [("house", 8), ("star", 6)]
    assert list(found.countries.items()) == [("US", 6), ("DE", 4)]
    assert found.recognized == {"yes": 8, "no": 1, "unknown": 5}
    house, star = found.categories
    assert (house.recognized, house.unrecognized) == (3, 1)
    assert (star.recognized, star.unrecognized) == (5, 0)


def test_the_distributions_of_strokes_and_points_agree_with_numpy(found):
    inked = [*STARS, HALF, *HOUSES, STARS[1], Drawing([[[3], [4]]]), Drawing([[[3, 3], [4, 4]]])]
    for spread, numbers in (
        (found.strokes, [len(d.strokes) for d in inked]),
        (found.points, [len(d.points) for d in inked]),
    ):
        assert spread.mean == pytest.approx(np.mean(numbers))
        assert spread.median == np.median(numbers)
        assert spread.largest == max(numbers)
        assert sum(spread.bins) == 13
    assert found.strokes.bins[0] == sum(len(d.strokes) == 1 for d in inked)
    assert found.points.bins[0] == 2  # the two of 1 to 4 points
    assert found.categories[1].median_strokes == 1


def test_copies_near_copies_dots_and_empty_drawings_are_found(found):
    assert found.repeated.n_groups == 1
    assert found.repeated.across_categories == 1
    (rows,) = found.repeated.groups
    assert found.members(rows) == [
        {"key_id": STARS[0].key_id, "category": "house"},
        {"key_id": STARS[1].key_id, "category": "star"},
    ]
    (rows,) = found.near.groups
    assert {member["key_id"] for member in found.members(rows)} == {STARS[2].key_id, "half"}
    assert found.near.across_categories == 0
    assert len(found.dots) == 2
    assert found.members(found.empty) == [{"key_id": "empty", "category": "house"}]
    assert found.repeated_key_ids == 1
    house, star = found.categories
    assert (house.repeated, house.near, house.dots, house.empty) == (1, 0, 2, 1)
    assert (star.repeated, star.near, star.dots, star.empty) == (1, 2, 0, 0)


def test_unreadable_lines_are_counted(found):
    assert found.unreadable["n_unreadable"] == 2
    assert found.unreadable["n_read"] == 14


def test_the_document_is_json_with_all_numbers(found):
    document = json.loads(json.dumps(found.to_dict()))
    assert document["n_drawings"] == 14
    assert document["n_categories"] == 2
    assert document["categories"]["house"]["n"] == 8
    assert document["repeated"]["n_groups"] == 1
    assert document["near"]["groups"][0][0]["category"] == "star"
    assert document["dots"]["n_drawings"] == 2
    assert found.to_dict(max_groups=0)["near"]["groups"] == []


def test_near_duplicates_across_splits_are_counted(tmp_path):
    source = write_source(tmp_path / "source", ["star"], 20, seed=0)
    copies = [
        Drawing([np.rint(stroke / 2) for stroke in d.strokes], key_id=f"half {d.key_id}")
        for d in make_drawings(["star"], 20, seed=0)
    ]
    with open(source / "star.ndjson", "a") as file:
        file.writelines(simplified_line(copy) + "\n" for copy in copies)
    prepare(source, tmp_path / "data", categories=1, n_train=30, n_test=10)
    found = inspect(tmp_path / "data")
    assert found.kind == "data set"
    assert found.categories[0].splits == {"train": 30, "test": 10}
    assert repr(found).startswith("Inspection(name='data', kind='data set', n_drawings=40, ")
    assert inspect(Dataset.open(tmp_path / "data")).to_dict() == found.to_dict()
    assert inspect(open_source(source)).to_dict() == inspect(source).to_dict()
    assert found.near.n_groups == 20
    assert 0 < found.near.across_splits <= 10
    across = [
        rows for rows in found.near.groups if len({m["split"] for m in found.members(rows)}) > 1
    ]
    assert len(across) == found.near.across_splits


def test_bitmaps_are_counted_and_compared_by_pixel(tmp_path):
    bitmaps = np.zeros((6, 784), np.uint8)
    for row, bitmap in enumerate(bitmaps):
        bitmap[row * 5] = 255
    bitmaps[4], bitmaps[5] = bitmaps[0], 0
    np.save(tmp_path / "cat.npy", bitmaps)
    found = inspect(tmp_path)
    assert found.strokes is None
    assert found.points is None
    assert found.repeated.n_drawings == 2
    assert len(found.empty) == 1
    assert found.near.n_groups == 0
    write_inspection(found, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    parts = html.partition("<h2>Samples</h2>")
    assert [part.count("data:image/png;base64,") for part in parts] == [2, 0, 5]


def test_strokes_and_bitmaps_in_one_folder_are_not_mixed(tmp_path):
    write_source(tmp_path, ["star"], 3, seed=0)
    np.save(tmp_path / "cat.npy", np.eye(3, 784, dtype=np.uint8))
    with pytest.raises(SourceError, match=r"strokes and bitmaps.*a folder of its own"):
        inspect(tmp_path)


def test_the_page_is_self_contained_and_shows_all_findings(found, tmp_path):
    path = tmp_path / "page.html"
    write_inspection(found, path)
    page = path.read_text()
    body = page[page.index("<body>") : page.index("</html>")].replace("&nbsp;", " ")
    tree = ET.fromstring(body)  # well-formed, every tag closed
    assert not [e for e in tree.iter() if e.tag in ("script", "link", "iframe")]
    assert "http" not in page.replace("http-equiv", "")
    captions = [e.text for e in tree.iter("b")]
    assert captions.count("house") + captions.count("star") == 2 + 2 + 2
    numbers = [e.text for e in tree.find(".//div[@class='numbers']").iter("b")]
    assert numbers == ["14", "2", "2", "2", "1", "2", "1", "2"]
    paths = [e.get("d") for e in tree.iter("path")]
    assert "M152 152L152 152" in paths  # a dot, centred
    assert "nonsense" not in page
    assert "broken JSON" in page
    axes = [[e.text for e in axis] for axis in tree.iterfind(".//div[@class='axis']")]
    assert axes == [["1", "20 or more"], ["1 to 4", "157 or more"]]
    strokes, points = (e for e in tree.iter("svg") if e.get("class") == "histogram")
    n_single = sum(len(d.strokes) == 1 for d in [*STARS, HALF, *HOUSES, STARS[1]]) + 2  # two dots
    assert f"1: {n_single} drawings" in "".join(strokes.itertext())
    assert "1 to 4: 2 drawings" in "".join(points.itertext())
    headings = [e.text for e in tree.iter("h2")]
    assert headings[:2] == ["Strokes in a drawing", "Points in a drawing"]


def test_names_are_escaped_in_the_page(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    line = simplified_line(STARS[0].replace(country="<b>US"))
    (folder / "<script>.ndjson").write_text(f"{line}\n")
    write_inspection(inspect(folder), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>US" not in page


def test_real_drawings_are_nearly_free_of_copies(quickdraw):
    found = inspect(quickdraw / "raw")
    files = list((quickdraw / "raw").glob("*.ndjson"))
    assert found.n_drawings == sum(len(file.read_bytes().splitlines()) for file in files)
    assert len(found.categories) == len(files)
    assert found.unreadable["n_unreadable"] == 0
    assert len(found.empty) == 0


def test_the_page_shows_a_sample_of_each_category(tmp_path):
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 30, seed=0))
    write_drawings(
        tmp_path / "house.ndjson", [Drawing(), *make_drawings(["house"], 3, seed=0), Drawing()]
    )
    found = inspect(tmp_path)
    samples = found.samples(8)
    names = found.table["category"].to_pylist()
    assert [len(rows) for rows in samples.values()] == [3, 8]
    assert all(names[row] == name for name, rows in samples.items() for row in rows)
    assert set(samples["house"]).isdisjoint(found.empty)
    write_inspection(found, tmp_path / "inspect.html")
    html = (tmp_path / "inspect.html").read_text()
    shown = html[html.index("<h2>Samples</h2>") :]
    assert [shown.count(f'aria-label="{name}"') for name in ("house", "star")] == [3, 8]


def near(drawings):
    groups = near_groups(DrawingBatch.from_drawings(drawings))
    return sorted(rows.tolist() for rows in groups)


def scaled(drawing, scale, x=0.0, y=0.0):
    """As written down in whole numbers at another size and place."""
    shift = np.array([[x], [y]])
    return Drawing([np.rint(stroke * scale + shift) for stroke in drawing.strokes])


SKETCHES = make_drawings(SKETCH_CATEGORIES, 6, seed=0)


def test_equal_values_are_grouped_and_single_ones_left_out():
    groups = equal_groups("abcab a")
    assert sorted(rows.tolist() for rows in groups) == [[0, 3, 6], [1, 4]]


def test_different_sketches_are_not_near_duplicates():
    assert near(SKETCHES) == []


@settings(max_examples=60)
@given(
    st.integers(0, len(SKETCHES) - 1),
    st.floats(0.5, 4),
    st.floats(-300, 300),
    st.floats(-300, 300),
)
def test_a_moved_and_scaled_copy_is_found(row, scale, x, y):
    copy = scaled(SKETCHES[row], scale, x, y)
    assert near([*SKETCHES, copy]) == [[row, len(SKETCHES)]]


def test_drawings_with_other_strokes_are_not_near_duplicates():
    house = next(d for d in SKETCHES if d.category == "house" and len(d.strokes) == 3)
    other_order = Drawing(house.strokes[::-1])
    without_door = Drawing(house.strokes[:2])
    assert near([house, other_order, without_door]) == []


def test_the_tolerance_is_in_units_of_255():
    square = Drawing([[[0, 255, 255, 0], [0, 0, 255, 255]]])
    off_by_3, off_by_4 = (Drawing([[[0, 255, 255, off], [0, 0, 255, 255]]]) for off in (3, 4))
    assert near([square, off_by_4]) == []
    assert near([square, off_by_3]) == [[0, 1]]


def test_dots_and_empty_drawings_are_in_no_group():
    dot, empty = Drawing([[[3], [4]]]), Drawing([])
    assert near([dot, dot, empty, empty]) == []


def test_groups_are_disjoint_and_do_not_chain():
    # Lines of slowly changing slope: neighbours are alike, the ends are not.
    lines = [Drawing([[[0, 255], [0, y]]]) for y in range(100)]
    groups = near(lines)
    members = [row for group in groups for row in group]
    assert len(members) == len(set(members)) == 100
    assert all(max(group) - min(group) <= 3 for group in groups)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_follows_its_colour_scheme(tmp_path, browser, scheme):
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 3, 0))
    write_inspection(inspect(tmp_path), tmp_path / "page.html")
    context = browser.new_context(
        viewport={"width": 360, "height": 700}, color_scheme=scheme, device_scale_factor=1
    )
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(246, 246, 243)", "dark": "rgb(23, 24, 28)"}[scheme]
    context.close()
