"""The number of threads that trains fastest is found by trying, and kept only if it is faster."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from garabato.training import distributed


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when the test says so."""
    now = [0.0]
    monkeypatch.setattr(distributed, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    return now


def train_with(tuner, clock, rates, n_steps, size_px=32):
    """Take steps whose speed depends on the number of threads."""
    for _ in range(n_steps):
        clock[0] += 1
        tuner.after_step(rates[tuner.n_threads], size_px=size_px)


def test_fewer_threads_are_kept_if_they_are_faster(clock):
    tuner = distributed.ThreadTuner()
    train_with(tuner, clock, {1: 100, 2: 300, 3: 200, 4: 150}, 600)
    assert tuner.n_threads in (1, 2, 3)
    counts = []
    for _ in range(300):
        train_with(tuner, clock, {1: 100, 2: 300, 3: 200, 4: 150}, 1)
        counts.append(tuner.n_threads)
    assert max(counts, key=counts.count) == 2


def test_all_threads_stay_if_fewer_are_slower(clock):
    tuner = distributed.ThreadTuner()
    counts = []
    for _ in range(300):
        train_with(tuner, clock, {1: 100, 2: 200, 3: 300, 4: 400}, 1)
        counts.append(tuner.n_threads)
    assert max(counts, key=counts.count) == 4
    assert set(counts) == {3, 4}  # it looked


def test_a_trial_ends_when_the_images_grow(clock):
    tuner = distributed.ThreadTuner()
    rates = {3: 400, 4: 400}
    while tuner.n_threads == 4:
        train_with(tuner, clock, rates, 1)
    train_with(tuner, clock, {3: 50, 4: 50}, 1, size_px=64)
    assert tuner.n_threads == 4


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_never_exceed_those_at_the_start(clock, monkeypatch, n_threads):
    """OMP_NUM_THREADS, or PyTorch's own setting, may leave cores to other programs."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    tuner = distributed.ThreadTuner()
    counts = set()
    for _ in range(300):
        train_with(tuner, clock, {1: 100, 2: 200}, 1)
        counts.add(tuner.n_threads)
    assert counts == set(range(1, n_threads + 1))
