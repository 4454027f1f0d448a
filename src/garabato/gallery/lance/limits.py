"""What decides whether a gallery in a folder is searched exactly; see the table in
docs/galleries.md."""

from __future__ import annotations

from garabato.host.machine import memory_bytes

#: Up to here search is exact: all embeddings are held in memory and ranked.
EXACT_UP_TO = 8_000_000
#: Bytes that a drawing takes in memory, and the share of the machine's memory for a gallery. A
#: gallery that takes more is searched by the approximate index on disk.
BYTES_PER_ROW, MEMORY_SHARE = 728, 0.25
#: A filter that so few drawings pass is answered exactly, by ranking these, in any gallery.
EXACT_PASSING = 250_000
#: Drawings from which key_ids have an index: reading 100,000 takes 20 ms.
KEYS_INDEXED_FROM = 100_000
#: Share of drawings not indexed yet beyond which they are added to the index.
MAX_UNINDEXED = 0.1
#: Growth since the index was built beyond which it is built again, with more clusters.
MAX_GROWTH = 4
#: Small pieces (one a transaction) beyond which they are merged.
MAX_SMALL_PIECES = 64
#: Versions (one a change) past their time beyond which they are removed.
MAX_OLD_VERSIONS = 256
#: Merging and indexing that took t seconds is not repeated for REST * t seconds.
REST = 2.0
#: Versions older than this are removed when compacting; younger ones may still be read.
KEEP_VERSIONS_S = 600.0


def is_exact(n_drawings: int) -> bool:
    """Whether a gallery of this size is held in memory and searched exactly on this machine."""
    return n_drawings <= min(EXACT_UP_TO, int(MEMORY_SHARE * memory_bytes() / BYTES_PER_ROW))
