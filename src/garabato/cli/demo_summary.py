"""What the demo says at its end."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from garabato.cli.console import stdout
from garabato.cli.demo_stages import Demo
from garabato.evaluation.published import SEED_RESULTS


def print_summary(demo: Demo, found: dict[str, Any]) -> None:
    """The results beside the seed's, where the pictures are, what to type next."""
    noise = found["noise"]
    stdout.print(_results_table(found))
    stdout.print(
        "drawings: categories x training drawings of each; train, test: top-1 accuracy;\n"
        "mAP: each test drawing ranked against all others. Published by Euclidean distance\n"
        "between deep features, garabato's by the cosine between embeddings.\n"
        f"Noise of {found['n_test']:,} test drawings: top-1 +- {100 * noise['top1']:.1f} points, "
        f"mAP +- {noise['map']:.2f}. All in {found['seconds'] / 60:.1f} minutes.\n"
    )
    run, gallery = demo.run_folder, demo.gallery
    stdout.print(
        "Look at\n"
        f"  {demo.hits}  what was found for drawings the network never saw\n"
        f"  {demo.report / 'report.html'}  every figure: categories, mistakes, learning curves\n"
        f"  {demo.data / 'sheets'}/  what the drawings look like\n"
        "\nType next\n"
        f"  garabato classify --model {run} {demo.queries}\n"
        f"  garabato search --model {run} --gallery {gallery} {demo.queries} --picture hits.png\n"
        "  garabato --help\n"
        "\n(garabato is in .venv/bin after `make setup`.)"
    )


def _results_table(found: dict[str, Any]) -> Table:
    """Within 80 columns."""
    table = Table(
        title="garabato beside the published results of the project it grew from",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("network, steps", no_wrap=True)
    for name in ("drawings", "trained in", "loss", "train", "test", "mAP"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in SEED_RESULTS:
        table.add_row(
            f"{row.model} {row.steps:,}",
            "100 x 1,000",
            f"{row.minutes // 60} h {row.minutes % 60:02d} GPU",
            f"{row.loss:.2f}",
            f"{100 * row.train_top1:.1f} %",
            f"{100 * row.test_top1:.1f} %",
            f"{row.map:.2f}",
        )
    table.add_section()
    table.add_row(
        f"skfast {found['steps']:,}",
        f"{found['n_categories']} x {found['n_train'] / found['n_categories']:,.0f}",
        f"{found['train_seconds'] / 60:.1f} min {found['device']}",
        f"{found['loss']:.2f}",
        f"{100 * found['train_top1']:.1f} %",
        f"{100 * found['top1']:.1f} %",
        f"{found['map']:.2f}",
        style="bold",
    )
    return table
