"""Icon sets: packages of SVG files, in which some files may be broken."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from garabato.errors import InputError, SourceError
from garabato.formats import ReadReport
from garabato.gallery import open_gallery
from garabato.ingest.bulk_load import index_icons
from garabato.sources import icons, open_source
from garabato.sources.icons import ICON_SETS, IconSource, unpack_icons

CLOUD = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
    b'stroke="currentColor" ><path d="M6 18h12a4 4 0 0 0 0-8 6 6 0 0 0-12 1"/></svg>'
)
FILES = {
    "LICENSE": b"MIT",
    "icons/cloud-off.svg": CLOUD,
    "icons/more/cloud-off.svg": CLOUD.replace(b"M6 18", b"M5 18"),
    "icons/sun.svg": CLOUD.replace(b"<path", b"<script>evil()</script><path"),
    "icons/broken.svg": CLOUD[:90],
    "icons/empty.svg": b"",
    "icons/text.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><text y="9">A</text></svg>',
    "icons/huge.svg": CLOUD + b" " * 2**20,
    "icons/../../../escaped.svg": CLOUD,
    "other/moon.svg": CLOUD,
    "tags.json": json.dumps(
        {"cloud-off": ["weather", "network"], "sun": {"tags": ["day"]}}
    ).encode(),
}


def package(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch) -> Path:
    """A set "tiny" as if it had been fetched; its folder in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    chosen = replace(
        ICON_SETS["lucide"], package="tiny@1.0", metadata="tags.json", link="https://x.org/{name}"
    )
    monkeypatch.setitem(icons.ICON_SETS, "tiny", chosen)
    folder = tmp_path / "garabato" / "icons" / "tiny-1.0"
    unpack_icons(package(FILES), chosen, folder)
    return folder


def test_icons_come_with_title_tags_link_path_and_file(tiny: Path) -> None:
    report = ReadReport()
    (batch,) = IconSource(["tiny"]).read("tiny", report=report)
    cloud = batch[0]
    assert (cloud.key_id, cloud.category, cloud.title) == (
        "tiny/cloud-off",
        "cloud off",
        "cloud off",
    )
    assert cloud.tags == ("tiny", "weather", "network")
    assert cloud.details.link == "https://x.org/cloud-off"
    assert cloud.details.source_path == "tiny/cloud-off.svg"
    assert cloud.details.original == CLOUD
    assert not cloud.is_empty


def test_two_icons_of_one_name_stay_two_and_unreadable_ones_are_named(tiny: Path) -> None:
    report = ReadReport()
    (batch,) = IconSource(["tiny"]).read("tiny", report=report)
    assert batch.key_ids == ["tiny/cloud-off", "tiny/more/cloud-off", "tiny/sun"]
    assert (report.n_read, report.n_unreadable) == (3, 4)
    said = "\n".join(report.lines())
    for name in ("broken.svg", "empty.svg", "text.svg", "huge.svg"):
        assert name in said


