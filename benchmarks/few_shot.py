"""Few-shot categories: how well categories made from 1, 3, 5 and 10 drawings are found.

All categories in the folders given with --new that the encoder was not trained on are added with
`Encoder.with_categories`, from N drawings each; the others of their drawings are the queries, and
have to be found among old and new categories. `lost by the old` is by how much top-1 falls, in
points, on the test split of --data and on the drawings in --new whose category the encoder knows.
Five draws of the N drawings, by seeds 0 to 4; the notes give the standard error over the draws.
benchmarks/others.py lists the names that mean a category with another name.

SLOPE, OFFSET and the scale in encoder/few_shot.py were chosen on the same drawings.

    python benchmarks/few_shot.py --new DIR [--new DIR] --data DATA [--model RUN]

benchmarks/unseen.py measures the same on categories of Quick, Draw! that an encoder was trained
without.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import harness
import numpy as np
import numpy.typing as npt
from others import NAMES, drawings_of

from garabato.dataset import Dataset
from garabato.drawing import Drawing, FloatArray, IntArray
from garabato.encoder import Encoder, load_encoder
from garabato.encoder.few_shot import learn_category, with_added_logits
from garabato.render import render

N_EXAMPLES, N_DRAWS = (1, 3, 5, 10), 5


def logits_of(encoder: Encoder, drawings: Sequence[Drawing]) -> FloatArray:
    """The network's logits (N, C)."""
    pieces = [drawings[start : start + 64] for start in range(0, len(drawings), 64)]
    images = (np.stack([render(d, encoder.spec) for d in piece]) for piece in pieces)
    return np.concatenate([encoder.runtime.run(piece)[0] for piece in images])


def top1(scores: FloatArray, labels: IntArray) -> float:
    """The share of drawings whose best category is the right one."""
    return float((scores.argmax(axis=1) == labels).mean())


def run(
    context: harness.Context, *, new: Sequence[Path], data: Path, model: Path | None
) -> list[harness.Row]:
    """All numbers of examples, with the same draws."""
    encoder = load_encoder(model)
    index = {name: i for i, name in enumerate(encoder.network_categories)}
    logits_new: dict[str, FloatArray] = {}
    known: list[tuple[FloatArray, IntArray]] = []
    for folder in new:
        drawings, own_names = drawings_of(folder)
        names = np.array([NAMES.get(name, name) for name in own_names])
        print(f"  {folder.name}: {len(names):,} drawings ...", file=sys.stderr, flush=True)
        logits = logits_of(encoder, drawings)
        is_known = np.array([name in index for name in names])
        if is_known.any():
            labels = np.array([index[name] for name in names[is_known]])
            known.append((logits[is_known], labels))
        for name in np.unique(names[~is_known]):
            logits_new[str(name)] = logits[names == name]
    logits_new = {n: rows for n, rows in logits_new.items() if len(rows) > max(N_EXAMPLES)}
    test = Dataset.open(data).split("test")
    labels = np.array([index[name or ""] for name in test.categories])
    old = [(f"{data.name}, test", logits_of(encoder, list(test)), labels)]
    if known:
        parts = [np.concatenate(part) for part in zip(*known, strict=True)]
        old.append(("drawings in --new of known categories", parts[0], parts[1]))
    return [row for n in N_EXAMPLES for row in rows_of(n, logits_new, old, encoder.temperature)]


def rows_of(
    n: int,
    new: dict[str, FloatArray],
    old: Sequence[tuple[str, FloatArray, IntArray]],
    temperature: float,
) -> list[harness.Row]:
    """Top-1 of new and old categories with `n` examples each."""
    n_old = old[0][1].shape[1]
    found, found_among_new = [], []
    lost: list[list[float]] = [[] for _ in old]
    for seed in range(N_DRAWS):
        rng = np.random.default_rng(seed)
        orders = {name: rng.permutation(len(rows)) for name, rows in new.items()}
        added = [learn_category(name, new[name][order[:n]]) for name, order in orders.items()]
        queries = np.concatenate([new[name][order[n:]] for name, order in orders.items()])
        labels = n_old + np.repeat(
            np.arange(len(new)), [len(order) - n for order in orders.values()]
        )
        scores = with_added_logits(queries, added, temperature=temperature)
        found.append(top1(scores, labels))
        found_among_new.append(top1(scores[:, n_old:], labels - n_old))
        for losses, (_, logits, right) in zip(lost, old, strict=True):
            scores = with_added_logits(logits, added, temperature=temperature)
            losses.append(top1(logits, right) - top1(scores, right))
    what = f"{n} drawing{'s' * (n > 1)} each"
    about = f"{len(new)} new among {n_old + len(new)} categories"
    return [
        _row(f"{what}: top-1 of the new", found, about),
        _row(f"{what}: top-1 of the new, among the new only", found_among_new),
        *(
            _row(f"{what}: lost by the old, {name}", losses, f"{len(right):,} drawings")
            for losses, (name, _, right) in zip(lost, old, strict=True)
        ),
    ]


def _row(what: str, samples: Sequence[float], about: str = "") -> harness.Row:
    values: npt.NDArray[np.float64] = np.array(samples)
    error = 100 * values.std(ddof=1) / len(values) ** 0.5
    note = f"mean {100 * values.mean():.1f} ± {error:.1f}" + (f"; {about}" * bool(about))
    return harness.Row(what, "%", list(samples), note=note)


def benchmark(new: Sequence[Path], data: Path, model: Path | None = None) -> harness.Benchmark:
    """Of the unknown categories in the sources `new`."""
    options = "".join(f" --new {folder.name}" for folder in new)
    options += f" --data {data.name}" + (f" --model {model}" if model else "")
    return harness.Benchmark(
        "few_shot",
        f"categories the encoder {model or 'that ships'} does not know, by other people",
        "",
        partial(run, new=new, data=data, model=model),
        quick=False,
        command=f"few_shot.py{options}",
    )


def main() -> None:
    """The command line."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument(
        "--new", type=Path, required=True, action="append", help="a source of drawings; repeatable"
    )
    parser.add_argument("--data", type=Path, required=True, help="a data set of old categories")
    parser.add_argument("--model", type=Path, help="an encoder or the folder of a run")
    given = parser.parse_args()
    asked = benchmark(given.new, given.data, given.model)
    harness.show([harness.measure(asked, given.new[0], given.results)])


if __name__ == "__main__":
    main()
