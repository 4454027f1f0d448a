"""Make a finished run the encoder that ships, and write its model card.

    garabato evaluate --model runs/shipped --data runs/all --report runs/shipped-report
    python tools/ship_encoder.py --run runs/shipped --report runs/shipped-report

Every figure of the card comes from the run's and the report's files.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path
from typing import Any

from garabato.atomic import write_bytes
from garabato.encoder import FILE_NAME, Encoder, load_encoder

PRETRAINED = Path(__file__).resolve().parent.parent / "src" / "garabato" / "pretrained"


def main() -> None:
    """Copy the encoder and write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.run)
    evaluation = json.loads((arguments.report / "evaluation.json").read_text())
    config = (arguments.run / "config.toml").read_text()
    lines = (arguments.run / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    PRETRAINED.mkdir(exist_ok=True)
    write_bytes(PRETRAINED / FILE_NAME, (arguments.run / FILE_NAME).read_bytes())
    card = model_card(encoder, evaluation, config, last)
    write_bytes(PRETRAINED / "MODEL_CARD.md", card.encode())


def model_card(
    encoder: Encoder, evaluation: dict[str, Any], config: str, last: dict[str, Any]
) -> str:
    """The card as Markdown; `last` is the last line of the run's metrics."""
    partial = " · ".join(
        f"{share} %: {100 * top1:.1f} %" for share, top1 in evaluation["partial_top1"].items()
    )
    promised = f"{100 * (encoder.unsure_precision or 0):.0f} %"
    minutes = tomllib.loads(config)["minutes"]
    ranked = sorted(evaluation["per_category"].items(), key=lambda item: item[1]["top1"])
    categories = "\n".join(
        f"| {name} | {found['n_drawings']} | {100 * found['top1']:.0f} |" for name, found in ranked
    )
    return f"""# The encoder that ships

`{encoder.model_name}`, {encoder.n_parameters:,} weights, {len(encoder.categories)} categories of
*Quick, Draw!*, images of {encoder.spec.size_px} px, embeddings of {encoder.embedding_dim} floats.
Fingerprint {encoder.fingerprint}. Written by `tools/ship_encoder.py`.

## Data

{evaluation["n_gallery"]:,} drawings, at most 600 of a category, out of a sample of Google's public
*Quick, Draw!* data (CC BY 4.0) of some 118,000 drawings that leans towards those the game
recognised. The drawings measured below were never trained on, but come from the same sample.

## How it was made

```
garabato prepare --source SAMPLE --out runs/all --categories all --train 600 --test 6 --allow-short
garabato train --data runs/all --out runs/shipped --preset shipped --minutes {minutes:g}
garabato evaluate --model runs/shipped --data runs/all --report runs/shipped-report
python tools/ship_encoder.py --run runs/shipped --report runs/shipped-report
```

One run, seed 0, {last["step"]:,} steps in {last["seconds"] / 60:.0f} minutes on one CPU core
(OMP_NUM_THREADS=1) of a machine that did other work beside it.
A training by the clock comes out a little different each time.

<details><summary>All settings</summary>

```toml
{config}```

</details>

## Scores

| on {evaluation["n_drawings"]:,} drawings it never saw | |
| --- | ---: |
| top-1 | {100 * evaluation["top1"]:.1f} % |
| top-5 | {100 * evaluation["top5"]:.1f} % |
| mAP, test against test | {evaluation["map"]:.3f} |
| mAP, against the training drawings | {evaluation["map_gallery"]:.3f} |
| expected calibration error | {evaluation["ece"]:.3f} |
| top-1 with a part of the ink | {partial} |

On the part of the training drawings that was kept out for calibration: top-1
{100 * last["top1"]:.1f} %; temperature {encoder.temperature:.3f}. Answers with a probability below
{encoder.unsure_below:.3f} are called unsure: those above it were right {promised} of the time on
that part. All scores are of drawings from the sample, with as many of a category as it has.

## What it can't do

- It knows {len(encoder.categories)} categories and gives every drawing one of them.
- Players of the game drew in some 20 seconds with a mouse or a finger: careful drawings, writing
  and photographs are not what it learned.
- Some categories overlap (cup, mug, coffee cup; pond, river, ocean), and so do its answers.

## By category, worst first

With so few test drawings of a category these are no more than hints.

| category | test drawings | top-1, % |
| --- | ---: | ---: |
{categories}
"""


if __name__ == "__main__":
    main()