@pytest.mark.parametrize(
    ("file", "content", "title", "tags"),
    [
        ("tags.json", '{"sun": ["day", " ", 3, "*new*"]}', None, ("day",)),
        ("icons.json", '{"sun": {"tags": ["day"], "category": "Weather"}}', None, ("day",)),
        (
            "meta.json",
            '[{"name": "sun", "aliases": ["sol"], "tags": ["day"]}]',
            None,
            ("day", "sol"),
        ),
        ("set.json", '{"icons": [{"name": "sun", "tags": ["day"]}, 7]}', None, ("day",)),
        (
            "brands.json",
            '[{"title": "SUN!", "slug": "sun", "aliases": {"aka": ["Sol"], "dup": [{}]}}]',
            "SUN!",
            ("Sol",),
        ),
        (
            "index.mjs",
            'c = [{\n name: "sun",\n x: [1],\n tags: ["day", "*new*"]\n}]',
            None,
            ("day",),
        ),
        ("broken.json", '{"sun": ["day"', None, ()),
        ("odd.json", '"sun"', None, ()),
    ],
)
def test_titles_and_tags_are_read_from_each_sets_own_kind_of_file(
    tmp_path: Path, monkeypatch, file: str, content: str, title: str | None, tags: tuple[str, ...]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    chosen = replace(ICON_SETS["lucide"], package="tiny@1.0", metadata=file)
    monkeypatch.setitem(icons.ICON_SETS, "tiny", chosen)
    files = {"icons/sun.svg": CLOUD, file: content.encode()}
    unpack_icons(package(files), chosen, tmp_path / "garabato" / "icons" / "tiny-1.0")
    (batch,) = IconSource(["tiny"]).read("tiny")
    assert (batch[0].title, batch[0].tags) == (title or "sun", ("tiny", *tags))


def test_a_variant_is_part_of_the_title_but_not_of_the_category(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    chosen = replace(ICON_SETS["remix"], package="tiny@1.0")
    monkeypatch.setitem(icons.ICON_SETS, "tiny", chosen)
    files = {f"icons/Weather/{name}.svg": CLOUD for name in ("sun-fill", "sun-line", "line")}
    unpack_icons(package(files), chosen, tmp_path / "garabato" / "icons" / "tiny-1.0")
    (batch,) = IconSource(["tiny"]).read("tiny")
    assert [d.title for d in batch] == ["line", "sun fill", "sun line"]
    assert batch.categories == ["line", "sun", "sun"]
    assert {d.tags for d in batch} == {("tiny", "Weather")}
    assert batch[1].details.link == "https://remixicon.com/icon/sun-fill"


def test_licences_are_kept_and_nothing_is_written_outside_the_folder(tiny: Path) -> None:
    assert (tiny / "LICENSE").read_bytes() == b"MIT"
    assert not list(tiny.rglob("moon.svg"))
    assert not list(tiny.parents[2].rglob("escaped.svg"))


def test_a_set_is_indexed_once(tiny: Path, encoder, tmp_path: Path) -> None:
    gallery = open_gallery(tmp_path / "icons.gallery", encoder=encoder)
    stages = []
    filled = index_icons(
        gallery, encoder, ["tiny"], report=ReadReport(), progress=lambda *args: stages.append(args)
    )
    assert (filled.n_new, len(gallery)) == (3, 3)
    assert stages[-1] == ("index", 3, 7)
    again = index_icons(gallery, encoder, ["tiny"], report=ReadReport())
    assert (again.n_new, again.n_there, len(gallery)) == (0, 3, 3)
    assert b"evil" not in gallery.original("tiny/sun").content


def test_an_unknown_set_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'lucide'"):
        IconSource(["lucid"])


def test_a_package_without_icons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no SVG file in icons"):
        unpack_icons(package({"LICENSE": b"MIT"}), ICON_SETS["lucide"], tmp_path)
    with pytest.raises(SourceError, match=r"has no file tags.json"):
        unpack_icons(package({"icons/sun.svg": CLOUD}), ICON_SETS["lucide"], tmp_path)
    with pytest.raises(SourceError, match="cannot be unpacked"):
        unpack_icons(b"no archive", ICON_SETS["lucide"], tmp_path)


def test_a_folder_keeps_its_original_files_when_asked(tmp_path: Path) -> None:
    (tmp_path / "lamp-1.svg").write_bytes(CLOUD)
    (tmp_path / "lamp-2.svg").write_bytes(CLOUD + b" " * 2**16)
    source = open_source(tmp_path, category_from="name", keep_originals=True)
    (batch,) = source.read("lamp")
    assert [d.details.source_path for d in batch] == ["lamp-1.svg", "lamp-2.svg"]
    assert [d.title for d in batch] == ["lamp-1", "lamp-2"]
    assert [d.details.original for d in batch] == [CLOUD, None]
    (plain,) = open_source(tmp_path, category_from="name").read("lamp")
    assert list(plain.details) == [None, None]
