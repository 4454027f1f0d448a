"""Inference on one core: images -> categories and embeddings, one drawing and 256, by each runtime.

Times are processor times, so that other programs matter little. For each runtime, two figures show
what it changes: how often its best category is that of the network as trained, and by how much its
embeddings differ (the mean of 1 - cosine).

    python benchmarks/inference.py [--source DIR]
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import harness
import numpy as np
import torch

from garabato.drawing import ByteArray, DrawingBatch, FloatArray
from garabato.encoder import Encoder, load_encoder
from garabato.export import export_onnx
from garabato.formats import read_drawings
from garabato.models import as_input
from garabato.render import render_batch

N_LONG = 256
REACH_MS, REACH_PER_S = 8, 1500
PER_CATEGORY, PER_CATEGORY_FOR_RANGES = 4, 1
_CPU = torch.device("cpu")

Run = Callable[[ByteArray], tuple[FloatArray, FloatArray]]


@contextmanager
def one_core() -> Iterator[None]:
    """PyTorch, and encoders in ONNX form loaded meanwhile, use one thread."""
    threads, variable = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    torch.set_num_threads(threads)
    del os.environ["OMP_NUM_THREADS"]
    if variable is not None:
        os.environ["OMP_NUM_THREADS"] = variable


def timed(work: Callable[[], object], *, repeats: int) -> list[float]:
    """Processor seconds of each of `repeats` runs, after two that don't count."""
    samples = []
    for number in range(repeats + 2):
        start = time.process_time()
        work()
        samples.append(time.process_time() - start)
        if number < 2:
            samples.clear()
    return samples


def as_trained(encoder: Encoder) -> Run:
    """PyTorch without anything done to the network."""
    model = encoder.as_pytorch().model

    def run(images: ByteArray) -> tuple[FloatArray, FloatArray]:
        with torch.inference_mode():
            logits, embeddings = model(as_input(images, _CPU))
        return logits.numpy(), embeddings.numpy()

    return run


def best_and_embeddings(run: Run, images: ByteArray) -> tuple[np.ndarray, FloatArray]:
    """Best categories (N,), embeddings (N, D) of length 1; 64 at a time."""
    outputs = [run(images[i : i + 64]) for i in range(0, len(images), 64)]
    logits, embeddings = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    return logits.argmax(axis=1), embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


@one_core()
def run(context: harness.Context) -> list[harness.Row]:
    """Milliseconds of one drawing, drawings a second of 256, and what each runtime changes."""
    encoder = load_encoder(runtime="pytorch", precision="float32")
    quick = load_encoder(runtime="pytorch")
    drawings, known = [], []
    for file in sorted(context.source.glob("*.ndjson")):
        few = list(itertools.islice(read_drawings(file), PER_CATEGORY + PER_CATEGORY_FOR_RANGES))
        drawings += few[:PER_CATEGORY]
        known += few[PER_CATEGORY:]
    batch = DrawingBatch.from_drawings(drawings)
    images = render_batch(batch, encoder.spec)
    as_long = np.arange(N_LONG) % len(batch)  # all of them again, where there are fewer
    exported = context.work / "encoder.onnx"
    export_onnx(encoder, exported)
    export_onnx(
        encoder,
        context.work / "8bit.onnx",
        bits=8,
        calibration=DrawingBatch.from_drawings(known),
    )
    runtimes: dict[str, Run] = {
        "PyTorch, as trained": as_trained(encoder),
        "PyTorch, in float32": encoder.runtime.run,
        "PyTorch, the default: long batches in bfloat16": quick.runtime.run,
        "ONNX Runtime": load_encoder(exported).runtime.run,
        "ONNX Runtime, 8 bits": load_encoder(context.work / "8bit.onnx").runtime.run,
    }
    rows = []
    best, embeddings = best_and_embeddings(runtimes["PyTorch, as trained"], images)
    for name, runtime in runtimes.items():
        one = [1000 * s for s in timed(lambda r=runtime: r(images[:1]), repeats=200)]  # type: ignore[misc]
        long = [N_LONG / s for s in timed(lambda r=runtime: r(images[as_long]), repeats=40)]  # type: ignore[misc]
        note = f"median of {len(one)}"
        rows.append(harness.Row(f"{name}: one drawing", "ms", thinned(one), REACH_MS, note=note))
        rows.append(
            harness.Row(
                f"{name}: {N_LONG}", "drawings/s", thinned(long), REACH_PER_S, at_least=True
            )
        )
        if runtime is runtimes["PyTorch, as trained"]:
            continue
        other_best, other = best_and_embeddings(runtime, images)
        same, turned = np.mean(other_best == best), np.mean(1 - (other * embeddings).sum(axis=1))
        rows.append(harness.Row(f"{name}: same best category", "%", [float(same)]))
        rows.append(harness.Row(f"{name}: embeddings turn by", "", [max(0.0, float(turned))]))
    some = batch.take(as_long)
    whole = [N_LONG / s for s in timed(lambda: quick.predict(some), repeats=40)]
    rows.append(
        harness.Row(f"Encoder.predict of {N_LONG}, with rendering", "drawings/s", thinned(whole))
    )
    return rows


def thinned(samples: list[float]) -> list[float]:
    """Nine of the samples at even distances by size: their median is that of all."""
    ordered = sorted(samples)
    return [ordered[round(i * (len(ordered) - 1) / 8)] for i in range(9)]


BENCHMARK = harness.Benchmark(
    "inference",
    "the encoder that ships on drawings of 345 categories, one core",
    "runtimes side by side; changes against the network as trained",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
