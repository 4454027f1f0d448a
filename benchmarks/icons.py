"""Find an icon by drawing it: drawings made by people, as queries in icon sets.

Queries are test drawings of each category that has an icon in the set. `icon_names.json`, written
by hand from the sets' file names, lists these icons. Only icons with these names are right
("exact"), or also their variants, such as `cloud-off` for `cloud` ("with variants"). The benchmark
reports the share of drawings with a right icon among the first 1, 10 and 50 hits, and the mean
reciprocal rank (0 beyond the first 50), both averaged over categories; the notes give the standard
error over categories. The queries are the test split of --data, a data set whose train split (if
any) trained the encoder.

The search is that of icon galleries, `garabato.search_with_names`. Compared with the search by
likeness alone, and with plain embeddings: the first 128 principal components of 28x28 pictures of
the icons. Ways to search were compared on other drawings, the validation drawings that training
held out, and on Tabler and Lucide only.

Tabler and Lucide together are the default set. Phosphor, Iconoir and Bootstrap are for measuring
only: nothing may be tuned on them.

    python benchmarks/icons.py --data DATA [--no-held-out] [--model RUN]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import harness
import numpy as np
import numpy.typing as npt

from garabato.dataset import Dataset
from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.encoder import load_encoder
from garabato.gallery import Gallery, open_gallery
from garabato.gallery.explore import search_with_names
from garabato.ingest.bulk_load import index_icons
from garabato.render import RenderSpec, render_batch
from garabato.sources.icons import DEFAULT_ICON_SETS

NAMES = Path(__file__).resolve().parent / "icon_names.json"
#: Sets that are searched together, tuned on; and those kept for measuring, one by one.
GALLERIES = (tuple(DEFAULT_ICON_SETS),)
HELD_OUT = (("phosphor",), ("iconoir",), ("bootstrap",))
DEPTHS = (1, 10, 50)
PCA_SIZE_PX, PCA_DIM = 28, 128
TARGETS = {"found@10": 0.75, "found@50": 0.88}


#: Ranks (N,) of the best right icon for each query of a category; NOT_FOUND beyond the deepest.
Ranks = dict[str, list[npt.NDArray[np.float64]]]
NOT_FOUND = np.inf


def run(
    context: harness.Context,
    *,
    data: Path,
    galleries: Sequence[tuple[str, ...]],
    model: Path | None,
) -> list[harness.Row]:
    """All sets, with the same drawings."""
    encoder = load_encoder(model)
    table: dict[str, list[str]] = json.loads(NAMES.read_text())
    queries: dict[str, list[Drawing]] = {}
    for drawing in Dataset.open(data).split("test"):
        if drawing.category in table:
            queries.setdefault(drawing.category, []).append(drawing)
    rows = []
    for number, sets in enumerate(galleries):
        gallery = open_gallery(context.work / str(number), encoder=encoder)
        index_icons(gallery, encoder, sets)
        icons = [drawing for piece in gallery.scan() for drawing in piece.drawings]
        names = [str(icon.key_id).rpartition("/")[2] for icon in icons]
        here = {name: table[name] for name in sorted(queries) if set(table[name]) & set(names)}
        about = f"{len(here)} categories, {sum(len(queries[n]) for n in here):,} drawings"
        what = f"{' + '.join(sets)} ({len(names):,} icons)"
        pca = principal_components(icons)
        stored = pca.embed(icons)

        def by_name(drawing: Drawing, gallery: Gallery = gallery) -> list[str]:
            hits = search_with_names(gallery, drawing, encoder.classify(drawing), DEPTHS[-1])
            return [hit.key_id.rpartition("/")[2] for hit in hits]

        def by_likeness(drawing: Drawing, gallery: Gallery = gallery) -> list[str]:
            hits = gallery.search(drawing, DEPTHS[-1])
            return [hit.key_id.rpartition("/")[2] for hit in hits]

        def by_pixels(
            drawing: Drawing,
            pca: PrincipalComponents = pca,
            stored: FloatArray = stored,
            names: Sequence[str] = names,
        ) -> list[str]:
            scores = stored @ pca.embed([drawing])[0]
            return [names[i] for i in np.argsort(-scores, kind="stable")[: DEPTHS[-1]]]

        for how, search in (
            ("", by_name),
            (", likeness alone", by_likeness),
            (", plain embeddings", by_pixels),
        ):
            rows += rows_of(what + how, ranks_of(search, here, queries), about)
    return rows


def ranks_of(
    search: Callable[[Drawing], list[str]],
    names: Mapping[str, Sequence[str]],
    queries: Mapping[str, Sequence[Drawing]],
) -> Ranks:
    """For "exact" and "with variants", the ranks of the best right icon."""
    ranks: Ranks = {"exact": [], "with variants": []}
    for category, wanted in names.items():
        hits = [search(drawing) for drawing in queries[category]]
        for how, found in ranks.items():
            firsts = [
                next(
                    (
                        rank
                        for rank, name in enumerate(listed, start=1)
                        if is_right(name, wanted, variants=how != "exact")
                    ),
                    NOT_FOUND,
                )
                for listed in hits
            ]
            found.append(np.array(firsts, np.float64))
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


def rows_of(what: str, ranks: Ranks, about: str) -> list[harness.Row]:
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
            target = TARGETS.get(measure) if what.endswith("icons)") and how == "exact" else None
            name = f"{what}: {measure}, {how}"
            rows.append(harness.Row(name, unit, [mean], target, at_least=True, note=note))
    return rows


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean; 0 for one value."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def benchmark(
    data: Path,
    galleries: Sequence[tuple[str, ...]] = (*GALLERIES, *HELD_OUT),
    model: Path | None = None,
) -> harness.Benchmark:
    """What is measured, in these galleries."""
    options = f" --data {data.name}"
    options += " --no-held-out" if len(galleries) == len(GALLERIES) else ""
    options += f" --model {model}" if model is not None else ""
    return harness.Benchmark(
        "icons",
        f"the test split of {data.name}; encoder: {model or 'the one that ships'}",
        f"plain embeddings: {PCA_DIM} principal components of {PCA_SIZE_PX}x{PCA_SIZE_PX} pictures",
        partial(run, data=data, galleries=galleries, model=model),
        quick=False,
        command=f"icons.py{options}",
    )


def main() -> None:
    """The command line."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a data set with a test split")
    parser.add_argument("--no-held-out", action="store_true", help="Tabler and Lucide only")
    parser.add_argument("--model", type=Path, help="an encoder or the folder of a run")
    given = parser.parse_args()
    galleries = GALLERIES if given.no_held_out else (*GALLERIES, *HELD_OUT)
    asked = benchmark(given.data, galleries, given.model)
    harness.show([harness.measure(asked, Path(), given.results)])


if __name__ == "__main__":
    main()
