"""garabato gallery: info, copy, delete, compact, export, tune, duplicates and odd."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import garabato
from garabato.cli.group import Group
from garabato.cli.options import (
    gallery_option,
    json_option,
    picture_option,
    suggest_categories,
    where_options,
)
from garabato.cli.output import (
    counted,
    partly_listed,
    print_json,
    print_picture,
    print_result,
    progress,
    stderr,
    stdout,
)

_limit_option = click.option(
    *("-n", "n_shown"),
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="List at most this many.",
)


@click.group(cls=Group)
def command() -> None:
    """Manage a gallery.

    \b
    Example: garabato gallery info --gallery my.gallery
    """


@command.command()
@gallery_option
@json_option
def info(uri: str, as_json: bool) -> None:
    """Show what a gallery holds and how it searches.

    \b
    Example: garabato gallery info --gallery my.gallery
    """
    document = garabato.open_gallery(uri, must_exist=True).info().to_dict()
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
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "--model",
    metavar="FILE",
    help="Embed again with this encoder: its file, a run folder, or `shipped`.",
)
@json_option
def copy(source: str, target: str, model: str | None, as_json: bool) -> None:
    """Copy the gallery SRC to DST; each is a folder or an address on a Milvus server.

    DST is created if it does not exist. Embeddings and tags are copied too; with --model, the
    drawings are embedded again. Drawings that DST already holds are skipped, so after an
    interruption, run the same command again to continue.

    \b
    Example: garabato gallery copy my.gallery http://localhost:19530/drawings
    """
    if source == target:
        raise garabato.InputError(f"SRC and DST are the same gallery, {source}")
    started = time.perf_counter()
    gallery = garabato.open_gallery(source, must_exist=True)
    encoder = None if model is None else garabato.load_encoder(model)
    n_drawings = gallery.info().n_drawings  # hidden ones are copied too
    try:
        with progress() as show:
            copied = garabato.copy_gallery(
                gallery,
                target,
                encoder=encoder,
                progress=lambda n_done: show("copy", n_done, n_drawings),
            )
    except KeyboardInterrupt:
        stderr.print("run the same command again to continue")
        raise
    n_drawings = garabato.open_gallery(target, must_exist=True).info().n_drawings
    print_result(
        {
            "source": source,
            "target": target,
            **asdict(copied),
            "n_drawings": n_drawings,
            "seconds": round(time.perf_counter() - started, 2),
        },
        f"{target}: {counted(n_drawings, 'drawing')} ({copied.n_copied:,} copied, "
        f"{copied.n_there:,} already there)",
        as_json=as_json,
    )


@command.command()
@gallery_option
@click.option("--key-id", multiple=True, metavar="ID", help="Only this drawing; repeatable.")
@where_options
@json_option
def delete(uri: str, key_id: tuple[str, ...], where: dict[str, Any], as_json: bool) -> None:
    """Delete the drawings that match all filters given.

    \b
    Example: garabato gallery delete --gallery my.gallery --category "The Mona Lisa"
    """
    if key_id:
        where["key_id"] = list(key_id)
    if not where:
        raise click.UsageError("say which drawings to delete: --key-id, --category, --tag ...")
    gallery = garabato.open_gallery(uri, must_exist=True)
    n_deleted = gallery.delete(where=where)
    print_result(
        {"gallery": uri, "n_deleted": n_deleted, "n_drawings": len(gallery)},
        f"{uri}: {counted(n_deleted, 'drawing')} deleted, {len(gallery):,} left",
        as_json=as_json,
    )
    if n_deleted == 0:
        suggest_categories(gallery, where)


@command.command()
@gallery_option
@json_option
def compact(uri: str, as_json: bool) -> None:
    """Merge small files and free the space of drawings deleted more than ten minutes ago.

    \b
    Example: garabato gallery compact --gallery my.gallery
    """
    gallery = garabato.open_gallery(uri, must_exist=True)
    before = gallery.info().bytes_on_disk
    gallery.compact()
    after = gallery.info().bytes_on_disk
    sizes = "compacted"
    if before is not None and after is not None:
        sizes = f"{before / 2**20:,.1f} MiB before, {after / 2**20:,.1f} MiB after"
        if after > before:
            sizes += "; compact it again in ten minutes to remove the files that were merged"
    document = {"gallery": uri, "bytes_before": before, "bytes_after": after}
    print_result(document, f"{uri}: {sizes}", as_json=as_json)


@command.command()
@gallery_option
@where_options
@json_option
@click.argument("out", type=click.Path(path_type=Path))
def export(uri: str, where: dict[str, Any], as_json: bool, out: Path) -> None:
    """Write the drawings to OUT.

    An OUT that ends in .ndjson or .parquet is one file; .parquet also holds embeddings and tags.
    Any other OUT is a folder with a file for each category.

    \b
    Example: garabato gallery export --gallery my.gallery drawings
    Example: garabato gallery export --gallery my.gallery --tag mine mine.parquet
    """
    gallery = garabato.open_gallery(uri, must_exist=True)
    n_written = gallery.export(out, where=where)
    document = {"gallery": uri, "out": str(out), "n_drawings": n_written}
    print_result(document, f"{out}: {counted(n_written, 'drawing')}", as_json=as_json)
    if n_written == 0:
        suggest_categories(gallery, where)


@command.command()
@gallery_option
@click.option(
    "--recall", default=0.98, show_default=True, metavar="SHARE", help="Recall@10 to reach."
)
@click.option(
    "--queries", default=100, show_default=True, help="Drawings of the gallery to measure with."
)
@json_option
def tune(uri: str, recall: float, queries: int, as_json: bool) -> None:
    """Find the fastest setting of the index that reaches a recall, and store it.

    Recall is measured against exact search, with drawings of the gallery as queries. The setting is
    stored in the gallery and measured again when the index is rebuilt. Small galleries are searched
    exactly, so there is nothing to tune.

    \b
    Example: garabato gallery tune --gallery my.gallery --recall 0.98
    """
    gallery = garabato.open_gallery(uri, must_exist=True)
    measured = gallery.tune(recall=recall, n_queries=queries)
    found = gallery.info()
    if as_json:
        tried = [one.to_dict() for one in measured]
        print_json({"gallery": uri, "exact": found.exact, "mode": found.mode, "tried": tried})
        return
    for one in measured:
        stdout.print(
            f"{one.n_probes:>6,} clusters  recall@10 {one.recall:.4f}  median {one.p50_ms:.1f} ms"
        )
    stdout.print(f"{uri}: {'there is nothing to tune: ' if found.exact else ''}{found.mode}")


@command.command()
@gallery_option
@click.option(
    "--above", default=0.995, show_default=True, metavar="SCORE", help="Lowest cosine similarity."
)
@_limit_option
@where_options
@picture_option
@json_option
def duplicates(
    uri: str,
    above: float,
    n_shown: int,
    where: dict[str, Any],
    picture: Path | None,
    as_json: bool,
) -> None:
    """Find pairs of nearly identical drawings, the most similar first.

    Of several equal drawings, only the first is paired with the others. With filters, only the
    drawings that pass are compared.

    \b
    Example: garabato gallery duplicates --gallery my.gallery --picture duplicates.png
    """
    gallery = garabato.open_gallery(uri, must_exist=True)
    with progress() as show:
        pairs = garabato.find_duplicates(
            gallery, above=above, where=where, progress=lambda *n: show("compare", *n)
        )
    if not pairs:
        suggest_categories(gallery, where)
    shown = pairs[:n_shown]
    keys = dict.fromkeys(key for pair in shown for key in (pair.key_id, pair.other_key_id))
    categories = {drawing.key_id: drawing.category for drawing in gallery.get(list(keys))}
    if picture is not None:
        print_picture(picture, garabato.draw_duplicates(shown, gallery, picture))
    if as_json:
        listed = [
            asdict(pair)
            | {
                "category": categories.get(pair.key_id),
                "other_category": categories.get(pair.other_key_id),
            }
            for pair in shown
        ]
        print_json({"gallery": uri, "above": above, "n_pairs": len(pairs), "pairs": listed})
        return
    for pair in shown:
        names = [
            f"{key} ({categories.get(key) or 'unknown'})"
            for key in (pair.key_id, pair.other_key_id)
        ]
        stdout.print(f"{pair.score:.4f}  {'  '.join(names)}")
    n_pairs = f"{counted(len(pairs), 'pair')} with a similarity of {above} or more"
    stdout.print(f"{uri}: {n_pairs}{partly_listed(len(shown), len(pairs), '-n')}")


@command.command()
@gallery_option
@click.option("-k", "k", default=10, show_default=True, help="Neighbours to compare with.")
@_limit_option
@where_options
@picture_option
@json_option
def odd(
    uri: str,
    k: int,
    n_shown: int,
    where: dict[str, Any],
    picture: Path | None,
    as_json: bool,
) -> None:
    """Find drawings that are probably mislabelled, those most like another category first.

    A drawing is odd if most of its nearest neighbours share another category. With filters, only
    the drawings that pass are compared.

    \b
    Example: garabato gallery odd --gallery my.gallery --picture odd.png
    """
    gallery = garabato.open_gallery(uri, must_exist=True)
    with progress() as show:
        found = garabato.find_odd(
            gallery, k=k, where=where, progress=lambda *n: show("compare", *n)
        )
    shown = found[:n_shown]
    if not found:
        suggest_categories(gallery, where)
        if len(gallery.count(by="category", where=where).keys() - {None}) == 1:
            stderr.print("the drawings compared all have the same category, so none can be odd")
    if picture is not None:
        print_picture(picture, garabato.draw_odd(shown, gallery, picture))
    if as_json:
        listed = [asdict(one) for one in shown]
        print_json({"gallery": uri, "k": k, "n_odd": len(found), "odd": listed})
        return
    for one in shown:
        stdout.print(
            f"{one.key_id}: labelled {one.category}, but most of its neighbours are "
            f"{one.looks_like} ({one.agreement:.0%} are {one.category})"
        )
    stdout.print(
        f"{uri}: {counted(len(found), 'odd drawing')}{partly_listed(len(shown), len(found), '-n')}"
    )
