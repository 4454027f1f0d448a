"""garabato categories: add, list and remove."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

import garabato
from garabato.cli.group import Group
from garabato.cli.options import added_categories_option, json_option, model_option, read_queries
from garabato.cli.output import counted, print_json, print_result, stdout


@click.group(cls=Group)
def command() -> None:
    """Add categories to an encoder from a few drawings each, without training.

    They are kept in a small file beside the encoder of --model, where every command finds it. For
    the shipped encoder, name a file with --categories. Embeddings stay the same, so galleries stay
    valid.

    \b
    Example: garabato categories add resistor resistors.ndjson --categories my.categories.json
    Example: garabato classify --categories my.categories.json query.svg
    """


@command.command()
@model_option
@added_categories_option
@json_option
@click.argument("name")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def add(
    model: str | None, categories: Path | None, as_json: bool, name: str, files: tuple[str, ...]
) -> None:
    """Add the category NAME, made from all drawings in FILE... (- for stdin).

    Five to ten drawings by the people who will use it are enough. Empty drawings are skipped.

    \b
    Example: garabato categories add resistor a.svg b.svg c.svg --model run
    """
    file = _file(model, categories)
    drawings = [query.drawing for query in read_queries(files)]
    alone = garabato.load_encoder_alone(model)
    with garabato.lock_categories(file):
        _with_file(alone, file).with_categories({name: drawings}).save_categories(file)
    print_result(
        {"file": str(file), "category": name, "n_drawings": len(drawings)},
        f"{name}: added from {counted(len(drawings), 'drawing')} to {file}",
        as_json=as_json,
    )


@command.command("list")
@model_option
@added_categories_option
@json_option
def list_added(model: str | None, categories: Path | None, as_json: bool) -> None:
    """List the added categories and the number of drawings each was made from.

    \b
    Example: garabato categories list --model run
    """
    file = _file(model, categories)
    added = _with_file(garabato.load_encoder_alone(model), file).added_categories
    if as_json:
        listed = [{"category": one.name, "n_drawings": one.n_drawings} for one in added]
        print_json({"file": str(file), "categories": listed})
        return
    table = Table()
    table.add_column("category", overflow="fold")
    table.add_column("drawings", justify="right")
    for one in added:
        table.add_row(one.name, f"{one.n_drawings:,}")
    stdout.print(table if added else f"no categories in {file}")


@command.command()
@model_option
@added_categories_option
@json_option
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove(
    model: str | None, categories: Path | None, as_json: bool, names: tuple[str, ...]
) -> None:
    """Remove added categories.

    \b
    Example: garabato categories remove resistor --model run
    """
    file = _file(model, categories)
    alone = garabato.load_encoder_alone(model)
    with garabato.lock_categories(file):
        _with_file(alone, file).without_categories(names).save_categories(file)
    if kept := set(names).intersection(alone.categories):
        raise garabato.InputError(
            f"the encoder file itself contains {', '.join(sorted(kept))}; use the encoder it was "
            "made from, or remove them in Python: encoder.without_categories([...]).save(...)"
        )
    removed = list(dict.fromkeys(names))
    print_result(
        {"file": str(file), "removed": removed},
        f"removed {', '.join(removed)} from {file}",
        as_json=as_json,
    )


def _file(model: str | None, categories: Path | None) -> Path:
    """The file of added categories, which may not exist yet."""
    return garabato.categories_file(model) if categories is None else categories


def _with_file(alone: garabato.Encoder, file: Path) -> garabato.Encoder:
    """The encoder, with the added categories that the file has already."""
    return garabato.with_categories_file(alone, None, file) if file.exists() else alone
