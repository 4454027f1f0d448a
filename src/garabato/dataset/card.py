"""Dataset cards: the README.md of prepared data sets, in the format of the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_INK = {
    "strokes": (
        "| `strokes` | list of strokes, each with lists `x` and `y`, 0 to 255, y pointing down |"
    ),
    "bitmaps": "| `bitmap` | {} x {} bytes by rows, 0 (paper) to 255 (ink) |",
}


def dataset_card(manifest: Mapping[str, Any]) -> str:
    """The card of a data set, as Markdown; `manifest` is its dataset.json.

    The YAML front matter names the Parquet files of the splits, so that an uploaded folder loads
    with `datasets.load_dataset`. The license is left to the owner of the drawings.
    https://huggingface.co/docs/hub/datasets-cards
    """
    n_drawings = {split: known["n_drawings"] for split, known in manifest["splits"].items()}
    metadata = {
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
    rows = "\n".join(
        f"| {_cell(name)} | {count['train']:,} | {count['test']:,} |"
        for name, count in manifest["counts"].items()
    )
    ink = _INK[manifest["kind"]].format(*manifest.get("bitmap_shape_px", ()))
    return f"""{front_matter(metadata)}# {metadata["pretty_name"]}

Hand-drawn sketches: {n_drawings["train"]:,} for training and {n_drawings["test"]:,} for testing.
No drawing is in both splits, by its id or by identical strokes.

| column | content |
| --- | --- |
| `key_id` | id of the drawing |
| `category` | name of the category |
| `split` | `train` or `test` |
| `country`, `timestamp` | where and when it was drawn; null if unknown |
| `recognized` | whether *Quick, Draw!* recognized it; null if unknown |
| `traced` | true if the strokes were traced from a picture: their order is unknown |
{ink}

Made by garabato with random seed {manifest["seed"]} from the folder
`{manifest["source"]["folder"]}`. `dataset.json` lists the files, their checksums and unreadable
drawings. To train a network on it: `garabato train --data FOLDER --out run`.

This card states no license. Before you publish the data set, find out who owns the drawings, and
add `license:` to the front matter above.

## Categories

| category | train | test |
| --- | ---: | ---: |
{rows}
"""


def front_matter(metadata: Mapping[str, Any]) -> str:
    """YAML front matter, between lines of dashes. Values are written as JSON, which is YAML."""
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in metadata.items())
    return f"---\n{''.join(lines)}---\n\n"


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
