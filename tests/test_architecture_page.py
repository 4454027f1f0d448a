"""docs/architecture.md says what the code is."""

from __future__ import annotations

import re

import pytest
from test_architecture import PACKAGES, ROOT, SOURCE

from garabato.gallery import Gallery

PAGE = (ROOT / "docs" / "architecture.md").read_text()


def section(heading: str) -> str:
    """The text below a heading, up to the next of its level."""
    level = heading.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", PAGE, re.M | re.S
    )
    assert found, heading
    return found[1]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def test_every_package_is_listed_in_the_order_of_the_arrows() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", section("## The packages"), re.M)
    assert tuple(listed) == PACKAGES


def is_path(code: str) -> bool:
    return (
        bool(re.fullmatch(r"[\w./]+(/|\.(py|toml|md))", code))
        and "NAME" not in code
        and code != "_name.py"
    )


@pytest.mark.parametrize("path", sorted({code for code in codes(PAGE) if is_path(code)}))
def test_every_file_named_is_there(path: str) -> None:
    top = path.partition("/")[0]
    place = ROOT if top in ("src", "tests", "docs", "benchmarks", "tools") else SOURCE
    if path in ("lance/", "milvus/"):
        place = SOURCE / "gallery"
    assert (place / path).exists()


def named_with_their_file() -> list[tuple[str, str]]:
    """(name, file) wherever a name stands right before a file: "`name` in `file.py`"."""
    text = " ".join(PAGE.split())
    return re.findall(r"(?=`([\w.]+)`[^`.;:]{1,12}`([\w/]+\.py)`)", text)


@pytest.mark.parametrize(("name", "file"), named_with_their_file())
def test_every_name_is_in_the_file_given(name: str, file: str) -> None:
    path = (ROOT if file.startswith(("tests/", "src/")) else SOURCE) / file
    text = path.read_text()
    for part in name.split("."):
        assert re.search(rf"(\b(def|class) {part}\b|^{part}\b)", text, re.M), f"{name} in {file}"


def test_the_public_methods_that_a_backend_implements_are_named() -> None:
    abstract = {name for name in Gallery.__abstractmethods__ if not name.startswith("_")}
    named = {*codes(section("### A gallery backend"))}
    assert abstract
    assert abstract <= named


def test_enough_names_are_checked() -> None:
    assert {name for name, _ in named_with_their_file()} >= {
        *("read_drawings", "load_encoder", "open_gallery", "Gallery.search", "render_batch"),
        *("draw_hits", "Encoder.best_predictions", "TrainConfig", "_WRITERS", "COMMANDS", "Model"),
    }
