"""The dataset card: README.md of a prepared data set, in the form of the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dataset_card(manifest: Mapping[str, Any]) -> str:
    """The card for a data set with this content of dataset.json, as Markdown.

    Its YAML front matter names the Parquet files of the splits, so that an uploaded folder loads
    with `datasets.load_dataset`. It states no license: garabato doesn't know whose drawings
    these are. https://huggingface.co/docs/hub/datasets-cards
    """
    n_drawings = {split: known["n_drawings"] for split, known in manifest["splits"].items()}
    front_matter = {
        "pretty_name": f"Drawings of {len(manifest['categories'])} categories",
        "task_categories": ["image-classification"],
        "tags": ["sketch", "drawing", "garabato"],
        "size_categories": [_size_category(sum(n_drawings.values()))],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": [file["name"] for file in known["files"]]}
                    for split, known in manifest["splits"].items()
                    if n_drawings[split]
                ],
            }
        ],
    }
    yaml = "".join(  # JSON is YAML, so texts need no other quoting
        f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in front_matter.items()
    )
    rows = "\n".join(
        f"| {_cell(name)} | {count['train']:,} | {count['test']:,} |"
        for name, count in manifest["counts"].items()
    )
    ink = _INK[manifest["kind"]].format(*manifest.get("bitmap_shape_px", ()))
    return f"""---
{yaml}---

# {front_matter["pretty_name"]}

Hand-drawn sketches: {n_drawings["train"]:,} for training and {n_drawings["test"]:,} for testing.
No drawing is in both splits, by its id or by identical strokes.

| column | content |
| --- | --- |
| `key_id` | id of the drawing |
| `category` | what it shows |
| `split` | `train` or `test` |
| `country`, `timestamp` | where and when it was drawn; null if not known |
| `recognized` | whether *Quick, Draw!* recognized it; null if not known |
{ink}

Made by garabato with seed {manifest["seed"]} from the folder `{manifest["source"]["folder"]}`.
`dataset.json` has the files, their checksums and what could not be read. To train a network on it:
`garabato train --data FOLDER --out run`.

The card states no license. Before you publish the data set, find out whose drawings they are, and
add `license:` to the front matter above.

## Categories

| category | train | test |
| --- | ---: | ---: |
{rows}
"""


_INK = {
    "strokes": (
        "| `strokes` | list of strokes, each with lists `x` and `y`, 0 to 255, y pointing down |"
    ),
    "bitmaps": "| `bitmap` | {} x {} bytes by rows, 0 (paper) to 255 (ink) |",
}


def _size_category(n: int) -> str:
    """The Hub's name for a number of drawings."""
    bounds = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    if n < 1_000:
        return "n<1K"
    index = min(len(str(n)) - 4, len(bounds) - 2)
    return f"{bounds[index]}<n<{bounds[index + 1]}"


def _cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
