"""The dataset card that `prepare` writes, as the Hub reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sketches import make_drawings, simplified_line

from garabato.dataset import prepare
from garabato.dataset.store import _size_category, plain_markdown
from garabato.errors import DatasetError

huggingface_hub = pytest.importorskip("huggingface_hub")


def test_the_card_names_the_files_of_the_splits(sketch_source: Path, tmp_path: Path) -> None:
    dataset = prepare(
        sketch_source, tmp_path / "data", categories=3, n_train=20, n_test=5, sheets=False
    )
    card = huggingface_hub.DatasetCard.load(dataset.path / "README.md")
    assert card.data.size_categories == ["n<1K"]
    assert card.data.task_categories == ["image-classification"]
    assert card.data.license is None
    (config,) = card.data.configs
    rows = {
        one["split"]: sum(pq.read_table(dataset.path / name).num_rows for name in one["path"])
        for one in config["data_files"]
    }
    assert rows == {"train": 60, "test": 15}
    for name in dataset.manifest["categories"]:
        assert f"| {name} | 20 | 5 |" in card.text
    assert "list of strokes" in card.text


def test_the_card_of_bitmaps_tells_their_size(tmp_path: Path) -> None:
    images = np.zeros((12, 28, 28), np.uint8)
    images[np.arange(12), np.arange(12)] = 255
    np.save(tmp_path / "cat.npy", images.reshape(12, 784))
    dataset = prepare(tmp_path, tmp_path / "data", categories="all", n_train=6, n_test=0)
    card = huggingface_hub.DatasetCard.load(dataset.path / "README.md")
    assert "28 x 28 bytes" in card.text
    assert [one["split"] for one in card.data.configs[0]["data_files"]] == ["train"]


def test_odd_category_names_keep_the_card_readable(tmp_path: Path) -> None:
    name = 'cat "Ñandú" | --- : #1'
    lines = [simplified_line(drawing) + "\n" for drawing in make_drawings(["star"], 6, seed=0)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{name}.ndjson").write_text("".join(lines))
    dataset = prepare(
        tmp_path / "in", tmp_path / "data", categories="all", n_train=4, n_test=2, sheets=False
    )
    card = huggingface_hub.DatasetCard.load(dataset.path / "README.md")
    assert card.data.pretty_name == "Drawings of 1 category"
    assert '| cat "Ñandú" \\| --- : #1 | 4 | 2 |' in card.text


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("yes, null: @home 'a' \"b\" #1 電流", "yes, null: @home 'a' \"b\" #1 電流"),
        ("<b>*c*</b>\n[d](e)", r"\<b\>\*c\*\</b\> \[d\](e)"),
        ("`f` _g_ ~h~ | &lt; \\", r"\`f\` \_g\_ \~h\~ \| \&lt; \\"),
    ],
)
def test_text_in_a_card_is_shown_as_it_is(text: str, markdown: str) -> None:
    assert plain_markdown(text) == markdown


def test_an_edited_card_is_not_replaced(sketch_source: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    prepare(sketch_source, out, categories=1, n_train=4, n_test=2, sheets=False)
    prepare(sketch_source, out, categories=2, n_train=4, n_test=2, sheets=False)
    edited = "license: cc-by-4.0\n" + (out / "README.md").read_text()
    (out / "README.md").write_text(edited)
    with pytest.raises(DatasetError, match=r"README\.md"):
        prepare(sketch_source, out, categories=1, n_train=4, n_test=2, sheets=False)
    assert (out / "README.md").read_text() == edited


@pytest.mark.parametrize(
    ("n", "name"),
    [(1, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**6, "1M<n<10M")],
)
def test_sizes_have_the_names_of_the_hub(n: int, name: str) -> None:
    assert _size_category(n) == name
