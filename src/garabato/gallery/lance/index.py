"""The indexes of a Lance table on disk: of embeddings, for search, and of key_ids, for pages.

Search on disk is exact, or uses an approximate index that is kept up to date: IVF with int8 codes.
Embeddings are grouped into clusters of a few thousand. A query probes the nearest clusters, and the
best candidates are scored again with full precision. Rows that are not indexed yet are all ranked,
so they are found at once.
"""

from __future__ import annotations

import bisect
import json
import math
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from garabato.drawing import FloatArray
from garabato.errors import InputError
from garabato.gallery.exact.clusters import unit_rows
from garabato.gallery.exact.half_precision import join
from garabato.gallery.filters import quote
from garabato.gallery.lance import limits
from garabato.gallery.lance.table import embedding_columns, read_embeddings
from garabato.gallery.records import Tuned
from garabato.gallery.rows import described_by, to_matrix

#: `tune` chooses at least this many clusters, because queries and filters differ from those it
#: tries. Fewer would hardly save time.
MIN_PROBED = 8
#: The nearest rows that `n_probes` are enough for: the ten of recall@10, and the query itself.
_TUNED_FOR = 11
#: Candidates of the index that are scored with full precision, at least.
_MIN_REFINED = 30
#: Candidates of an exact search beyond k, at first.
_MARGIN = 32
#: If candidates are filtered after they are found: how many more are asked for than an estimate
#: says, because estimates are rough, and the time that one takes, in rows that Lance filters.
_MORE_CANDIDATES, _CANDIDATE_COST = 1.5, 50
#: Rows that pass are common near the query if hits lie at most this factor times as deep as the
#: share of rows that pass suggests. If the share is less than the second, an estimate is too rough.
_COMMON, _MIN_SHARE = 1.5, 0.005
#: Rows whose row ids differ by this much at most are read together.
_TOGETHER = 16
#: The error of Lance's scores, at most: it rounds rows, queries and their lengths to half precision
#: (relative error 2^-11 each).
_HALF_PRECISION = 2**-9
#: The approximate number of drawings in a range, and the most boundaries between ranges.
DRAWINGS_PER_RANGE, MAX_BOUNDARIES = 2_000, 8_192
_METADATA, _PROBED_AS_SET = "garabato.index", "garabato.index.probed_as_set"


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How the index was built and is searched.

    A query probes `n_probes` of its `n_clusters` and scores `refine` times k candidates with full
    precision. `recall` is what `tune` measured when it was asked for `goal` (None: not tuned).
    """

    n_rows: int
    n_clusters: int
    n_probes: int
    refine: int = 3
    recall: float | None = None
    goal: float | None = None

    @classmethod
    def for_rows(cls, n_rows: int) -> IndexSettings:
        """For a table of this size, erring towards recall.

        Building takes n_rows * n_clusters steps, so there are fewer clusters than the usual
        sqrt(n_rows). But they must not be large: Lance splits clusters that outgrow 4 x 8,192
        drawings, a hundred at a time, which takes longer than building the whole index.
        """
        n_clusters = max(1, round(max(math.sqrt(n_rows) / 4, n_rows / 8_192)))
        return cls(n_rows, n_clusters, n_probes=min(n_clusters, max(20, n_clusters // 20)))


def read_settings(table: Any) -> IndexSettings | None:
    """The settings of the table's index; None without an index."""
    metadata = table.schema.field("embedding").metadata or {}
    written = metadata.get(_METADATA.encode())
    if written is None:
        return None
    stored = json.loads(written)
    settings = IndexSettings(n_clusters=stored.pop("n_cells"), **stored)
    if metadata.get(_PROBED_AS_SET.encode()) == written:
        return settings
    # Earlier versions let Lance probe more clusters than they were tuned to: it is not known how
    # good their settings are.
    n_probes = max(settings.n_probes, IndexSettings.for_rows(settings.n_rows).n_probes)
    return replace(settings, n_probes=min(n_probes, settings.n_clusters), recall=None)


def write_settings(table: Any, settings: IndexSettings) -> None:
    """Store the settings in the table, where every process finds them."""
    stored = asdict(settings)
    stored["n_cells"] = stored.pop("n_clusters")  # as earlier versions call it
    written = json.dumps(stored)
    # an earlier version, which writes only the first, leaves two that differ
    metadata = {_METADATA: written, _PROBED_AS_SET: written}
    table.update_field_metadata({"path": "embedding", "metadata": metadata})


