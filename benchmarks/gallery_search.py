"""Search, add and size of a gallery on disk, beside faiss and LanceDB by themselves.

`python benchmarks/gallery_search.py` uses the real drawings: 300 of them are the queries, and the
others are searched, as in the sets of ann-benchmarks. `--pixels` searches the pixels of these
drawings, which no network arranged. `--size 1000000` and `--size 10000000` use larger sets made
from the drawings (see vectors.py). Each of these has a results file of its own. `--gallery FOLDER`
keeps the gallery; one that is there already is searched as it is. faiss is measured if it is
installed: pip install 'garabato[bench]'.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import harness
import numpy as np
import vectors

N_QUERIES = 300
K = 10
#: The share of drawings that pass the filters.
KEPT = 0.01
#: Scores that differ by less are equal once embeddings are stored as float16.
SAME = 1e-4

#: Targets for each size (None: the real drawings): recall@10, p50 in ms, p99 in ms.
GOALS: dict[int | None, tuple[float, float | None, float | None]] = {
    None: (1.0, 3, 8),
    1_000_000: (1.0, 0.8, 3),
    10_000_000: (0.98, 5, 20),
}


def run(
    context: harness.Context, size: int | None, kept: Path | None, pixels: bool
) -> list[harness.Row]:
    """All rows for one size (None: the real drawings). `kept` is where the gallery stays, if it
    does."""
    drawings = vectors.load(context.source)
    if pixels:
        drawings = drawings.as_pixels()
    if size is None:
        drawings, queries = drawings.held_out(N_QUERIES)
    else:
        queries = vectors.queries(drawings, N_QUERIES)
    n, goals = size or len(drawings), GOALS.get(size, (0.95, None, None))
    filters = [_keeping(drawings, seed) for seed in range(N_QUERIES)]
    truth = Truth(drawings, queries, filters)
    uri = context.work / "g"
    is_filled = kept is not None and kept.exists()
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        uri.symlink_to(kept.resolve())
    if is_filled:
        harness.say(f"looking at {n:,}")
        for number, (_, embeddings) in enumerate(drawings.chunks(n)):
            truth.look_at(embeddings, number * vectors.CHUNK)
        rows = [harness.Row("drawings", "", [n], note="added in an earlier run")]
    else:
        harness.say(f"adding {n:,}")
        rows = [*_fill(uri, drawings, n, truth, goals[0])]
    asked = context.work / "asked.json"
    asked.write_text(json.dumps({"filters": filters}))
    np.save(context.work / "queries.npy", queries)
    harness.say("searching")
    rows += _searched(context.work, n, truth, goals)
    harness.say("adding 1,000")
    rows += _add_a_few(uri, drawings, n)
    rows += _naive_lancedb(context.work / "naive", drawings, n, queries, truth)
    rows += _faiss(drawings, n, queries, truth)
    # The goals are about embeddings.
    return [replace(row, target=None) for row in rows] if pixels else rows


class Truth:
    """The ten best scores of each query, with and without its filter, by brute force."""

    def __init__(
        self, drawings: vectors.Drawings, queries: np.ndarray, filters: list[list[str]]
    ) -> None:
        self.queries = queries
        self.drawings = drawings
        self._scores = np.full((2, len(queries), K), -2, np.float32)
        self._rows = np.full((2, len(queries), K), -1, np.int64)
        names = {name: i for i, name in enumerate(sorted(set(map(str, drawings.batch.categories))))}
        self._labels = np.array([names[str(c)] for c in drawings.batch.categories])
        self._passes = np.zeros((len(queries), len(names)), bool)
        for passes, kept in zip(self._passes, filters, strict=True):
            passes[[names[name] for name in kept]] = True

    def look_at(self, embeddings: np.ndarray, first: int) -> None:
        """Take rows `first` on into account."""
        rows = np.arange(first, first + len(embeddings))
        scores = self.queries @ embeddings.T
        self._keep_best(0, scores, rows)
        passes = self._passes[:, self._labels[rows % len(self._labels)]]
        self._keep_best(1, np.where(passes, scores, -2), rows)

    def _keep_best(self, which: int, scores: np.ndarray, rows: np.ndarray) -> None:
        best = np.argpartition(-scores, min(K, scores.shape[1]) - 1, axis=1)[:, :K]
        both = np.concatenate([self._scores[which], np.take_along_axis(scores, best, 1)], axis=1)
        places = np.concatenate([self._rows[which], rows[best]], axis=1)
        kept = np.argsort(-both, axis=1, kind="stable")[:, :K]
        self._scores[which] = np.take_along_axis(both, kept, 1)
        self._rows[which] = np.take_along_axis(places, kept, 1)

    def recall(self, found: list[list[int]], *, filtered: bool = False) -> float:
        """The share of the ten best that were found; of two with the same score, either will do."""
        n_right = 0
        for query, rows, best in zip(self.queries, found, self._scores[int(filtered)], strict=True):
            scores = self.drawings.vectors(np.array(rows, np.int64)) @ query
            n_right += int((scores >= best[-1] - SAME).sum())
        return n_right / (K * len(found))

    def recall_by_key(self, found: list[list[int]]) -> float:
        """The share of the ten best rows that were found, whatever their scores."""
        pairs = zip(found, self._rows[0].tolist(), strict=True)
        return sum(len(set(rows) & set(true)) for rows, true in pairs) / (K * len(found))


def _keeping(drawings: vectors.Drawings, seed: int) -> list[str]:
    """Random categories that together have KEPT of the drawings, or a few more."""
    names, counts = np.unique(np.array(drawings.batch.categories, str), return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = np.searchsorted(np.cumsum(counts[order]), KEPT * len(drawings)) + 1
    return [str(name) for name in names[order[:enough]]]


def _fill(
    uri: Path, drawings: vectors.Drawings, n: int, truth: Truth, recall: float
) -> Iterator[harness.Row]:
    from garabato.gallery import open_gallery

    yield harness.Row("drawings", "", [n])
    yield _embedding_rate(drawings)
    gallery = open_gallery(uri, encoder=encoder(drawings))
    seconds = []
    for number, (batch, embeddings) in enumerate(drawings.chunks(n)):
        started = time.perf_counter()
        gallery.add(batch, embeddings=embeddings)
        seconds.append(time.perf_counter() - started)
        truth.look_at(embeddings, number * vectors.CHUNK)
        if number % 10 == 9:
            harness.say(f"  {len(gallery):,}: {n_rate(number + 1, seconds):,.0f} drawings/s")
    assert len(gallery) == n
    yield harness.Row(
        "bulk add with ready embeddings", "drawings/s", [n / sum(seconds)], 20_000, True,
        "durable: every transaction of 16,384 is flushed to the disk; indexing on the way included",
    )  # fmt: skip
    started = time.perf_counter()
    gallery.compact(keep_versions_s=0)
    took = "search is exact, no index"
    if not gallery.info().exact:
        took = "with indexing of the drawings added since the index was built"
    yield harness.Row("compact", "s", [time.perf_counter() - started], note=took)
    size = gallery.info().to_dict()["bytes_per_drawing"]
    note = "strokes, embedding, metadata, index"
    yield harness.Row("on disk", "bytes/drawing", [size], 800, note=note)
    if not gallery.info().exact:
        started = time.perf_counter()
        gallery.tune(recall=recall)
        yield harness.Row("tune", "s", [time.perf_counter() - started])


def _embedding_rate(drawings: vectors.Drawings) -> harness.Row:
    """Drawings embedded per second on one core."""
    import torch

    import garabato

    some = drawings.batch.take(np.arange(0, len(drawings), max(1, len(drawings) // 2_000)))
    ours = garabato.load_encoder()
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rates = []
    for _ in range(3):
        started = time.process_time()
        ours.embed(some)
        rates.append(len(some) / (time.process_time() - started))
    torch.set_num_threads(n_threads)
    return harness.Row("embedding, one core", "drawings/s", rates, note="rendering included")


def n_rate(n_chunks: int, seconds: list[float]) -> float:
    """Drawings per second so far."""
    return n_chunks * vectors.CHUNK / sum(seconds)


def _searched(
    work: Path, n: int, truth: Truth, goals: tuple[float, float | None, float | None]
) -> list[harness.Row]:
    """Search in a separate process, so that its memory is that of searching alone."""
    command = [sys.executable, __file__, "--search", str(work)]
    subprocess.run(command, check=True)
    seen = json.loads((work / "seen.json").read_text())
    recall_goal, p50_goal, p99_goal = goals
    plain, filtered = seen["plain"], seen["filtered"]
    held = seen["held_bytes"] / n
    ratio = float(np.median(filtered["times_ms"]) / np.median(plain["times_ms"]))
    return [
        harness.Row(
            "a search, k = 10, median", "ms", plain["times_ms"], p50_goal, note=seen["mode"]
        ),
        harness.Row(
            "a search, 99th percentile",
            "ms",
            [float(np.quantile(plain["times_ms"], 0.99))],
            p99_goal,
        ),
        harness.Row(
            "recall@10", "", [truth.recall(plain["found"])], recall_goal, True,
            f"scores within {SAME} count as equal: float16 rounds that much",
        ),
        harness.Row("recall@10, the same drawings", "", [truth.recall_by_key(plain["found"])]),
        harness.Row(
            "a search among 1%, median", "ms", filtered["times_ms"],
            note="other categories each time",
        ),
        harness.Row("the same over a search of all", "times", [ratio], 2),
        harness.Row(
            "recall@10 among 1%", "", [truth.recall(filtered["found"], filtered=True)], 0.98, True
        ),
        *([harness.Row("bytes held in memory", "bytes/drawing", [held])] if held else []),
        harness.Row("opening and loading", "s", [seen["warm_s"]], note="once a process"),
        harness.Row(
            "memory to search", "GiB", [seen["peak_gib"]], 6 if n >= 10**7 else None,
            note="peak of the process, libraries included",
        ),
    ]  # fmt: skip


def search(work: Path) -> None:
    """The separate process of `_searched`: writes seen.json."""
    import resource

    from garabato.gallery import open_gallery

    queries = np.load(work / "queries.npy")
    filters = json.loads((work / "asked.json").read_text())["filters"]
    started = time.perf_counter()
    gallery: Any = open_gallery(work / "g")
    gallery.warm()
    seen: dict[str, Any] = {"warm_s": time.perf_counter() - started}
    for name, wheres in (("plain", [None] * len(queries)), ("filtered", filters)):
        times_ms, found = timed_searches(gallery, queries, wheres)
        seen[name] = {"times_ms": times_ms, "found": found}
    seen["mode"] = gallery.info().mode
    seen["held_bytes"] = gallery.info().bytes_in_memory or 0
    seen["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    (work / "seen.json").write_text(json.dumps(seen))


def timed_searches(
    gallery: Any, queries: np.ndarray, wheres: Sequence[list[str] | None]
) -> tuple[list[float], list[list[int]]]:
    """The time of each query, and the key_ids it found among the categories of its filter."""
    for query in queries[:20]:
        gallery.search(query, k=K)
    times_ms, found = [], []
    for query, where in zip(queries, wheres, strict=True):
        started = time.perf_counter()
        hits = gallery.search(query, k=K, where=where and {"category": where})
        times_ms.append(1000 * (time.perf_counter() - started))
        found.append([int(hit.key_id) for hit in hits])
    return times_ms, found


def _add_a_few(uri: Path, drawings: vectors.Drawings, n: int) -> Iterator[harness.Row]:
    from garabato.gallery import open_gallery

    gallery: Any = open_gallery(uri, encoder=encoder(drawings))
    gallery.warm()
    seconds = []
    for repeat in range(5):
        rows = np.arange(n + 1_000 * repeat, n + 1_000 * (repeat + 1))
        batch, embeddings = drawings.drawings(rows), drawings.vectors(rows)
        started = time.perf_counter()
        gallery.add(batch, embeddings=embeddings)
        (hit,) = gallery.search(embeddings[-1], k=1)
        seconds.append(time.perf_counter() - started)
        assert hit.score > 1 - SAME
        gallery.delete(batch.key_ids)  # a gallery that is kept stays as it is
    yield harness.Row(
        f"add 1,000 to {n:,}, durable and found", "s", seconds, 2,
        note="from the call to the first hit, in a process after `warm()`",
    )  # fmt: skip


def _naive_lancedb(
    folder: Path, drawings: vectors.Drawings, n: int, queries: np.ndarray, truth: Truth
) -> Iterator[harness.Row]:
    """Queries one by one."""
    table, how = lancedb_table(folder, drawings, n)
    times_ms, found = [], []
    for query in queries:
        started = time.perf_counter()
        rows = (
            table.search(query)
            .distance_type("cosine")
            .limit(K)
            .select(["key_id", "_distance"])
            .to_arrow()
        )
        times_ms.append(1000 * (time.perf_counter() - started))
        found.append([int(key) for key in rows["key_id"].to_pylist()])
    yield harness.Row("LanceDB used naively, median", "ms", times_ms, note=f"float32, {how}")
    yield harness.Row("LanceDB used naively, recall@10", "", [truth.recall(found)])


def lancedb_table(folder: Path, drawings: vectors.Drawings, n: int) -> tuple[Any, str]:
    """A table of LanceDB as in its quickstart, and how it is searched: from a million rows on, by
    its default index."""
    import lancedb
    import pyarrow as pa

    harness.say("LanceDB, used naively")
    table: Any = None
    for batch, embeddings in drawings.chunks(n):
        flat = pa.array(embeddings.reshape(-1))
        rows = pa.table(
            {
                "key_id": batch.key_ids,
                "category": batch.categories,
                "vector": pa.FixedSizeListArray.from_arrays(flat, embeddings.shape[1]),
            }
        )
        if table is None:
            table = lancedb.connect(folder).create_table("drawings", rows)
        else:
            table.add(rows)
    if n < 10**6:
        return table, "no index"
    started = time.perf_counter()
    table.create_index(metric="cosine", vector_column_name="vector", index_type="IVF_PQ")
    return table, f"its default index, IVF_PQ, built in {time.perf_counter() - started:.0f} s"


def _faiss(
    drawings: vectors.Drawings, n: int, queries: np.ndarray, truth: Truth
) -> Iterator[harness.Row]:
    """faiss: embeddings only, in memory, not durable, no filters."""
    if not harness.is_installed("faiss", "faiss"):
        return
    import faiss

    # Settings of an index that are tried: clusters probed, or candidates held in a graph.
    kinds: dict[str, tuple[int, ...]] = {} if n > 2 * 10**6 else {"Flat": (0,)}
    if n >= 10**6:
        kinds["IVF1024,Flat" if n < 10**7 else "IVF4096,SQ8"] = (16,)
    else:
        kinds |= {"IVF1024,Flat": (1, 4, 16, 64), "HNSW32": (16, 64, 256)}
    for kind, settings in kinds.items():
        harness.say(f"faiss {kind}")
        index = faiss.index_factory(queries.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        started = time.perf_counter()
        if not index.is_trained:
            n_train = min(n, 40 * 4_096)
            index.train(np.concatenate([part for _, part in drawings.chunks(n_train)]))
        build_s = time.perf_counter() - started
        for _, embeddings in drawings.chunks(n):
            started = time.perf_counter()
            index.add(embeddings)
            build_s += time.perf_counter() - started
        for setting in settings:
            name = f"faiss {kind}"
            if kind.startswith("IVF"):
                faiss.extract_index_ivf(index).nprobe = setting
                name += f", nprobe {setting}"
            elif kind.startswith("HNSW"):
                index.hnsw.efSearch = setting
                name += f", efSearch {setting}"
            times_ms, found = [], []
            for query in queries:
                started = time.perf_counter()
                _, rows = index.search(query[None], K)
                times_ms.append(1000 * (time.perf_counter() - started))
                found.append(rows[0].tolist())
            yield harness.Row(f"{name}, median", "ms", times_ms, note=f"built in {build_s:.1f} s")
            yield harness.Row(f"{name}, recall@10", "", [truth.recall(found)])


def encoder(drawings: vectors.Drawings) -> Any:
    """Stands for the encoder of these drawings, whose embeddings are given."""
    from gallery_kills import Filler

    filler = Filler()
    filler.embedding_dim = drawings.embeddings.shape[1]
    return filler


def benchmark(
    size: int | None = None, kept: Path | None = None, *, pixels: bool = False
) -> harness.Benchmark:
    """With the real drawings, or a set of `size` made from them, in a gallery that is `kept`."""
    name, command = "gallery_search", "gallery_search.py"
    data = "every drawing of the source, embedded by the encoder that ships (no made ones)"
    asked = "real drawings that are not among them"
    if pixels:
        name, command = f"{name}_pixels", f"{command} --pixels"
        data = "the 28x28 pixels of every drawing of the source, as vectors of length 1"
    if size is not None:
        asked = "made likewise"
        name, command = f"{name}_{size}", f"{command} --size {size}"
        data = f"{size:,} drawings: those of the source, then made ones, {vectors.RECIPE}"
    return harness.Benchmark(
        name,
        f"{data}; {N_QUERIES} queries, {asked}, one at a time",
        "faiss and LanceDB by themselves",
        partial(run, size=size, kept=kept, pixels=pixels),
        quick=False,
        command=command,
    )


if __name__ == "__main__":
    if "--search" in sys.argv:
        search(Path(sys.argv[-1]))
    else:
        given: dict[str, str] = {}
        for option in {"--size", "--gallery"} & set(sys.argv):
            place = sys.argv.index(option)
            given[option] = sys.argv[place + 1]
            del sys.argv[place : place + 2]
        size = int(given["--size"]) if "--size" in given else None
        kept = Path(given["--gallery"]) if "--gallery" in given else None
        pixels = "--pixels" in sys.argv
        sys.argv = [one for one in sys.argv if one != "--pixels"]
        harness.main(benchmark(size, kept, pixels=pixels))
