"""Draw an icon to find it: drawings of real people as queries in icon sets.

Queries are test drawings of each category that has an icon in the set. `icon_names.json` says
which icons these are; it was written by hand from the sets' file names. Icons of just these names
are right ("exact"), or their variants too, such as `cloud-off` for `cloud` ("with variants").
Reported are the share of drawings with a right icon among the first 1, 10 and 50 hits, and the mean
reciprocal rank, both averaged over categories; the notes give the standard error over categories.

The test drawings are those of `garabato prepare --train 200 --test 25 --seed 0`: an encoder trained
with that split has not seen them.

Compared with plain embeddings: the first 128 principal components of 28x28 pictures of the icons.

Tabler and Lucide together are the default set. Phosphor, Iconoir and Bootstrap are for measuring
only: nothing may be tuned on them.

    python benchmarks/icons.py [--no-held-out] [--per-category 25] [--categories N] [--model RUN]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import harness
import numpy as np
import numpy.typing as npt

from garabato.dataset import prepare
from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.encoder import load_encoder
from garabato.formats import ReadReport
from garabato.render import RenderSpec, render_batch
from garabato.sources.icons import DEFAULT_ICON_SETS, IconSource

NAMES = Path(__file__).resolve().parent / "icon_names.json"
#: Sets that are searched together, tuned on; and those kept for measuring, one by one.
GALLERIES = (tuple(DEFAULT_ICON_SETS),)
HELD_OUT = (("phosphor",), ("iconoir",), ("bootstrap",))
N_TRAIN, PER_CATEGORY, SEED = 200, 25, 0
DEPTHS = (1, 10, 50)
PCA_SIZE_PX, PCA_DIM = 28, 128


@dataclass(frozen=True, slots=True)
class Icons:
    """The icons of some sets: `names` are their file names without suffix, such as cloud-off."""

    names: list[str]
    drawings: list[Drawing]


def run(
    context: harness.Context,
    *,
    galleries: Sequence[tuple[str, ...]],
    per_category: int,
    n_categories: int | None,
    model: Path | None,
) -> list[harness.Row]:
    """All sets, with the same drawings."""
    encoder = load_encoder(model)
    table: dict[str, list[str]] = json.loads(NAMES.read_text())
    sets = {gallery: read_icons(gallery) for gallery in galleries}
    has_icon = {
        category
        for icons in sets.values()
        for category, names in table.items()
        if set(names) & set(icons.names)
    }
    categories = sorted(has_icon)
    if n_categories is not None:  # spread over the alphabet
        step = max(1, len(categories) // n_categories)
        categories = categories[::step][:n_categories]
    queries = test_drawings(context, categories, per_category)
    embedded = {name: encoder.embed(drawings) for name, drawings in queries.items()}
    rows = []
    for gallery, icons in sets.items():
        here = {name: table[name] for name in categories if set(table[name]) & set(icons.names)}
        what = f"{' + '.join(gallery)} ({len(icons.names):,} icons)"
        ours = ranks_of(encoder.embed(icons.drawings), icons.names, here, embedded)
        pca = principal_components(icons.drawings)
        plain_queries = {name: pca.embed(queries[name]) for name in here}
        plain = ranks_of(pca.embed(icons.drawings), icons.names, here, plain_queries)
        about = f"{len(here)} categories x {per_category}"
        rows += rows_of(what, ours, about)
        rows += rows_of(f"{what}, plain embeddings", plain, about)
    return rows


def read_icons(sets: Sequence[str]) -> Icons:
    """The readable icons of these sets."""
    source = IconSource(sets)
    drawings = [
        drawing
        for name in source.categories()
        for batch in source.read(name, report=ReadReport())
        for drawing in batch
    ]
    return Icons([str(d.key_id).rpartition("/")[2] for d in drawings], drawings)


def test_drawings(
    context: harness.Context, categories: Sequence[str], n: int
) -> dict[str, list[Drawing]]:
    """The first `n` test drawings of each category."""
    data = prepare(
        context.source,
        context.work / "data",
        categories=list(categories),
        n_train=N_TRAIN,
        n_test=max(n, PER_CATEGORY),
        seed=SEED,
        allow_short=True,
        sheets=False,
    )
    by_category: dict[str, list[Drawing]] = {name: [] for name in categories}
    for drawing in data.split("test"):
        by_category[str(drawing.category)].append(drawing)
    return {name: drawings[:n] for name, drawings in by_category.items()}


def ranks_of(
    embeddings: FloatArray,
    icon_names: Sequence[str],
    names: Mapping[str, Sequence[str]],
    queries: Mapping[str, FloatArray],
) -> dict[str, list[npt.NDArray[np.int64]]]:
    """For "exact" and "with variants", the ranks (N,) of the best right icon of each category."""
    ranks: dict[str, list[npt.NDArray[np.int64]]] = {"exact": [], "with variants": []}
    for category, wanted in names.items():
        scores = queries[category] @ embeddings.T
        for how, found in ranks.items():
            right = np.array([is_right(n, wanted, variants=how != "exact") for n in icon_names])
            best = scores[:, right].max(axis=1)
            found.append(1 + (scores > best[:, None]).sum(axis=1))
    return ranks


def is_right(icon: str, wanted: Sequence[str], *, variants: bool) -> bool:
    """Whether an icon has one of these names, or with `variants` is `name-something`."""
    return any(icon == name or (variants and icon.startswith(f"{name}-")) for name in wanted)


@dataclass(frozen=True, slots=True)
class PrincipalComponents:
    """`mean` (P,) and `components` (D, P) of pictures of P pixels."""

    mean: FloatArray
    components: FloatArray

    def embed(self, drawings: Sequence[Drawing]) -> FloatArray:
        """(N, D) float32, L2-normalised."""
        projected = (pixels(drawings) - self.mean) @ self.components.T
        lengths = np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-12)
        return np.asarray(projected / lengths, np.float32)


def principal_components(drawings: Sequence[Drawing]) -> PrincipalComponents:
    """The first PCA_DIM principal components of pictures of `drawings`."""
    images = pixels(drawings)
    mean = images.mean(axis=0)
    covariance = (images - mean).T @ (images - mean)
    _, vectors = np.linalg.eigh(covariance)  # the largest last
    return PrincipalComponents(mean, vectors[:, : -PCA_DIM - 1 : -1].T)


def pixels(drawings: Sequence[Drawing]) -> FloatArray:
    """Pictures (N, 784) float32, 0..1."""
    spec = RenderSpec(size_px=PCA_SIZE_PX)
    images = render_batch(DrawingBatch.from_drawings(list(drawings)), spec)
    return images.reshape(len(images), -1).astype(np.float32) / 255


def rows_of(
    what: str, ranks: Mapping[str, Sequence[npt.NDArray[np.int64]]], about: str
) -> list[harness.Row]:
    """Found@1, @10, @50 and MRR, by how variants count."""
    rows = []
    for how, by_category in ranks.items():
        measures = [
            (f"found@{depth}", "%", [float((r <= depth).mean()) for r in by_category])
            for depth in DEPTHS
        ]
        measures.append(("MRR", "", [float((1 / r).mean()) for r in by_category]))
        for measure, unit, values in measures:
            mean, error = float(np.mean(values)), standard_error(values)
            scale = 100 if unit else 1
            digits = 1 if unit else 3
            note = f"± {scale * error:.{digits}f}; {about}"
            rows.append(harness.Row(f"{what}: {measure}, {how}", unit, [mean], note=note))
    return rows


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean; 0 for one value."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def benchmark(
    galleries: Sequence[tuple[str, ...]] = (*GALLERIES, *HELD_OUT),
    per_category: int = PER_CATEGORY,
    n_categories: int | None = None,
    model: Path | None = None,
) -> harness.Benchmark:
    """What is measured, in these galleries, with so many drawings and categories."""
    options = " --no-held-out" if len(galleries) == len(GALLERIES) else ""
    options += f" --per-category {per_category}" if per_category != PER_CATEGORY else ""
    options += f" --categories {n_categories}" if n_categories is not None else ""
    options += f" --model {model}" if model is not None else ""
    return harness.Benchmark(
        "icons",
        f"{per_category} test drawings a category (prepare --train {N_TRAIN} --test {PER_CATEGORY} "
        f"--seed {SEED}); encoder: {model or 'the one that ships'}",
        f"plain embeddings: {PCA_DIM} principal components of {PCA_SIZE_PX}x{PCA_SIZE_PX} pictures",
        partial(
            run,
            galleries=galleries,
            per_category=per_category,
            n_categories=n_categories,
            model=model,
        ),
        quick=False,
        command=f"icons.py{options}",
    )


def main() -> None:
    """The command line."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--no-held-out", action="store_true", help="Tabler and Lucide only")
    parser.add_argument("--per-category", type=int, default=PER_CATEGORY)
    parser.add_argument("--categories", type=int, help="only so many categories")
    parser.add_argument("--model", type=Path, help="an encoder or the folder of a run")
    given = parser.parse_args()
    source = harness.checked_source(given.source)
    galleries = GALLERIES if given.no_held_out else (*GALLERIES, *HELD_OUT)
    asked = benchmark(galleries, given.per_category, given.categories, given.model)
    harness.show([harness.measure(asked, source, given.results)])


if __name__ == "__main__":
    main()