def n_indexed(table: Any) -> int:
    """Rows that are in the index."""
    name = _name(table)
    return 0 if name is None else int(table.index_stats(name).num_indexed_rows)


def needs_index(table: Any) -> bool:
    """Whether there is no index yet, or it has fallen behind the table."""
    n_rows = table.count_rows()
    return is_outgrown(table) or n_rows - n_indexed(table) > limits.MAX_UNINDEXED * n_rows


def build_index(table: Any) -> None:
    """Build the index, or build it again. The write lock must be held.

    The columns that filters use are indexed, too. If the table was tuned, it is tuned again.
    """
    from lancedb.index import Bitmap, BTree, IvfSq, LabelList

    before = read_settings(table)
    settings = IndexSettings.for_rows(table.count_rows())
    # Lance's defaults, 256 drawings per cluster and 50 iterations of k-means, give no better recall
    # and would take as long as everything else.
    config = IvfSq(
        distance_type="cosine",
        num_partitions=settings.n_clusters,
        sample_rate=64,
        max_iterations=20,
    )
    table.create_index("embedding", config=config)
    for column in ("category", "country", "recognized"):
        table.create_index(column, config=Bitmap())
    table.create_index("tags", config=LabelList())
    table.create_index("timestamp", config=BTree())
    write_settings(table, settings)
    if before is not None and before.goal is not None:
        try:
            tune(table, recall=before.goal)
        except InputError:  # not even probing all clusters reaches it
            write_settings(table, replace(settings, n_probes=settings.n_clusters, goal=before.goal))


def index_keys(table: Any) -> None:
    """Index the key_ids of a large table, unless they are. The write lock must be held.

    `add` looks up which key_ids are stored; without the index it would read all of them.
    """
    from lancedb.index import BTree

    if table.count_rows() >= limits.KEYS_INDEXED_FROM and _name(table, "key_id") is None:
        table.create_index("key_id", config=BTree())


def is_outgrown(table: Any) -> bool:
    """Whether there is no index, or one with too few clusters for the table, to be built again."""
    settings = read_settings(table)
    if settings is None or _name(table) is None:
        return True
    return bool(table.count_rows() > limits.MAX_GROWTH * settings.n_rows)


class OnDisk:
    """A version of a table, to be searched on disk, and what searches need to know about it.

    Without `settings` all rows are ranked, which is exact.
    """

    def __init__(self, table: Any, *, settings: IndexSettings | None) -> None:
        self.table, self.settings = table, settings
        self.columns = [*described_by(table.schema.names), *embedding_columns(table), "_distance"]
        #: The number of rows that pass an SQL condition, or of all rows if it is None.
        self.n_passing = lru_cache(maxsize=64)(table.count_rows)
        self.n_rows = int(self.n_passing(None))
        self._n_reads = lru_cache(maxsize=64)(self._count_reads)

    def search(
        self, embedding: FloatArray, k: int, sql: str | None = None, *, rank: float = 0
    ) -> tuple[pa.Table, FloatArray]:
        """The k nearest rows that pass `sql`, best first, and their cosine similarities.

        `rank` is an estimate of how many rows are as near as the k-th of those that pass. The index
        is used, unless ranking all rows that pass takes less time.
        """
        query = self.table.search(embedding.astype(np.float16), vector_column_name="embedding")
        query = query.distance_type("cosine").select(self.columns)
        if sql is not None:
            query = query.where(sql, prefilter=True)
        if self.settings is None:
            return _rank_all(query.bypass_vector_index(), embedding, k)
        n_passing, n_clusters = self.n_passing(sql), self.settings.n_clusters
        depth = k * self.n_rows / max(1, n_passing)
        is_common = rank <= _COMMON * depth and n_passing >= _MIN_SHARE * self.n_rows
        rank = max(rank, depth)
        n_probes = probes_for(self.settings, rank, is_common=is_common)
        n_scanned = n_probes / n_clusters * self.n_rows
        if self._is_ranked_faster(sql, n_scanned):
            return _rank_all(query.bypass_vector_index(), embedding, k)
        refine = max(self.settings.refine, math.ceil(_MIN_REFINED / k))
        n_candidates = math.ceil(_MORE_CANDIDATES * refine * rank)
        is_cheaper = n_candidates <= n_scanned / _CANDIDATE_COST
        if sql is not None and is_common and is_cheaper:
            # Lance filters all rows of the clusters one by one, which takes longer than computing
            # their distances. The candidates are the same if enough of the nearest rows pass.
            query = query.minimum_nprobes(n_probes).maximum_nprobes(n_probes)
            candidates = query.where(sql, prefilter=False).limit(n_candidates).to_arrow()
            if candidates.num_rows >= refine * k:
                return _best(candidates, embedding, k)
            query = query.where(sql, prefilter=True)
        query = query.refine_factor(refine).limit(k)
        while True:
            # Between two different bounds, Lance chooses for itself, and often probes all clusters.
            query = query.minimum_nprobes(n_probes).maximum_nprobes(n_probes)
            rows, scores = _best(query.to_arrow(), embedding, k)
            if len(scores) >= min(k, n_passing) or n_probes == n_clusters:
                return rows, scores
            n_probes = n_clusters

    def _is_ranked_faster(self, sql: str | None, n_scanned: float) -> bool:
        """Whether ranking all rows that pass takes less time than scanning `n_scanned` rows of the
        index. It depends on whether they lie together on the disk, as those of a category often do.
        """
        cost: int = limits.RANK_COST * self.n_passing(sql)
        return cost <= n_scanned and cost + limits.READ_COST * self._n_reads(sql) <= n_scanned

    def _count_reads(self, sql: str | None) -> int:
        """The reads from disk that all rows that pass take: one for those that lie together."""
        query = self.table.search().with_row_id(True).select(["_rowid"])
        if sql is not None:
            query = query.where(sql)
        row_ids = np.sort(query.to_arrow()["_rowid"].to_numpy())
        return 1 + int((np.diff(row_ids) > _TOGETHER).sum())


