"""kill -9 at random moments while a gallery is being changed: are all acknowledged changes kept?

A process adds, deletes, compacts or builds the index, and is killed at some moment. Then the whole
gallery is read: it must hold all acknowledged changes, and the interrupted one either completely or
not at all. The embedding, strokes and tag of a row must come from the same change, `info` must
agree with a scan, and a search must find what is stored.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import harness
import numpy as np

# The process that forks does nothing else, which is what LanceDB warns to see to.
os.environ.setdefault("PYTHONWARNINGS", "ignore:lancedb fork support is experimental")

N_KILLS = 200
DIM = 32
#: Drawings an `add` brings: some new, some that replace.
N_NEW, N_REPLACING = 200, 60
#: From here on the gallery has an index.
EXACT_UP_TO = 400
#: A change that takes longer hangs.
LONGEST_S = 300
KINDS = ("add", "delete", "compact", "index")


class Filler:
    """Stands for an encoder: the embeddings are given."""

    model_name, fingerprint, embedding_dim = "kills", "kills", DIM

    def __init__(self) -> None:
        from garabato.render import RenderSpec

        self.spec = RenderSpec()

    def embed(self, drawings: Any) -> np.ndarray:
        raise NotImplementedError


def key_ids(number: int) -> list[str]:
    """The key_ids that the `add` of this number brings."""
    replaced = random.Random(number).sample(range(3 * N_REPLACING), N_REPLACING)
    return [*(f"{number}-{i}" for i in range(N_NEW)), *(f"shared-{i}" for i in replaced)]


def embeddings_of(number: int) -> np.ndarray:
    """(n, DIM) float32 of that `add`."""
    rows = np.random.default_rng(number).normal(size=(N_NEW + N_REPLACING, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def strokes_of(number: int) -> list[list[list[int]]]:
    """The strokes of all its drawings."""
    return [[[0, number % 256, number // 256, 255], [0, 9, 7, 255]]]


def change(gallery: Any, kind: str, number: int) -> None:
    """One change; `number` is the add's, or that of the add whose drawings are deleted."""
    from garabato.drawing import Drawing
    from garabato.gallery.lance import limits

    if kind == "add":
        drawing = Drawing(strokes_of(number), category="any")
        drawings = [drawing.replace(key_id=key) for key in key_ids(number)]
        gallery.add(drawings, embeddings=embeddings_of(number), tags=[str(number)])
    elif kind == "delete":
        gallery.delete(where={"tags": [str(number)]})
    elif kind == "compact":
        gallery.compact(keep_versions_s=0)
    else:
        limits.MAX_GROWTH = 0  # every index is outgrown: made anew
        gallery.compact(keep_versions_s=0)
        limits.MAX_GROWTH = 4


def work(uri: str, commands: Connection) -> None:
    """The process that is killed: does what it is told, and tells when it begins and is done."""
    from garabato.gallery import open_gallery
    from garabato.gallery.lance import limits

    limits.EXACT_UP_TO = limits.KEYS_INDEXED_FROM = EXACT_UP_TO
    gallery = open_gallery(uri, encoder=Filler())
    while True:
        kind, number = commands.recv()
        commands.send("begin")
        change(gallery, kind, number)
        commands.send("done")


