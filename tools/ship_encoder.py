"""Make a finished run the encoder that ships, and write its model card.

    garabato evaluate --model runs/shipped --data runs/all --report runs/shipped-report
    python tools/ship_encoder.py --run runs/shipped --report runs/shipped-report

The run it started from, if any, is told of in the card too. Every figure of the card comes from
the runs' and the report's files.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass
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
    runs = _trainings(arguments.run)
    PRETRAINED.mkdir(exist_ok=True)
    write_bytes(PRETRAINED / FILE_NAME, (arguments.run / FILE_NAME).read_bytes())
    card = model_card(encoder, evaluation, runs, arguments.report)
    write_bytes(PRETRAINED / "MODEL_CARD.md", card.encode())


@dataclass(frozen=True)
class Training:
    """A run: its settings as TOML, and the last line of its metrics."""

    run: Path
    config: str
    last: dict[str, Any]

    def told(self) -> str:
        """What it was and took, in a line."""
        return f"{self.last['step']:,} steps in {self.last['seconds'] / 60:.0f} minutes"

    def command(self, settings: str) -> str:
        """What was typed, with a preset's name or a file of settings."""
        minutes = tomllib.loads(self.config)["minutes"]
        where = f"--data runs/all --out {self.run}"
        return f"garabato train {where} --preset {settings} --minutes {minutes:g}"


def _trainings(run: Path) -> list[Training]:
    """The run, after those it started from."""
    config = (run / "config.toml").read_text()
    lines = (run / "metrics.jsonl").read_text().splitlines()
    earlier = tomllib.loads(config).get("start_from")
    before = [] if earlier is None else _trainings(Path(earlier))
    return [*before, Training(run, config, json.loads(lines[-1]))]


def model_card(
    encoder: Encoder, evaluation: dict[str, Any], trainings: list[Training], report: Path
) -> str:
    """The card as Markdown; `trainings` in their order, each starting from the one before."""
    last = trainings[-1].last
    run = trainings[-1].run
    files = [f"training{i + 1}.toml" for i in range(len(trainings))]
    commands = "\n".join(t.command(file) for t, file in zip(trainings, files, strict=True))
    told = ", then ".join(training.told() for training in trainings)
    settings = "\n".join(
        f"{file}:\n\n```toml\n{t.config}```\n" for t, file in zip(trainings, files, strict=True)
    )
    partial = " · ".join(
        f"{share} %: {100 * top1:.1f} %" for share, top1 in evaluation["partial_top1"].items()
    )
    promised = f"{100 * (encoder.unsure_precision or 0):.0f} %"
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
{commands}
garabato evaluate --model {run} --data runs/all --report {report}
python tools/ship_encoder.py --run {run} --report {report}
```

Seed 0, {told}, on one CPU core (OMP_NUM_THREADS=1) of a machine that did other work beside it; the
last training has the settings of the preset `shipped`. A training by the clock comes out a little
different each time.

<details><summary>All settings</summary>

{settings}
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
