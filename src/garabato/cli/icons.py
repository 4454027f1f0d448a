"""garabato icons."""

from __future__ import annotations

import time

import click

import garabato
from garabato.cli.options import host_option, json_option, model_option, port_option
from garabato.cli.output import counted, print_result, print_unreadable, progress, stderr


@click.command()
@click.argument("sets", metavar="[SET]...", nargs=-1)
@click.option(
    "--gallery",
    "uri",
    metavar="URI",
    help="Folder, or address on a Milvus server.  [default: in the cache folder]",
)
@model_option
@click.option("--serve/--no-serve", default=True, help="Serve the page, or only build the gallery.")
@host_option
@port_option
@json_option
def command(
    sets: tuple[str, ...],
    uri: str | None,
    model: str | None,
    serve: bool,
    host: str | None,
    port: int | None,
    as_json: bool,
) -> None:
    """Fetch icon sets from npm, fill a gallery with their icons and serve it.

    SETs are tabler and lucide (the default), feather, phosphor, iconoir, bootstrap, heroicons,
    ionicons, mdi, remix and simple. The gallery keeps each icon's name, tags, link and SVG file.
    It is built once; after an interruption, run the same command again to continue. Needs npm.

    \b
    Example: garabato icons
    Example: garabato icons feather heroicons --gallery my-icons --no-serve
    """
    started = time.perf_counter()
    names = sets or garabato.DEFAULT_ICON_SETS
    garabato.IconSource.check(names)
    encoder = garabato.load_encoder(model)
    uri = uri or garabato.icon_gallery_folder(names, encoder)
    gallery = garabato.open_gallery(uri, encoder=encoder)
    report = garabato.ReadReport()
    try:
        with progress("icons") as show:
            filled = garabato.index_icons(gallery, encoder, names, report=report, progress=show)
    except KeyboardInterrupt:
        stderr.print("run the same command again to continue")
        raise
    print_unreadable(report)
    n_icons = len(gallery)
    print_result(
        {
            "gallery": uri,
            "sets": list(names),
            "n_icons": n_icons,
            "n_new": filled.n_new,
            "n_there": filled.n_there,
            "unreadable": report.n_unreadable,
            "seconds": round(time.perf_counter() - started, 2),
        },
        f"{uri}: {counted(n_icons, 'icon')} ({filled.n_new:,} new)",
        as_json=as_json,
    )
    if serve:
        garabato.serve(uri, model=model, host=host, port=port)
