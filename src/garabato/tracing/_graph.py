"""Tracing, 2: skeletons one pixel wide -> graphs.

Clusters of pixels with three or more neighbours are nodes; the chains of pixels between them are
branches. Spurs left by thinning are pruned, and nodes that it separated at a crossing are merged.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, ByteArray, IntArray
from garabato.host.kernels import inner_kernel, kernel

#: A branch whose ink extends less than this many depths beyond the ink around its node is a spur.
_SPUR = 0.5
#: Nodes closer than this many depths are one crossing.
_CROSSING = 1.5
#: Isolated strokes shorter than _DOT pen radii are dots; dots thinner than _DIRT are not ink.
_DOT, _DIRT = 1.1, 0.5

#: The kinds of chains; `_lines` uses the same numbers.
_BRANCH, _RING, _SINGLE, _DROPPED = 0, 1, 2, 3
_FREE = -1  # the end of a branch that is not at a node
_N_PRUNINGS = 3


class Graphs(NamedTuple):
    """The graphs of N bitmaps, with C chains of P points and M nodes, in px of the bitmaps.

    The points of chain c begin at `chain_starts[c]`. `kinds` (C,): 0 a branch, 1 a closed ring,
    2 a dot. `ends` (C, 2) are the nodes at the ends of branches, or -1. `through` (M,): whether
    lines go exactly through the node. The chains and nodes of bitmap i begin at `first_chains[i]`
    and `first_nodes[i]`.
    """

    points: npt.NDArray[np.float64]
    chain_starts: IntArray
    kinds: ByteArray
    ends: IntArray
    nodes: npt.NDArray[np.float64]
    through: BoolArray
    first_chains: IntArray
    first_nodes: IntArray


@kernel
def find_graphs(skeletons, first_rows, stride, fits):  # type: ignore[no-untyped-def]
    """`_skeleton.Skeletons` of `WorkingImages` -> the fields of `Graphs`."""
    pixels, depths, starts, radii = (
        skeletons.pixels, skeletons.depths, skeletons.starts, skeletons.radii
    )  # fmt: skip
    n_bitmaps, most = len(radii), len(pixels)
    points = np.empty((most, 2), np.float64)
    chain_starts = np.zeros(most + 1, np.int64)
    kinds = np.empty(most, np.uint8)
    all_ends = np.empty((most, 2), np.int64)
    nodes = np.empty((most, 2), np.float64)
    through = np.empty(most, np.bool_)
    first_chains = np.zeros(n_bitmaps + 1, np.int64)
    first_nodes = np.zeros(n_bitmaps + 1, np.int64)
    n, n_chains, n_nodes = 0, 0, 0
    for i in range(n_bitmaps):
        left, top, scale = fits[i, 0], fits[i, 1], fits[i, 2]
        first, last = starts[i], starts[i + 1]
        size = (first_rows[i + 1] - first_rows[i]) * stride
        chain, parts, kind, ends, spots, root, members = _graph(
            pixels[first:last] - first_rows[i] * stride, depths[first:last], stride, size, radii[i]
        )
        number = np.empty(len(spots), np.int64)  # of the nodes that are kept
        for node in range(len(spots)):
            if root[node] == node:
                nodes[n_nodes, 0] = np.float32(left + spots[node, 0] / scale)
                nodes[n_nodes, 1] = np.float32(top + spots[node, 1] / scale)
                through[n_nodes] = members[node] == 1
                number[node] = n_nodes
                n_nodes += 1
        for c in range(len(kind)):
            if kind[c] == _DROPPED:
                continue
            for j in range(parts[c], parts[c + 1]):
                points[n, 0] = np.float32(left + (chain[j] % stride + 0.5) / scale)
                points[n, 1] = np.float32(top + (chain[j] // stride + 0.5) / scale)
                n += 1
            for end in range(2):
                node = ends[c, end]
                all_ends[n_chains, end] = number[root[node]] if node >= 0 else _FREE
            kinds[n_chains] = kind[c]
            n_chains += 1
            chain_starts[n_chains] = n
        first_chains[i + 1], first_nodes[i + 1] = n_chains, n_nodes
    return (
        points[:n],
        chain_starts[: n_chains + 1],
        kinds[:n_chains],
        all_ends[:n_chains],
        nodes[:n_nodes],
        through[:n_nodes],
        first_chains,
        first_nodes,
    )


@inner_kernel
def _graph(pixels, depths, stride, size, radius):  # type: ignore[no-untyped-def]
    """One skeleton -> chain pixels, chain starts, kinds, ends, nodes, and for each node its root
    and the number of nodes merged into it."""
    degree = _degrees(pixels, size, stride)
    node_of, spots = _find_nodes(pixels, depths, degree, stride)
    chain, chain_depths, starts, ends, kinds = _find_chains(pixels, depths, degree, node_of, stride)
    lengths = _lengths(chain, starts, ends, spots, stride)
    _find_dots(chain_depths, starts, ends, lengths, kinds, radius, len(spots) == 0)
    _prune(chain_depths, starts, ends, lengths, spots, kinds)
    root, members = _merge_nodes(ends, lengths, spots, kinds)
    return chain, starts, kinds, ends, spots, root, members


@inner_kernel
def _degrees(pixels, size, stride):  # type: ignore[no-untyped-def]
    """For each pixel of the image: 0 off the skeleton, else 1 + its number of neighbours."""
    degree = np.zeros(size, np.uint8)
    for p in pixels:
        degree[p] = 1
    for p in pixels:
        for step in _steps(stride):
            degree[p] += degree[p + step] > 0
    return degree


@inner_kernel(inline="always")
def _steps(stride):  # type: ignore[no-untyped-def]
    """The steps to the eight neighbours, the four nearest first."""
    return (1, stride, -1, -stride, stride + 1, stride - 1, -stride - 1, -stride + 1)


@inner_kernel
def _find_nodes(pixels, depths, degree, stride):  # type: ignore[no-untyped-def]
    """The node at each pixel, or _FREE; and x, y and depth of the ink of each node."""
    node_of = np.full(len(degree), _FREE, np.int64)
    stack = np.empty(len(pixels), np.int64)
    n = 0
    for origin in pixels:
        if degree[origin] <= 3 or node_of[origin] >= 0:
            continue
        node_of[origin] = n
        stack[0] = origin
        n_open = 1
        while n_open > 0:
            n_open -= 1
            p = stack[n_open]
            for step in _steps(stride):
                if degree[p + step] > 3 and node_of[p + step] < 0:
                    node_of[p + step] = n
                    stack[n_open] = p + step
                    n_open += 1
        n += 1
    spots = np.zeros((n, 3), np.float64)
    counts = np.zeros(n, np.int64)
    for i in range(len(pixels)):
        node = node_of[pixels[i]]
        if node >= 0:
            spots[node, 0] += pixels[i] % stride + 0.5
            spots[node, 1] += pixels[i] // stride + 0.5
            if depths[i] > spots[node, 2]:
                spots[node, 2] = depths[i]
            counts[node] += 1
    for node in range(n):
        spots[node, 0] /= counts[node]
        spots[node, 1] /= counts[node]
    return node_of, spots


@inner_kernel
def _find_chains(pixels, depths, degree, node_of, stride):  # type: ignore[no-untyped-def]
    """All branches, then the rings that touch no node.

    Returns the pixels of all chains, their depths, and for each chain its start, the nodes at its
    two ends, and its kind.
    """
    chain = np.empty(len(pixels), np.int64)
    chain_depths = np.empty(len(pixels), np.float64)
    index_of = np.full(len(degree), -1, np.int64)  # of chain pixels not yet walked
    for i in range(len(pixels)):
        if degree[pixels[i]] <= 3:
            index_of[pixels[i]] = i
    starts = np.zeros(len(pixels) + 1, np.int64)
    ends = np.empty((len(pixels), 2), np.int64)
    kinds = np.empty(len(pixels), np.uint8)
    n, n_chains = 0, 0
    for rings in (False, True):
        for origin in pixels:
            if index_of[origin] < 0:
                continue
            n_onward = 0
            for step in _steps(stride):
                n_onward += index_of[origin + step] >= 0
            if n_onward > 1 and not rings:
                continue
            p = origin
            while p >= 0:
                chain[n], chain_depths[n] = p, depths[index_of[p]]
                n += 1
                index_of[p] = -1
                onward = -1
                for step in _steps(stride):
                    if index_of[p + step] >= 0:
                        onward = p + step
                        break
                p = onward
            kinds[n_chains] = _RING if rings else _BRANCH
            ends[n_chains, 0] = ends[n_chains, 1] = _FREE
            if not rings:
                _find_ends(chain[starts[n_chains] : n], node_of, stride, ends[n_chains])
            n_chains += 1
            starts[n_chains] = n
    return chain, chain_depths, starts[: n_chains + 1], ends[:n_chains], kinds[:n_chains]


@inner_kernel
def _find_ends(branch, node_of, stride, ends):  # type: ignore[no-untyped-def]
    """Write the nodes next to the first and last pixel of a branch, which may be the same pixel."""
    n_found = 0
    for step in _steps(stride):
        node = node_of[branch[0] + step]
        if node >= 0 and n_found < 2:
            ends[n_found] = node
            n_found += 1
    if len(branch) > 1:
        ends[1] = _FREE
        for step in _steps(stride):
            node = node_of[branch[len(branch) - 1] + step]
            if node >= 0:
                ends[1] = node


@inner_kernel
def _lengths(chain, starts, ends, spots, stride):  # type: ignore[no-untyped-def]
    """The length of each chain, from node to node."""
    lengths = np.zeros(len(ends), np.float64)
    for b in range(len(ends)):
        for i in range(starts[b] + 1, starts[b + 1]):
            step = abs(chain[i] - chain[i - 1])
            lengths[b] += 1.0 if step == 1 or step == stride else 1.41421356
        for end in range(2):
            node = ends[b, end]
            if node >= 0:
                p = chain[starts[b]] if end == 0 else chain[starts[b + 1] - 1]
                dx, dy = p % stride + 0.5 - spots[node, 0], p // stride + 0.5 - spots[node, 1]
                lengths[b] += math.hypot(dx, dy)
    return lengths


@inner_kernel
def _find_dots(depths, starts, ends, lengths, kinds, radius, no_nodes):  # type: ignore[no-untyped-def]  # fmt: skip
    """Mark dots, and drop those much thinner than the pen unless there is nothing else."""
    n_dropped = 0
    for c in range(len(kinds)):
        alone = kinds[c] == _BRANCH and ends[c, 0] < 0 and ends[c, 1] < 0
        if alone and lengths[c] <= _DOT * radius:
            kinds[c] = _DROPPED
            for i in range(starts[c], starts[c + 1]):
                if depths[i] >= _DIRT * radius:
                    kinds[c] = _SINGLE
            if kinds[c] == _DROPPED:
                n_dropped += 1
    if no_nodes and n_dropped == len(kinds):
        for c in range(len(kinds)):
            kinds[c] = _SINGLE


@inner_kernel
def _prune(depths, starts, ends, lengths, spots, kinds):  # type: ignore[no-untyped-def]
    """Drop spurs, and spurs of spurs, which lie within the ink around a node."""
    degree = np.zeros(len(spots), np.int64)
    for c in range(len(ends)):
        for end in range(2):
            if ends[c, end] >= 0:
                degree[ends[c, end]] += 1
    for _ in range(_N_PRUNINGS):
        spurs = np.zeros(len(kinds), np.bool_)
        for c in range(len(kinds)):
            u, v = ends[c, 0], ends[c, 1]
            u_free = u < 0 or degree[u] == 1
            v_free = v < 0 or degree[v] == 1
            if kinds[c] == _BRANCH and u_free != v_free:
                around = spots[v if u_free else u, 2]
                tip = depths[starts[c]] if u_free else depths[starts[c + 1] - 1]
                spurs[c] = lengths[c] + tip - around <= _SPUR * around
        for c in range(len(kinds)):
            if spurs[c]:
                kinds[c] = _DROPPED
                for end in range(2):
                    if ends[c, end] >= 0:
                        degree[ends[c, end]] -= 1


@inner_kernel
def _merge_nodes(ends, lengths, spots, kinds):  # type: ignore[no-untyped-def]
    """Drop short branches between nodes and merge their nodes, in the middle.

    Returns the node that each was merged into, and the number of nodes in each.
    """
    parent = np.empty(len(spots), np.int64)
    for node in range(len(spots)):
        parent[node] = node
    for c in range(len(kinds)):
        u, v = ends[c, 0], ends[c, 1]
        if kinds[c] != _BRANCH or u < 0 or v < 0:
            continue
        near = lengths[c] <= _CROSSING * max(spots[u, 2], spots[v, 2])
        u, v = _root(parent, u), _root(parent, v)
        if near and u != v:
            parent[v] = u
            kinds[c] = _DROPPED
    counts = np.zeros(len(spots), np.int64)
    sums = np.zeros((len(spots), 2), np.float64)
    root = np.empty(len(spots), np.int64)
    for node in range(len(spots)):
        root[node] = _root(parent, node)
        counts[root[node]] += 1
        sums[root[node], 0] += spots[node, 0]
        sums[root[node], 1] += spots[node, 1]
    for node in range(len(spots)):
        if root[node] == node:
            spots[node, 0] = sums[node, 0] / counts[node]
            spots[node, 1] = sums[node, 1] / counts[node]
    return root, counts


@inner_kernel
def _root(parent, node):  # type: ignore[no-untyped-def]
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
