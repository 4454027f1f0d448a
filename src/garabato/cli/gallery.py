"""garabato gallery: info, delete, compact and export here, others in `gallery_*.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from garabato.cli import gallery_audit, gallery_copy, gallery_tune
from garabato.cli.console import counted, print_json, stdout
from garabato.cli.where import split_names, tell_unknown, where_options

_gallery = click.option("--gallery", "uri", required=True, metavar="URI", help="The gallery.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


@click.group()
def command() -> None:
    """Look after a gallery.

    \b
    Example: garabato gallery info --gallery my.gallery
    """


@command.command()
@_gallery
@_json
def info(uri: str, as_json: bool) -> None:
    """What a gallery holds and how it searches.

    \b
    Example: garabato gallery info --gallery my.gallery
    """
    from garabato.gallery import open_gallery

    document = open_gallery(uri, must_exist=True).info().to_dict()
    if as_json:
        print_json(document)
        return
    encoder = document.pop("encoder")
    document["encoder"] = f"{encoder['fingerprint']} ({encoder['model']})"
    document["embedding_dim"] = encoder["embedding_dim"]
    document = {name: value for name, value in document.items() if value is not None}
    width = max(map(len, document))
    for name, value in document.items():
        shown = f"{value:,}" if isinstance(value, int | float) and value is not True else value
        stdout.print(f"{name:<{width}}  {shown}")


@command.command()
@_gallery
@click.option("--key-id", callback=split_names, metavar="ID[,ID]", help="Only these.")
@where_options
@_json
def delete(uri: str, key_id: list[str] | None, where: dict[str, Any], as_json: bool) -> None:
    """Delete drawings by key_id, category, country, tag and so on; all that is given must be met.

    \b
    Example: garabato gallery delete --gallery my.gallery --category "The Mona Lisa"
    """
    if key_id:
        where["key_id"] = key_id
    if not where:
        raise click.UsageError("give --key-id, --category, --tag ...: what to delete")

    from garabato.gallery import open_gallery

    gallery = open_gallery(uri, must_exist=True)
    n_deleted = gallery.delete(where=where)
    if as_json:
        print_json({"gallery": uri, "n_deleted": n_deleted, "n_drawings": len(gallery)})
    else:
        stdout.print(f"{uri}: {counted(n_deleted, 'drawing')} deleted, {len(gallery):,} left")
    if n_deleted == 0:
        tell_unknown(where)


@command.command()
@_gallery
@_json
def compact(uri: str, as_json: bool) -> None:
    """Merge small pieces and give up what was deleted or replaced more than ten minutes ago.

    \b
    Example: garabato gallery compact --gallery my.gallery
    """
    from garabato.gallery import open_gallery

    gallery = open_gallery(uri, must_exist=True)
    before = gallery.info().bytes_on_disk
    gallery.compact()
    after = gallery.info().bytes_on_disk
    if as_json:
        print_json({"gallery": uri, "bytes_before": before, "bytes_after": after})
    elif before is None or after is None:
        stdout.print(f"{uri}: compacted")
    else:
        stdout.print(f"{uri}: {before / 2**20:,.1f} MiB before, {after / 2**20:,.1f} MiB now")


@command.command()
@_gallery
@where_options
@_json
@click.argument("out", type=click.Path(path_type=Path))
def export(uri: str, where: dict[str, Any], as_json: bool, out: Path) -> None:
    """Write the drawings to OUT: one file where it ends in .ndjson, else a file a category.

    An OUT that ends in .parquet gets the embeddings and tags as well.

    \b
    Example: garabato gallery export --gallery my.gallery drawings
    Example: garabato gallery export --gallery my.gallery --tag mine mine.parquet
    """
    from garabato.gallery import open_gallery

    gallery = open_gallery(uri, must_exist=True)
    n_written = gallery.export(out, where=where)
    if as_json:
        print_json({"gallery": uri, "out": str(out), "n_drawings": n_written})
    else:
        stdout.print(f"{out}: {counted(n_written, 'drawing')}")


command.add_command(gallery_copy.copy)
command.add_command(gallery_tune.tune)
command.add_command(gallery_audit.duplicates)
command.add_command(gallery_audit.odd)
