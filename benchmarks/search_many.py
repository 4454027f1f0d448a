"""Many queries at once, in memory: `Gallery.search_many` beside faiss, LanceDB and filters.

By default, 1,000 of the real drawings are the queries, and the others are searched. `--size
1000000` makes more drawings, and the queries (see vectors.py). All ways to search take turns in one
process with the same queries. Times are processor times, so that other programs matter little.
Recall is measured against float64 brute force. Filters keep 50%, 10%, 1% and 0.01% of the
drawings; two are combined; and one, by time, keeps all drawings of a tenth of the categories. faiss
is measured if it is installed: pip install 'garabato[bench]'.

`--on-disk` measures filters only, in a gallery that is searched by its index on disk, like those of
more than 8 million drawings, tuned to a recall of 0.98; and the time and recall of the settings
that tuning tried.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import harness
import numpy as np
import vectors
from gallery_search import lancedb_table

N_QUERIES, K, REPEATS = 1_000, 10, 3
#: Queries asked one by one.
N_ALONE = 300
#: Shares of the drawings that filters keep.
KEPT = (0.5, 0.1, 0.01, 0.0001)


def run(context: harness.Context, size: int | None, on_disk: bool) -> list[harness.Row]:
    """Rates, times and recall for one size; None: the real drawings."""
    from garabato.gallery import open_gallery
    from garabato.gallery.lance import limits

    if on_disk:
        limits.EXACT_UP_TO = 0
    drawings = vectors.load(context.source)
    if size is None:
        drawings, queries = drawings.held_out(N_QUERIES)
    else:
        queries = vectors.queries(drawings, N_QUERIES)
    n = size or len(drawings)
    gallery = open_gallery(context.work / "g", encoder=_encoder())
    parts = []
    for batch, embeddings in drawings.chunks(n):
        batch = batch.replace(countries=_countries(batch), timestamps=_times(batch))
        gallery.add(batch, embeddings=embeddings)
        parts.append(embeddings)
    stored = np.concatenate(parts)
    gallery.compact(keep_versions_s=0)
    tuned = gallery.tune(recall=0.98) if on_disk else []
    gallery.warm()
    gallery.search_many(queries[:50], K)
    rows = [harness.Row("drawings", "", [n], note=gallery.info().mode)]
    for one in sorted(tuned, key=lambda one: one.n_probes):
        note = f"recall@10 {one.recall:.3f}; by the clock"
        what = f"a search, {one.n_probes} clusters probed, median"
        rows.append(harness.Row(what, "ms", [one.p50_ms], note=note))
    if not on_disk:
        table, how = lancedb_table(context.work / "lancedb", drawings, n)
        rows += _rates(gallery, queries, stored, table, how)
    rows += _filters(gallery, queries[:N_ALONE], stored, drawings)
    return rows


def _encoder() -> Any:
    from gallery_readers import WideFiller

    return WideFiller()


def _countries(batch: Any) -> list[str]:
    """Countries so that KEPT of the drawings are from AA, BB, CC and DD."""
    draws = np.random.default_rng(int(batch.key_ids[0])).random(len(batch))
    which = np.searchsorted(np.cumsum(KEPT), draws)
    return [("AA", "BB", "CC", "DD", "ZZ")[i] for i in which]


def _years(categories: Iterable[str | None]) -> list[int]:
    """The year of each drawing, 2000 to 2009: all drawings of a category are from the same."""
    return [2000 + zlib.crc32(str(name).encode()) % 10 for name in categories]


def _times(batch: Any) -> list[str]:
    return [f"{year}-06-01 12:00:00" for year in _years(batch.categories)]


def _truth(stored: np.ndarray, queries: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """The scores (Q, K) of the nearest, by float64 brute force."""
    best = np.full((len(queries), K), -2.0)
    exact = queries.astype(np.float64)
    chosen = np.arange(len(stored)) if rows is None else rows
    for first in range(0, len(chosen), 16_384):
        scores = exact @ stored[chosen[first : first + 16_384]].astype(np.float64).T
        both = np.concatenate([best, scores], axis=1)
        best = -np.partition(-both, K - 1, axis=1)[:, :K]
    return -np.sort(-best, axis=1)


def _recall(found: list[list[Any]], true: np.ndarray) -> float:
    """The share of the K best that were found; of two with the same score, either will do."""
    n_right = 0
    for hits, scores in zip(found, true, strict=True):
        n_right += sum(hit.score >= float(scores[-1]) - 1e-6 for hit in hits)
    return float(n_right) / int((true > -2).sum())


def _rates(
    gallery: Any, queries: np.ndarray, stored: np.ndarray, table: Any, how: str
) -> list[harness.Row]:
    ways: dict[str, Callable[[], Any]] = {
        "search_many": lambda: gallery.search_many(queries, K),
        "search, one by one": lambda: [gallery.search(query, K) for query in queries],
        "LanceDB, batched": partial(_lancedb, table, queries),
    }
    notes = {"LanceDB, batched": f"embeddings only, no drawings; {how}"}
    if harness.is_installed("faiss", "faiss"):
        import faiss

        kinds = ["Flat"] if len(stored) < 10**5 else ["Flat", "IVF1024,Flat"]
        for kind in kinds:
            index = faiss.index_factory(stored.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
            index.train(stored[: 40 * 4_096])
            index.add(stored)
            if kind != "Flat":
                faiss.extract_index_ivf(index).nprobe = 16
            name = f"faiss {kind}, batched"
            ways[name] = partial(_faiss, index, queries)
            notes[name] = "embeddings only, no drawings" + ("" if kind == "Flat" else ", nprobe 16")
    rates: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(REPEATS):
        for name, way in ways.items():
            started = time.process_time()
            results[name] = way()
            rates[name].append(len(queries) / (time.process_time() - started))
    true = _truth(stored, queries)
    rows = []
    for name, rate in rates.items():
        target = 2_500 if name == "search_many" else None  # 5,000 a second on two cores
        note = notes.get(name, "hits with their drawings")
        rows.append(harness.Row(name, "queries/CPU s", rate, target, True, note))
        if name in notes:
            right = (results[name] >= true[:, -1:] - 1e-6).mean()
            rows.append(harness.Row(f"{name}, recall@10", "", [float(right)]))
        else:
            recall = _recall(results[name], true)
            rows.append(harness.Row(f"{name}, recall@10", "", [recall], 1.0, True))
    return rows


def _lancedb(table: Any, queries: np.ndarray) -> np.ndarray:
    """The scores (Q, K) of the hits."""
    query = table.search(queries).distance_type("cosine").limit(K)
    found = query.select(["key_id", "_distance"]).to_arrow().sort_by("query_index")
    return 1 - found["_distance"].to_numpy().reshape(len(queries), K)


def _faiss(index: Any, queries: np.ndarray) -> np.ndarray:
    """The scores (Q, K) of the hits."""
    scores: np.ndarray = index.search(queries, K)[0]
    return scores


def _filters(
    gallery: Any, queries: np.ndarray, stored: np.ndarray, drawings: vectors.Drawings
) -> list[harness.Row]:
    countries, categories = [], []
    for rows in gallery.columns("key_id", "country", "category"):
        order = np.array(rows["key_id"].to_pylist(), np.int64)
        countries.append((order, np.array(rows["country"].to_pylist())))
        categories.append((order, np.array(rows["category"].to_pylist())))
    country, category = _in_order(countries), _in_order(categories)
    half = sorted(set(category.tolist()))[::2]
    cases: list[tuple[str, dict[str, Any] | None, np.ndarray | None]] = [("no filter", None, None)]
    for share, name in zip(KEPT, ("AA", "BB", "CC", "DD"), strict=True):
        kept = np.flatnonzero(country == name)
        cases.append((f"a filter that keeps {100 * share:g}%", {"country": name}, kept))
    both = np.flatnonzero((country == "BB") & np.isin(category, half))
    cases.append(("two filters, 10% and 50%", {"country": "BB", "category": half}, both))
    year = np.array(_years(category.tolist()))
    in_2003 = {"timestamp": {"after": "2003", "before": "2004"}}
    cases.append(("a tenth of the categories, by time", in_2003, np.flatnonzero(year == 2003)))
    times: dict[str, list[float]] = {name: [] for name, *_ in cases}
    found: dict[str, list[Any]] = {name: [] for name, *_ in cases}
    for _, where, _ in cases:
        gallery.search(queries[0], K, where=where)  # the first lists the drawings that pass
    for query in queries:
        for name, where, _ in cases:
            started = time.process_time()
            found[name].append(gallery.search(query, K, where=where))
            times[name].append(1000 * (time.process_time() - started))
    unfiltered = float(np.median(times["no filter"]))
    rows = []
    for name, _, kept in cases:
        p99 = float(np.quantile(times[name], 0.99))
        rows.append(harness.Row(f"a search, {name}, median", "ms", times[name]))
        rows.append(harness.Row(f"a search, {name}, 99th percentile", "ms", [p99]))
        if kept is not None:
            ratio = float(np.median(times[name])) / unfiltered
            rows.append(harness.Row(f"{name}: times the unfiltered", "times", [ratio], 2))
        recall = _recall(found[name], _truth(stored, queries, kept))
        rows.append(harness.Row(f"{name}: recall@10", "", [recall], 0.98, True))
    return rows


def _in_order(parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The values of a column in the order of the key_ids, which are numbers from 0."""
    key_ids = np.concatenate([keys for keys, _ in parts])
    return np.concatenate([values for _, values in parts])[np.argsort(key_ids)]