@dataclass
class Tally:
    """What happened: kills by kind, those in the middle of a change, what was found wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    amid: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    problems: list[str] = field(default_factory=list)
    open_ms: list[float] = field(default_factory=list)


#: key_id -> number of the add that brought it.
State = dict[str, int]


def after(state: State, kind: str, number: int) -> State:
    """What a gallery holds after a change."""
    if kind == "add":
        return state | dict.fromkeys(key_ids(number), number)
    if kind == "delete":
        return {key: brought for key, brought in state.items() if brought != number}
    return state


class Killer:
    """Changes one gallery, killing who does it, and checks it after every kill."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.uri = str(folder / "kills.gallery")
        self.state: State = {}
        self.tally = Tally()
        self._rng = random.Random(seed)
        self._n_adds = 0
        self._lasts: dict[str, float] = {}
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(
            ["lancedb", "garabato.gallery.lance.gallery", __name__]
        )

    def kill_once(self, kind: str) -> None:
        """Two changes that are let finish, one of `kind` that is killed, then the check."""
        ours, theirs = self._processes.Pipe()
        process = self._processes.Process(target=work, args=(self.uri, theirs), daemon=True)
        process.start()
        theirs.close()
        for undisturbed in ("add", kind):  # which tells how long this kind lasts
            number = self._choose(undisturbed)
            ours.send((undisturbed, number))
            began = self._expect(ours, "begin")
            self._expect(ours, "done")
            self._learn(undisturbed, time.perf_counter() - began)
            self.state = after(self.state, undisturbed, number)
        number = self._choose(kind)
        ours.send((kind, number))
        began = self._expect(ours, "begin")
        time.sleep(self._rng.uniform(0, self._lasts[kind]))
        process.kill()
        process.join()
        was_done = self._was_done(ours)
        self.tally.kills[kind] += 1
        self.tally.amid[kind] += not was_done
        possible = [after(self.state, kind, number)]
        if not was_done:
            possible.append(self.state)
        self._check(possible, f"kill {sum(self.tally.kills.values())} ({kind} {number})")

    def _choose(self, kind: str) -> int:
        """The number to give a change: of a new add, or of one that is there."""
        if kind == "add":
            self._n_adds += 1
            return self._n_adds
        there = sorted(set(self.state.values()))
        return self._rng.choice(there) if kind == "delete" and there else -1

    def _learn(self, kind: str, seconds: float) -> None:
        self._lasts[kind] = 0.5 * self._lasts.get(kind, seconds) + 0.5 * seconds

    @staticmethod
    def _expect(pipe: Connection, word: str) -> float:
        if not pipe.poll(LONGEST_S):
            raise TimeoutError(f"no {word!r} within {LONGEST_S} s")
        assert pipe.recv() == word
        return time.perf_counter()

    @staticmethod
    def _was_done(pipe: Connection) -> bool:
        try:
            return pipe.recv() == "done"
        except EOFError:
            return False

    def _check(self, possible: list[State], where: str) -> None:
        from garabato.gallery import open_gallery
        from garabato.gallery.lance import limits

        limits.EXACT_UP_TO = EXACT_UP_TO
        started = time.perf_counter()
        try:
            gallery = open_gallery(self.uri, encoder=Filler())
            self.tally.open_ms.append(1000 * (time.perf_counter() - started))
            found = self._read(gallery, where)
            if found not in possible:
                self.tally.problems.append(f"{where}: holds what was never there")
            self.tally.kept += found == possible[0] and len(possible) == 2
            self.state = found
            info = gallery.info()
            if not len(found) == len(gallery) == info.n_drawings or info.n_indexed > len(found):
                self.tally.problems.append(f"{where}: {len(found)} drawings, info says {info}")
            for key in self._rng.sample(sorted(found), min(3, len(found))):
                place = key_ids(found[key]).index(key)
                (hit,) = gallery.search(embeddings_of(found[key])[place], k=1)
                if hit.key_id != key:
                    self.tally.problems.append(f"{where}: {key} is there and is not found")
            if len(found) > 4_000:  # keep it small: checks read everything
                gallery.delete([key for key in found if not key.startswith("shared")])
                self.state = {k: v for k, v in found.items() if k.startswith("shared")}
        except Exception as error:
            self.tally.problems.append(f"{where}: {type(error).__name__}: {error}")

    def _read(self, gallery: Any, where: str) -> State:
        found: State = {}
        for piece in gallery.scan():
            for drawing, embedding in zip(piece.drawings, piece.embeddings, strict=True):
                number = int(drawing.tags[0])
                expected = embeddings_of_cached(number)[key_ids_cached(number)[drawing.key_id]]
                whole = drawing.to_lists() == strokes_of(number)
                if not whole or float(embedding @ expected) < 0.999 or drawing.key_id in found:
                    self.tally.problems.append(f"{where}: {drawing.key_id} is half-written")
                found[drawing.key_id] = number
        return found


_embeddings: dict[int, np.ndarray] = {}
_key_ids: dict[int, dict[str, int]] = {}


def embeddings_of_cached(number: int) -> np.ndarray:
    """`embeddings_of`, made once."""
    return _embeddings.setdefault(number, embeddings_of(number))


def key_ids_cached(number: int) -> dict[str, int]:
    """key_id -> its place in `key_ids`, made once."""
    if number not in _key_ids:
        _key_ids[number] = {key: place for place, key in enumerate(key_ids(number))}
    return _key_ids[number]


def kill_often(folder: Path, n_kills: int, seed: int = 0) -> Tally:
    """Kill `n_kills` times, each kind of change in turn."""
    killer = Killer(folder, seed)
    for number in range(n_kills):
        killer.kill_once(KINDS[number % len(KINDS)])
        if number % 20 == 19:
            print(f"{number + 1} kills, problems: {killer.tally.problems}", flush=True)
    return killer.tally


def run(context: harness.Context) -> list[harness.Row]:
    """Kills by kind, and what was wrong afterwards."""
    tally = kill_often(context.work, N_KILLS)
    for problem in tally.problems:
        print(problem, flush=True)
    amid = ", ".join(f"{kind} {tally.amid[kind]} of {tally.kills[kind]}" for kind in KINDS)
    n_kills, n_amid = sum(tally.kills.values()), sum(tally.amid.values())
    return [
        harness.Row("kill -9 during a change", "kills", [n_kills], target=200, at_least=True),
        harness.Row("of these, before the change was acknowledged", "kills", [n_amid], note=amid),
        harness.Row(
            "of those, with the complete change on disk",
            "kills",
            [tally.kept],
            note="the others have none of it",
        ),
        harness.Row(
            "galleries that would not open, lost what was acknowledged, held a half-written row, "
            "or whose info was wrong",
            "kills",
            [len(tally.problems)],
            target=0,
        ),
        harness.Row("time to open after a kill", "ms", tally.open_ms),
    ]


BENCHMARK = harness.Benchmark(
    "gallery_kills",
    f"a gallery of up to 4,000 drawings, {DIM}-d embeddings, changed by {N_NEW + N_REPLACING} "
    f"drawings at a time; from {EXACT_UP_TO} drawings on it has its indexes",
    "",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