def probes_for(settings: IndexSettings, rank: float, *, is_common: bool = True) -> int:
    """The clusters to probe for a last hit of this rank among all rows.

    `settings.n_probes` are enough for the _TUNED_FOR nearest. Farther rows mostly lie in the same
    clusters, but those that pass a filter may lie in others, unless they are common near the query.
    """
    farther = max(1, rank / _TUNED_FOR) ** (0.2 if is_common else 0.4)
    return int(min(settings.n_clusters, math.ceil(settings.n_probes * farther)))


def tune(table: Any, *, recall: float, n_queries: int = 100) -> list[Tuned]:
    """Find the fewest probes, at least MIN_PROBED, that reach a recall@10, and store them in the
    table.

    Queries are random embeddings of the table, each left out of its own hits. Recall is measured
    against an exact search. Returns all settings that were measured, the stored one last. Raises
    InputError for a recall that cannot be reached.
    """
    settings = read_settings(table)
    assert settings is not None
    n_rows = table.count_rows()
    rng = np.random.default_rng(0)
    offsets = np.sort(rng.choice(n_rows, min(n_queries, n_rows), replace=False)).tolist()
    stored = table.take_offsets(offsets).select(["embedding"]).to_arrow()["embedding"]
    queries = unit_rows(to_matrix(stored))
    exact = OnDisk(table, settings=None)
    truth = [_scores(exact, query) for query in queries]
    measured: dict[int, Tuned] = {}

    def are_enough(n_probes: int) -> bool:
        tried = OnDisk(table, settings=replace(settings, n_probes=n_probes))
        measured[n_probes] = _measure(tried, queries, truth)
        return measured[n_probes].recall >= recall

    n_probes = min(MIN_PROBED, settings.n_clusters)
    too_few = n_probes - 1
    while not are_enough(n_probes):  # double them until they are, then bisect
        if n_probes == settings.n_clusters:
            raise InputError(
                f"a recall of {recall} cannot be reached: probing all {n_probes} clusters gives "
                f"{measured[n_probes].recall:.4f}; choose a lower recall"
            )
        too_few, n_probes = n_probes, min(2 * n_probes, settings.n_clusters)
    while n_probes - too_few > 1:
        middle = (too_few + n_probes) // 2
        if are_enough(middle):
            n_probes = middle
        else:
            too_few = middle
    best = measured.pop(n_probes)
    kept = replace(settings, n_probes=n_probes, recall=round(best.recall, 4), goal=recall)
    write_settings(table, kept)
    return [*measured.values(), best]


