"""One training step of skfast, as garabato takes it and in other ways.

A step processes 128 images of 48 px: forward, backward, AdamW. Rates on one core are per second of
processor time, so that other programs matter little. Rates on all cores are by the clock, for each
way in which idle threads can wait, alone and beside a busy program.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import harness
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from garabato.models import create_model
from garabato.models.base import Convolution
from garabato.render import RenderSpec

BATCH, SIZE_PX, N_CATEGORIES = 128, 48, 100
STEPS, REPEATS = 5, 9


@dataclass(frozen=True, slots=True)
class Way:
    """How a step is taken."""

    what: str
    bfloat16: bool = True
    channels_last: bool = True
    compiled: bool = False
    pytorchs_convolutions: bool = False


OURS = Way("bfloat16, channels last: garabato's")
WAYS = (
    OURS,
    Way("the same by torch.compile", compiled=True),
    Way("the same with PyTorch's convolutions", pytorchs_convolutions=True),
    Way("bfloat16, channels first", channels_last=False),
    Way("float32, channels last", bfloat16=False),
    Way("float32, channels first", bfloat16=False, channels_last=False),
)
#: How idle threads wait, and the variables for it.
WAITS: dict[str, dict[str, str]] = {
    "spin for microseconds, then sleep: garabato's": {},
    "sleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin for milliseconds, OpenMP's default": {"GOMP_SPINCOUNT": "300000"},
}
#: Prints the rate of steps on all cores, once per line.
ON_ALL_CORES = """
import garabato
garabato.limit_native_threads()
import train_step
train_step.print_rates()
"""


def run(context: harness.Context) -> list[harness.Row]:
    """All ways take turns, so that a busy minute of the machine hits them all."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    steps, first_s = {}, {}
    for way in WAYS:
        steps[way] = stepper(way)
        started = time.perf_counter()
        steps[way]()
        first_s[way] = time.perf_counter() - started
        steps[way]()
    rates: dict[Way, list[float]] = {way: [] for way in WAYS}
    for _ in range(REPEATS):
        for way in WAYS:
            started = time.process_time()
            for _ in range(STEPS):
                steps[way]()
            rates[way].append(BATCH * STEPS / (time.process_time() - started))
    torch.set_num_threads(n_threads)
    rows = [
        harness.Row(
            f"one core: {way.what}",
            "drawings/s",
            rates[way],
            note=f"its first step takes {first_s[way]:.0f} s" if way.compiled else "",
        )
        for way in WAYS
    ]
    for beside in ("", ", beside a busy program"):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"])] if beside else []
        rows += [
            harness.Row(f"all cores{beside}; idle threads {how}", "drawings/s", on_all_cores(given))
            for how, given in WAITS.items()
        ]
        for program in busy:
            program.kill()
            program.wait()
    return rows


def on_all_cores(variables: dict[str, str]) -> list[float]:
    """Rates of steps in a process with these environment variables."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    printed = subprocess.run(
        [sys.executable, "-c", ON_ALL_CORES],
        env=inherited | variables,
        cwd=harness.ROOT / "benchmarks",
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(line) for line in printed.stdout.split()]


def print_rates() -> None:
    """Print the rate of steps by the clock, REPEATS times."""
    step = stepper(OURS)
    step()
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(STEPS):
            step()
        print(BATCH * STEPS / (time.perf_counter() - started))


def stepper(way: Way) -> Callable[[], None]:
    """A function that trains for one step."""
    torch.manual_seed(0)
    layout = torch.channels_last if way.channels_last else torch.contiguous_format
    n_channels = RenderSpec(size_px=SIZE_PX, order=True).n_channels
    network = create_model(
        "skfast", n_categories=N_CATEGORIES, image_size_px=SIZE_PX, n_channels=n_channels
    )
    if way.pytorchs_convolutions:
        for module in network.modules():
            if isinstance(module, Convolution):
                module.__class__ = torch.nn.Conv2d
    network = network.to(memory_format=layout).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    images = torch.rand(BATCH, n_channels, SIZE_PX, SIZE_PX).contiguous(memory_format=layout)
    labels = torch.randint(0, N_CATEGORIES, (BATCH,))

    def loss() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=way.bfloat16):
            logits = network.forward_head(network.forward_features(images))
        return F.cross_entropy(logits.float(), labels)

    taken = torch.compile(loss) if way.compiled else loss

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        taken().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


BENCHMARK = harness.Benchmark(
    "train_step",
    f"{BATCH} random images of {SIZE_PX} px a step, {N_CATEGORIES} categories",
    "the other ways to take the same step",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
