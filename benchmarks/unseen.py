"""Unseen categories: how well an encoder retrieves drawings of categories it was not trained on,
and learns them from 1, 3, 5 and 10 drawings each.

It is trained on 300 categories, chosen by seed 0. The drawings of the other 45 of Quick, Draw!'s
345 are searched among each other; then the 45 are added to the 300, as benchmarks/few_shot.py does.
Finished trainings are kept in runs/unseen and not repeated.

    python benchmarks/unseen.py [--preset skfast] [--minutes 20]
"""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path

import few_shot
import harness
import numpy as np

from garabato.categories import choose_categories
from garabato.dataset import Dataset
from garabato.encoder import load_encoder
from garabato.sources import open_source

N_SEEN, SEED = 300, 0
N_TRAIN, N_TEST = 200, 25
PRESET, MINUTES = "skfast", 20
FOLDER = harness.ROOT / "runs" / "unseen"


def run(
    context: harness.Context, *, folder: Path, n_seen: int, preset: str, minutes: float
) -> list[harness.Row]:
    """Prepare both parts, train on one, measure on both."""
    names = list(open_source(context.source).categories())
    seen = choose_categories(names, n_seen, seed=SEED)
    unseen = sorted(set(names) - set(seen))
    for part, categories, n_train in (("seen", seen, N_TRAIN), ("unseen", unseen, 1)):
        if not (folder / part).exists():
            sizes = ["--train", n_train, "--test", N_TEST, "--seed", SEED, "--allow-short"]
            where = ["--source", context.source, "--out", folder / part]
            garabato("prepare", *where, "--categories", ",".join(categories), *sizes)
    trained = folder / f"run-{preset}-{minutes:g}"
    if not (trained / "encoder.safetensors").exists():
        resume = ["--resume"] if (trained / "checkpoint.pt").exists() else []
        how = ["--preset", preset, "--minutes", minutes, "--seed", SEED, *resume]
        garabato("train", "--data", folder / "seen", "--out", trained, *how)
    found = {
        part: json.loads(
            garabato("evaluate", "--model", trained, "--data", folder / part, *more, "--json")
        )
        for part, more in (("seen", ()), ("unseen", ("--gallery-split", "none")))
    }
    n_unseen = found["unseen"]["n_unseen_categories"]
    return [
        harness.Row(
            f"mAP of {n_unseen} unseen categories, test against test",
            "",
            [found["unseen"]["map_unseen"]],
            target=0.46,
            at_least=True,
            note=f"{found['unseen']['n_drawings']:,} drawings: {', '.join(unseen[:6])} ...",
        ),
        harness.Row(f"mAP of the {len(seen)} seen ones", "", [found["seen"]["map"]]),
        harness.Row("top-1 of these", "%", [found["seen"]["top1"]]),
        harness.Row("128-bit codes, unseen", "", [found["unseen"]["map_128_bit"]]),
        *few_shot_rows(trained, folder / "seen", folder / "unseen"),
        harness.Row("training", "min", [minutes]),
    ]


def few_shot_rows(trained: Path, seen: Path, unseen: Path) -> list[harness.Row]:
    """The unseen categories of a data set, learned by the encoder from a few drawings each."""
    encoder = load_encoder(trained)
    index = {name: i for i, name in enumerate(encoder.network_categories)}
    old, new = (Dataset.open(folder).split("test") for folder in (seen, unseen))
    names = np.array(new.categories)
    logits = few_shot.logits_of(encoder, list(new))
    of_new = {name: logits[names == name] for name in sorted(set(new.categories))}
    right = np.array([index[name] for name in old.categories])
    kept = [("the seen ones", few_shot.logits_of(encoder, list(old)), right)]
    return [
        row
        for n in few_shot.N_EXAMPLES
        for row in few_shot.rows_of(n, of_new, kept, encoder.temperature)
    ]


def benchmark(
    folder: Path = FOLDER, n_seen: int = N_SEEN, preset: str = PRESET, minutes: float = MINUTES
) -> harness.Benchmark:
    """The benchmark for a number of categories, a preset and a time."""
    chosen = (
        ("--preset", preset, PRESET),
        ("--minutes", f"{minutes:g}", f"{MINUTES:g}"),
        ("--seen", n_seen, N_SEEN),
    )
    options = [f" {option} {value}" for option, value, usual in chosen if value != usual]
    return harness.Benchmark(
        "unseen",
        f"{n_seen} categories x {N_TRAIN} to train, the others x {N_TEST} to search among; "
        f"preset {preset}, seed {SEED}",
        "the categories that were trained on",
        partial(run, folder=folder, n_seen=n_seen, preset=preset, minutes=minutes),
        quick=False,
        command="unseen.py" + "".join(options),
    )


def garabato(*arguments: object) -> str:
    """Run a command; its stdout."""
    command = [str(harness.GARABATO), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """The command line."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for data and trainings")
    parser.add_argument("--preset", default=PRESET)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seen", type=int, default=N_SEEN, help="categories trained on")
    given = parser.parse_args()
    source = harness.checked_source(given.source)
    asked = benchmark(given.folder, given.seen, given.preset, given.minutes)
    harness.show([harness.measure(asked, source, given.results)])


if __name__ == "__main__":
    main()