class KeyRanges:
    """Divides the sorted key_ids of a table into ranges of about DRAWINGS_PER_RANGE drawings.

    A page of key_ids is read range by range: a few thousand are read, not all. The index of key_ids
    (`index_keys`) quickly finds those in a range.
    """

    def __init__(self) -> None:
        #: Some key_ids, sorted, and the number of drawings when they were read.
        self._boundaries: tuple[list[str], int] = ([], 0)

    def next_key_ids(
        self, table: Any, sql: str | None, after: str | None, limit: int, *, in_ranges: bool = True
    ) -> list[str]:
        """The first `limit` key_ids after `after` of the rows that pass `sql`, sorted.

        Without `in_ranges` all that pass are read at once, which is faster if they are few.
        """
        boundaries = self.boundaries(table) if in_ranges else []
        at = 0 if after is None else bisect.bisect_right(boundaries, after)
        width = max(1, limit // DRAWINGS_PER_RANGE)
        found: list[str] = []
        while len(found) < limit:
            at += width
            last = boundaries[at - 1] if at <= len(boundaries) else None
            terms = [] if sql is None else [f"({sql})"]
            terms += [] if after is None else [f"key_id > {quote(after)}"]
            terms += [] if last is None else [f"key_id <= {quote(last)}"]
            query = table.search().select(["key_id"])
            if terms:
                query = query.where(" AND ".join(terms))
            found += sorted(query.to_arrow()["key_id"].to_pylist())
            if last is None:
                break
            after, width = last, 2 * width
        return found[:limit]

    def boundaries(self, table: Any) -> list[str]:
        """The last key_id of each range but the last one, sorted; none for a small table.

        Any key_ids divide a table, so these stay valid when it changes. They are read again once
        its size has halved or doubled.
        """
        n = table.count_rows()
        boundaries, n_before = self._boundaries
        if n < limits.KEYS_INDEXED_FROM:
            return []
        if not n_before / 2 < n < 2 * n_before:
            rng = np.random.default_rng(0)
            n_boundaries = min(MAX_BOUNDARIES, n // DRAWINGS_PER_RANGE)
            chosen = np.sort(rng.choice(n, n_boundaries, replace=False)).tolist()
            rows = table.take_offsets(chosen).select(["key_id"]).to_arrow()
            boundaries = sorted(rows["key_id"].to_pylist())
            self._boundaries = boundaries, n
        return boundaries


def _name(table: Any, column: str = "embedding") -> str | None:
    """The name of the index on a column."""
    names = [index.name for index in table.list_indices() if index.columns == [column]]
    return names[0] if names else None


def _rank_all(query: Any, embedding: FloatArray, k: int) -> tuple[pa.Table, FloatArray]:
    """The true nearest, although Lance scores in half precision: enough candidates are scored again
    that no other row can be among the k best."""
    n = k + _MARGIN
    while True:
        candidates = query.limit(n).to_arrow()
        rows, scores = _best(candidates, embedding, k)
        if candidates.num_rows < n:
            return rows, scores
        best_of_others = 1 - candidates["_distance"].to_numpy().max() + _HALF_PRECISION
        if best_of_others < scores[-1]:
            return rows, scores
        n *= 2


def _best(candidates: pa.Table, embedding: FloatArray, k: int) -> tuple[pa.Table, FloatArray]:
    exact = join(*read_embeddings(candidates)).astype(np.float64)
    scores = exact @ embedding / np.maximum(np.linalg.norm(exact, axis=1), 1e-12)
    best = np.argsort(-scores, kind="stable")[:k]
    rows = candidates.select(described_by(candidates.schema.names)).take(pa.array(best))
    return rows, scores[best].astype(np.float32)


def _scores(searched: OnDisk, query: FloatArray) -> FloatArray:
    """Scores of the ten nearest, without the query itself, which is the first."""
    return searched.search(query, _TUNED_FOR)[1][1:]


def _measure(searched: OnDisk, queries: FloatArray, truth: list[FloatArray]) -> Tuned:
    times_ms, recalls = [], []
    for query, true in zip(queries, truth, strict=True):
        started = time.perf_counter()
        found = _scores(searched, query)
        times_ms.append(1000 * (time.perf_counter() - started))
        recalls.append(_recall(found, true))
    tried = searched.settings
    assert tried is not None
    return Tuned(tried.n_probes, tried.refine, float(np.mean(recalls)), float(np.median(times_ms)))


def _recall(found: FloatArray, true: FloatArray) -> float:
    """The share of true neighbours found. By score: of two equal ones, either will do."""
    if len(true) == 0:
        return 1.0
    return float((found >= true.min() - 1e-6).sum()) / len(true)
