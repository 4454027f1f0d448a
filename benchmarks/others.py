"""Measures an encoder on drawings by other people than the players of Quick, Draw!.

`--others` is a folder of sources, each a folder of <category>.ndjson files or of <category>/*.png
pictures. Pictures are read as `garabato classify` reads them. They are for measuring only: nothing
here trains. NAMES maps categories with another name. Categories that the encoder doesn't know count
for mAP and for the share right (any answer is wrong), not for top-1 and top-5.

    python benchmarks/others.py --others DIR [--model RUN] [--data DATA]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import harness
import numpy as np
import numpy.typing as npt

from garabato.dataset import Dataset
from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import Encoder, load_encoder
from garabato.evaluation.metrics import rank_of_label, ranking_metrics
from garabato.formats import read_drawings
from garabato.sources import open_source
from garabato.sources.folder import PICTURE_SUFFIXES

#: What others call categories of Quick, Draw!.
NAMES = {"car (sedan)": "car", "racket": "tennis racquet"}


def drawings_of(folder: Path) -> tuple[list[Drawing], list[str]]:
    """All drawings of a source and their categories by its own names; pictures as bitmaps."""
    drawings: list[Drawing] = []
    names: list[str] = []
    source = open_source(folder)
    for category, files in source.categories().items():
        if all(file.suffix.lower() in PICTURE_SUFFIXES for file in files):
            found = [drawing for file in files for drawing in read_drawings(file)]
        else:
            found = [drawing for batch in source.read(category) for drawing in batch]
        drawings += found
        names += [category] * len(found)
    return drawings, names


def rows_of(
    what: str, encoder: Encoder, drawings: Iterable[Drawing] | DrawingBatch, names: list[str]
) -> list[harness.Row]:
    """Accuracy, retrieval and honesty on some drawings, with standard errors in the notes."""
    output = encoder.predict(drawings)
    places = {name: place for place, name in enumerate(encoder.categories)}
    labels = np.array([places.get(NAMES.get(name, name), -1) for name in names])
    own_names = {name: i for i, name in enumerate(sorted(set(names)))}
    own_labels = np.array([own_names[name] for name in names])
    known = labels >= 0
    ranks = rank_of_label(output.probabilities[known], labels[known])
    precision = ranking_metrics(output.embeddings, own_labels).average_precision
    n_known = len({NAMES.get(name, name) for name in own_names} & set(places))
    about = f"{known.sum():,} drawings of {n_known} categories it knows"
    sure = output.probabilities.max(axis=1) >= encoder.unsure_below
    right = output.probabilities.argmax(axis=1) == labels
    unknown = np.array([encoder.best_predictions(row, 1).unknown for row in output.probabilities])
    promised = f"promised: {100 * (encoder.unsure_precision or 0):.0f}%"
    return [
        _share(f"{what}: top-1", ranks == 1, about),
        _share(f"{what}: top-5", ranks <= 5),
        harness.Row(
            f"{what}: mAP, each against the others",
            "",
            [float(np.nanmean(precision))],
            note=f"± {np.nanstd(precision) / np.sqrt(len(precision)):.3f}; "
            f"{len(names):,} drawings of {len(own_names)} categories",
        ),
        _share(f"{what}: answered, not unsure", sure),
        _share(f"{what}: right of the answered", right[sure], promised),
        _share(f"{what}: called unknown, of the categories it knows", unknown[known]),
        *(
            [_share(f"{what}: called unknown, of the other categories", unknown[~known])]
            if not known.all()
            else []
        ),
    ]


def _share(what: str, hits: npt.NDArray[np.bool_], note: str = "") -> harness.Row:
    """The share of `hits` (N,) that are true; NaN without any."""
    share = float(hits.mean()) if len(hits) else float("nan")
    error = np.sqrt(share * (1 - share) / max(len(hits), 1))
    return harness.Row(
        what, "%", [share], note=f"± {100 * error:.1f}%" + (f"; {note}" * bool(note))
    )


def run(
    context: harness.Context, *, others: Path, model: Path | None, data: Path | None
) -> list[harness.Row]:
    """Every source, then the test drawings of a data set."""
    encoder = load_encoder(model)
    rows = []
    for folder in sorted(path for path in others.iterdir() if path.is_dir()):
        print(f"  {folder.name} ...", file=sys.stderr, flush=True)
        rows += rows_of(folder.name.replace("_", " "), encoder, *drawings_of(folder))
    if data:
        test = Dataset.open(data).split("test")
        rows += rows_of("held out", encoder, test, [name or "" for name in test.categories])
    return rows


def benchmark(
    others: Path, model: Path | None = None, data: Path | None = None
) -> harness.Benchmark:
    """What is measured: an encoder, by default the one that ships."""
    options = "" if model is None else f" --model {model}"
    options += "" if data is None else f" --data {data.name}"
    return harness.Benchmark(
        "others",
        f"drawings by other people ({others.name}), encoder {model or 'that ships'}",
        "",
        partial(run, others=others, model=model, data=data),
        quick=False,
        command=f"others.py --others {others.name}{options}",
    )


def main() -> None:
    """The command line."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--others", type=Path, required=True, help="a folder of sources")
    parser.add_argument("--model", type=Path, help="an encoder or the folder of a run")
    parser.add_argument("--data", type=Path, help="a data set whose test part is measured too")
    given = parser.parse_args()
    asked = benchmark(given.others.resolve(), given.model, given.data)
    harness.show([harness.measure(asked, given.others, given.results)])


if __name__ == "__main__":
    main()
