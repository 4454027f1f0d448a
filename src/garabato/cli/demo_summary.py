"""What the demo says at its end."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from garabato.cli.console import stdout
from garabato.cli.demo_stages import Demo
from garabato.evaluation.published import SEED_RESULTS


def print_summary(demo: Demo, found: dict[str, Any]) -> None:
    """The results beside the seed's, where the pictures are, what to type next."""
    stdout.print(_results_table(found))
    noise = found["noise"]
    stdout.print(
        f"Another {found['n_test']:,} test drawings would change top-1 by about "
        f"{100 * noise['top1']:.1f} points and the mAP by about {noise['map']:.2f}. "
        f"Everything took {found['seconds'] / 60:.1f} minutes.\n"
        "The published mAP is by Euclidean distance between deep features, garabato's by the "
        "cosine between embeddings;\nboth rank each test drawing against all others.\n"
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
    table = Table(title="Results, beside those published by the project this one grew from")
    for name in ("network", "training drawings", "batch x steps", "trained in"):
        table.add_column(name, justify="left" if name == "network" else "right")
    for name in ("loss", "train top-1", "test top-1", "mAP"):
        table.add_column(name, justify="right")
    for row in SEED_RESULTS:
        table.add_row(
            f"{row.model} (published)",
            "100 x 1,000",
            f"{row.batch_size} x {row.steps:,}",
            f"{row.minutes // 60} h {row.minutes % 60} min, GPU",
            f"{row.loss:.2f}",
            f"{100 * row.train_top1:.1f} %",
            f"{100 * row.test_top1:.1f} %",
            f"{row.map:.2f}",
        )
    table.add_section()
    table.add_row(
        "skfast (garabato, here)",
        f"{found['n_categories']} x {found['n_train'] / found['n_categories']:,.0f}",
        f"{found['batch_size']} x {found['steps']:,}",
        f"{found['train_seconds'] / 60:.1f} min, {found['device']}",
        f"{found['loss']:.2f}",
        f"{100 * found['train_top1']:.1f} %",
        f"{100 * found['top1']:.1f} %",
        f"{found['map']:.2f}",
        style="bold",
    )
    return table
