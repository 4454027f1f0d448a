"""Options that several commands share, and the drawings that they and QUERY name."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

import garabato
from garabato.cli.output import print_unreadable, stderr

#: A number of categories, all of them, or their names.
Categories = int | Literal["all"] | list[str]


class Choice(click.Choice[str]):
    """One of a few words; the error suggests the nearest one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            names = list(map(str, self.choices))
            hint = garabato.did_you_mean(value, names)
            self.fail(f"{value!r} is not one of {', '.join(names)}{hint}", param, ctx)
        return str(value)


def file_option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """An option that takes a file or folder."""
    return click.option(*names, type=click.Path(path_type=Path), **settings)


model_option = click.option(
    "--model",
    metavar="FILE",
    envvar="GARABATO_MODEL",
    help="Encoder file, run folder, `shipped` or hf://OWNER/NAME.  [default: $GARABATO_MODEL, else "
    "the encoder that ships]",
)

added_categories_option = file_option(
    "--categories",
    envvar="GARABATO_CATEGORIES",
    metavar="FILE",
    help="File of categories added to the encoder.  [default: the one beside the encoder file]",
)

gallery_option = click.option(
    "--gallery", "uri", required=True, metavar="URI", help="Folder, or address on a Milvus server."
)

#: Without these, the service reads GARABATO_HOST and GARABATO_PORT.
host_option = click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
port_option = click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8000]"
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

SOURCE_HELP = 'Folder or file of drawings, or "starter": 100 drawings of each category, by npm.'

strict_option = click.option(
    "--strict", is_flag=True, help="Stop at the first unreadable line instead of skipping it."
)

seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Random seed.",
)


def _check_png(
    _context: click.Context, _option: click.Parameter, picture: Path | None
) -> Path | None:
    if picture is not None and picture.suffix.lower() not in (".png", ""):  # "": a pipe, a device
        raise click.BadParameter(f"{picture} must end in .png")
    return picture


picture_option = file_option(
    "--picture", callback=_check_png, help="Draw the results to this PNG file."
)


def _parse_categories(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> Categories:
    """A single text is a number, "all" or names; several texts are names."""
    if len(texts) != 1:
        return list(texts)
    if texts[0] == "all":
        return "all"
    try:
        return int(texts[0])
    except ValueError:
        return [texts[0]]  # commas are split later: a category's name may contain one


categories_option = click.option(
    "--categories",
    callback=_parse_categories,
    multiple=True,
    metavar="100|all|cat,dog",
    default=("100",),
    help="A number of random categories, all, or names, separated by commas; may be "
    "repeated.  [default: 100]",
)

tags_option = click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Tag for the new drawings; repeatable."
)

category_from_option = click.option(
    "--category-from",
    type=Choice(["auto", "name", "drawing"]),
    default="auto",
    show_default=True,
    help="Where categories come from. auto: the folder of a picture, the rows of a table, the name "
    "of any other file; name: the file name (lamp-1.svg is a lamp); drawing: its metadata.",
)


def open_drawings(
    data: Path | None,
    source: Path | None,
    category_from: Any = "auto",
    *,
    keep_originals: bool = False,
) -> garabato.Dataset | garabato.Source:
    """The data set of --data or the source of --source, exactly one of which must be given."""
    if data is not None and source is None:
        if category_from != "auto" or keep_originals:
            option = "--keep-originals" if category_from == "auto" else "--category-from"
            raise click.UsageError(f"{option} needs --source")
        return garabato.Dataset.open(data)
    if source is not None and data is None:
        return garabato.open_source(
            source, category_from=category_from, keep_originals=keep_originals
        )
    raise click.UsageError("give either --data or --source")


@dataclass(frozen=True, slots=True)
class Query:
    """A drawing to classify or search for: the `number`th of `file`, shown as `name`."""

    drawing: garabato.Drawing
    file: str
    number: int
    name: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON; key_id and category only if they are known."""
        document: dict[str, Any] = {"file": self.file, "number": self.number}
        for name in ("key_id", "category"):
            if getattr(self.drawing, name) is not None:
                document[name] = getattr(self.drawing, name)
        return document


def read_queries(
    files: Iterable[str], unreadable: list[garabato.FormatError] | None = None
) -> list[Query]:
    """The drawings of all files, except empty ones, which are reported on stderr.

    Files that cannot be read are added to `unreadable`. The first one raises if there is no such
    list, or if no file can be read.
    """
    report = garabato.ReadReport()
    queries = []
    for file, label in _labels(list(files)):
        try:
            drawings = list(garabato.read_drawings(file, report=report))
        except garabato.FormatError as error:
            if unreadable is None:
                raise
            unreadable.append(error)
            continue
        for number, drawing in enumerate(drawings, start=1):
            queries.append(Query(drawing, file, number, f"{label}, drawing {number}"))
    print_unreadable(report)
    if unreadable and not queries:
        for other in unreadable[1:]:
            stderr.print(str(other))
        raise unreadable[0]
    for query in queries:
        if query.drawing.is_empty:
            stderr.print(f"{query.name}: empty, skipped")
    drawn = [query for query in queries if not query.drawing.is_empty]
    if not drawn:
        raise garabato.InputError("the query drawing is empty; draw at least one stroke")
    return drawn


def where_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filter options to a command, which gets them as its argument `where`."""

    @functools.wraps(function)
    def with_where(
        *,
        category: tuple[str, ...],
        country: tuple[str, ...],
        tag: tuple[str, ...],
        recognized: bool | None,
        after: str | None,
        before: str | None,
        text: str | None,
        **others: Any,
    ) -> Any:
        span = {"after": after, "before": before}
        conditions = {
            "category": list(category),
            "country": list(country),
            "tags": list(tag),
            "recognized": recognized,
            "timestamp": {end: time for end, time in span.items() if time is not None},
            "text": text,
        }
        where = {name: given for name, given in conditions.items() if given not in (None, [], {})}
        return function(where=where, **others)

    for option in reversed(_WHERE):
        with_where = option(with_where)
    return with_where


def suggest_categories(gallery: garabato.Gallery, where: dict[str, Any]) -> None:
    """Print the categories of a filter that the gallery lacks, and its most similar names."""
    for name in where.get("category", ()):
        if not gallery.count(where={"category": name}):
            known = filter(None, gallery.count(by="category"))
            hint = garabato.did_you_mean(name, known)
            stderr.print(f"{gallery.uri} has no drawing of category {name!r}{hint}")


_WHERE = (
    click.option("--category", multiple=True, metavar="NAME", help="Of this category; repeatable."),
    click.option("--country", multiple=True, metavar="CC", help="From this country; repeatable."),
    click.option("--tag", multiple=True, metavar="TAG", help="With this tag; repeatable."),
    click.option(
        "--recognized/--unrecognized", default=None, help="Recognized by the game, or not."
    ),
    click.option("--after", metavar="TIME", help="Drawn at this time or later, e.g. 2017-03-01."),
    click.option("--before", metavar="TIME", help="Drawn before this time."),
    click.option(
        "--text",
        metavar="WORDS",
        help="With these words in title, category or tags; the beginning of a word is enough.",
    ),
)


def _labels(files: list[str]) -> list[tuple[str, str]]:
    """Each file and its name for people: the whole path if two files have the same name."""
    names = Counter(Path(file).name for file in dict.fromkeys(files))
    return [
        (file, "stdin" if file == "-" else Path(file).name if names[Path(file).name] == 1 else file)
        for file in files
    ]