def benchmark(size: int | None = None, *, on_disk: bool = False) -> harness.Benchmark:
    """Of the real drawings, or of a set of `size` made from them."""
    name, command = "search_many", "search_many.py"
    data = "every drawing of the source, embedded by the encoder that ships (no made ones)"
    asked = "real drawings that are not among them"
    if size is not None:
        name, command = f"{name}_{size}", f"{command} --size {size}"
        data = f"{size:,} drawings: those of the source, then made ones, {vectors.RECIPE}"
        asked = "made likewise"
    if on_disk:
        name, command = f"{name}_on_disk", f"{command} --on-disk"
    return harness.Benchmark(
        name,
        f"{data}; {N_QUERIES:,} queries, {asked}",
        "searches without a filter"
        if on_disk
        else "faiss and LanceDB by themselves, and one search after the other",
        partial(run, size=size, on_disk=on_disk),
        quick=size is None and not on_disk,
        command=command,
    )


if __name__ == "__main__":
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--size", type=int, help="number of drawings (default: the real ones)")
    parser.add_argument("--on-disk", action="store_true", help="search by the index on disk")
    given = parser.parse_args()
    chosen = benchmark(given.size, on_disk=given.on_disk)
    harness.show([harness.measure(chosen, harness.checked_source(given.source), given.results)])
