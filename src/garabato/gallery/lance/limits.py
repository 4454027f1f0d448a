"""The limits that decide whether a gallery in a folder is searched exactly, and when it is indexed
and compacted; docs/galleries.md has them as a table."""

from __future__ import annotations

from garabato.host.machine import memory_bytes

#: Up to this number of drawings search is exact: all embeddings are held in memory and ranked.
EXACT_UP_TO = 8_000_000
#: Bytes that a drawing takes in memory, and the share of the machine's memory for a gallery. A
#: gallery that needs more is searched by the approximate index on disk.
BYTES_PER_ROW, MEMORY_SHARE = 628, 0.25
#: With a filter, `OnDisk` (index.py) takes the faster of two ways: scanning clusters of the
#: approximate index, or ranking every drawing that passes, which is exact. The costs of ranking a
#: drawing and of a read from another part of the disk, in drawings that the index scans meanwhile.
RANK_COST, READ_COST = 20, 700
#: From this number of drawings on, key_ids are indexed: reading 100,000 of them takes 20 ms.
KEYS_INDEXED_FROM = 100_000
#: If a larger share of drawings is not indexed yet, they are added to the index.
MAX_UNINDEXED = 0.1
#: If the gallery has grown by more than this factor since the index was built, the index is built
#: again, with more clusters.
MAX_GROWTH = 4
#: If there are more small fragments (one per transaction), they are merged.
MAX_SMALL_FRAGMENTS = 64
#: If there are more versions (one per change) older than KEEP_VERSIONS_S, they are removed.
MAX_OLD_VERSIONS = 256
#: Merging and indexing that took t seconds is not repeated for REST * t seconds.
REST = 2.0
#: Versions older than this are removed when compacting; newer ones may still be read.
KEEP_VERSIONS_S = 600.0


def is_exact(n_drawings: int) -> bool:
    """Whether a gallery of this size is held in memory and searched exactly on this machine."""
    return n_drawings <= min(EXACT_UP_TO, int(MEMORY_SHARE * memory_bytes() / BYTES_PER_ROW))
