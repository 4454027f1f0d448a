"""Icon sets from npm: each icon is a drawing with its title, tags, link and SVG file.

The package of a set is fetched by npm, its integrity is checked, and its icons, metadata and
licence files are kept in the user's cache folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from garabato.drawing import MAX_ORIGINAL_BYTES, DrawingBatch
from garabato.errors import FormatError, InputError, SourceError, did_you_mean
from garabato.formats import ReadReport, read_drawings
from garabato.formats.stream import in_batches
from garabato.host.atomic import replacing_folder
from garabato.host.machine import cache_folder
from garabato.sources.npm import fetch_package, open_package

#: The most bytes of an icon's file; larger ones are counted and skipped.
MAX_ICON_BYTES = 2**20
#: The sets of `garabato icons` without arguments.
DEFAULT_ICON_SETS = ("tabler", "lucide")
_LICENCE = re.compile(r"(licen[cs]e|notice|copying)([.-].*)?", re.IGNORECASE)
#: An icon in Phosphor's JavaScript.
_ENTRY = re.compile(r'name: "([^"]+)".*?tags: \[(.*?)\]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class IconSet:
    """An icon set on npm: `folder` of the package holds its SVG files.

    `metadata` is the package's file with titles and tags, `link` the address of an icon's own page,
    where {name} stands for its name. `variants` are the endings of names that say how an icon is
    drawn, such as "fill"; they are not part of its category.
    """

    package: str
    integrity: str
    folder: str
    licence: str
    metadata: str | None = None
    link: str | None = None
    variants: tuple[str, ...] = ()


#: Name -> set.
ICON_SETS: dict[str, IconSet] = {
    "tabler": IconSet(
        "@tabler/icons@3.52.0",
        "sha512-dldKlJNfO/gZnGLcIY0X2EFFKIMGwL/rEvTqglvBgAPFiwj9pZOCN5V3Sf0Gyjq6foX4VQmLdOmsS4w5FdWKAw==",
        "icons/outline",
        "MIT",
        metadata="icons.json",
        link="https://tabler.io/icons/icon/{name}",
    ),
    "lucide": IconSet(
        "lucide-static@1.62.0",
        "sha512-WBZA/m2PvkFpMGHDtsBck5P2A9G4ehLlYu4GwwICcmEm1BvYVgj00lCDxKRWLlbMlOibLaiwdQ88G5pHkSWgwA==",
        "icons",
        "ISC",
        metadata="tags.json",
        link="https://lucide.dev/icons/{name}",
    ),
    "feather": IconSet(
        "feather-icons@4.29.2",
        "sha512-0TaCFTnBTVCz6U+baY2UJNKne5ifGh7sMG4ZC2LoBWCZdIyPa+y6UiR4lEYGws1JOFWdee8KAsAIvu0VcXqiqA==",
        "dist/icons",
        "MIT",
        link="https://feathericons.com/?query={name}",
    ),
    "phosphor": IconSet(
        "@phosphor-icons/core@2.1.1",
        "sha512-v4ARvrip4qBCImOE5rmPUylOEK4iiED9ZyKjcvzuezqMaiRASCHKcRIuvvxL/twvLpkfnEODCOJp5dM4eZilxQ==",
        "assets/regular",
        "MIT",
        metadata="dist/index.mjs",
        link="https://phosphoricons.com/?q={name}",
    ),
    "iconoir": IconSet(
        "iconoir@7.12.1",
        "sha512-7ei4jd1bss0Ukyz/bbM9Zc96aLfZuwTEkSW8u5fx5h3X9912MsnmWwPw9LyTUtcf0ShfTzQeQ9oG7IslW3hrLg==",
        "icons/regular",
        "MIT",
    ),
    "bootstrap": IconSet(
        "bootstrap-icons@1.13.2",
        "sha512-fAU1Ly3dH7hwRg+CB8EZ0Vl0fF80zgXHeUVJyfUOKzoURr+TbwISbCW5tKUoQLERaWYG2emTCybcPbD96hdD1A==",
        "icons",
        "MIT",
        link="https://icons.getbootstrap.com/icons/{name}/",
        variants=("fill",),
    ),
    "heroicons": IconSet(
        "heroicons@2.2.0",
        "sha512-yOwvztmNiBWqR946t+JdgZmyzEmnRMC2nxvHFC90bF1SUttwB6yJKYeme1JeEcBfobdOs827nCyiWBS2z/brog==",
        "24/outline",
        "MIT",
    ),
    "ionicons": IconSet(
        "ionicons@8.1.0",
        "sha512-XSM2gYWTXxSYTwjmKWAoy4yR7AbAFDjpc5ZIivAiGXskM0fe5CdMPfs6InQRUcrYtVb2WZ/0HQ1/jeh3JW78SA==",
        "dist/svg",
        "MIT",
        metadata="dist/ionicons.json",
        variants=("outline", "sharp"),
    ),
    "mdi": IconSet(
        "@mdi/svg@7.4.47",
        "sha512-WQ2gDll12T9WD34fdRFgQVgO8bag3gavrAgJ0frN4phlwdJARpE6gO1YvLEMJR0KKgoc+/Ea/A0Pp11I00xBvw==",
        "svg",
        "Pictogrammers Free License (Apache-2.0)",
        metadata="meta.json",
        link="https://pictogrammers.com/library/mdi/icon/{name}/",
        variants=("outline",),
    ),
    "remix": IconSet(
        "remixicon@4.9.1",
        "sha512-36gLSoujkabnCFZFDyP17VNh9piuBA/rsXUb4auSJWLGsHVXtmxLj/EM5FjaEAGnk8oIAj1Azob/DZ2N+90lAQ==",
        "icons",
        "Remix Icon License 1.0",
        link="https://remixicon.com/icon/{name}",
        variants=("line", "fill"),
    ),
    "simple": IconSet(
        "simple-icons@16.37.0",
        "sha512-8mCJIhpMYOL9g13GW59EiL3sVXJnTEKGCTZFaekl9UQ3Qo0SwVjnLaJ82QiaH8BKBdouEDzrHMXIWh8cBIy48A==",
        "icons",
        "CC0-1.0",
        metadata="data/simple-icons.json",
        link="https://simpleicons.org/?q={name}",
    ),
}


class IconSource:
    """The icons of some sets: `read` takes the name of a set, and an icon's category is its name.

    Icons have the key_id "set/name", a title (their name in words, "cloud off", where the set has
    no title for them), tags (the set, folders in it, and its own tags), a link and the original
    SVG. An icon's category is its title without a variant: "cloud" for "cloud outline". The sets
    are fetched when the source is created. Raises InputError for an unknown set, SourceError if one
    cannot be fetched.
    """

    def __init__(self, sets: Sequence[str] = DEFAULT_ICON_SETS) -> None:
        self.check(sets)
        #: Key_ids of icons that are not read, such as those that a gallery holds already.
        self.leave_out: frozenset[str] = frozenset()
        self._folders = {name: fetch_icons(name) for name in dict.fromkeys(sets)}

    def __repr__(self) -> str:
        return f"IconSource({list(self._folders)})"

    @staticmethod
    def check(sets: Sequence[str]) -> None:
        """Raise InputError, with the nearest name, for an unknown set."""
        for name in sets:
            if name not in ICON_SETS:
                known = f"choose from {', '.join(ICON_SETS)}"
                hint = did_you_mean(name, ICON_SETS, otherwise=known)
                raise InputError(f"there is no icon set {name!r}{hint}")

    def categories(self) -> dict[str, list[Path]]:
        """The sets, and the files of each."""
        return {name: _icon_files(folder) for name, folder in self._folders.items()}

    def key_ids(self) -> list[str]:
        """The key_ids of all icons, whether they can be read or not."""
        return [
            _key_id(name, folder, file)
            for name, folder in self._folders.items()
            for file in _icon_files(folder)
        ]

    def read(
        self, category: str, *, strict: bool = False, report: ReadReport | None = None
    ) -> Iterator[DrawingBatch]:
        """The icons of one set in batches. Icons that cannot be read are counted in `report`."""
        counts = ReadReport() if report is None else report
        yield from in_batches(self._icons(category, strict, counts))

    def _icons(self, name: str, strict: bool, report: ReadReport) -> Iterator[Any]:
        folder, chosen = self._folders[name], ICON_SETS[name]
        known = _read_metadata(folder)
        for file in _icon_files(folder):
            key_id = _key_id(name, folder, file)
            if key_id in self.leave_out:
                continue
            try:
                content = file.read_bytes()
                if len(content) > MAX_ICON_BYTES:
                    raise FormatError("larger than 1 MiB, the limit for icons", path=file)
                drawing = next(read_drawings(file, strict=True))
            except FormatError as error:
                if strict:
                    raise
                report.add(error)
                continue
            report.n_read += 1
            about = known.get(file.stem, _Metadata())
            title = about.title or " ".join(re.split(r"[-_\s]+", file.stem))
            tags = (name, *file.relative_to(folder / "icons").parent.parts, *about.tags)
            yield drawing.replace(
                key_id=key_id,
                category=_without_variant(title, chosen.variants),
                title=title,
                tags=tuple(dict.fromkeys(tags)),
                link=None if chosen.link is None else chosen.link.format(name=file.stem),
                source_path=f"{key_id}.svg",
                original=content if len(content) <= MAX_ORIGINAL_BYTES else None,
            )


def fetch_icons(name: str) -> Path:
    """The folder of a set's icons in the cache, fetched from npm if it is not there yet."""
    chosen = ICON_SETS[name]
    version = chosen.package.rpartition("@")[2]
    folder = cache_folder() / "icons" / f"{name}-{version}"
    if not folder.is_dir() or (chosen.metadata and not list(folder.glob("metadata.*"))):
        archive = fetch_package(chosen.package, chosen.integrity, what=f"the icon set {name}")
        with replacing_folder(folder) as unfinished:
            unpack_icons(archive, chosen, unfinished)
    return folder


def unpack_icons(archive: bytes, chosen: IconSet, target: Path) -> None:
    """Write the icons, metadata and licences of a package to `target`. Raises SourceError."""
    n_icons = 0
    with open_package(archive, chosen.package) as package:
        for member in package:
            path = PurePosixPath(member.name)
            target_path = _target_path(PurePosixPath(*path.parts[1:]), chosen)
            content = package.extractfile(member)
            if target_path is None or content is None or ".." in path.parts:
                continue
            file = target / target_path
            file.parent.mkdir(parents=True, exist_ok=True)
            # one byte more than allowed, so that a huge file is counted when it is read
            limit = MAX_ICON_BYTES + 1 if target_path.suffix == ".svg" else 2**26
            file.write_bytes(content.read(limit))
            n_icons += target_path.suffix == ".svg"
    if not n_icons:
        raise SourceError(f"{chosen.package} has no SVG file in {chosen.folder}")
    if chosen.metadata and not list(target.glob("metadata.*")):
        raise SourceError(f"{chosen.package} has no file {chosen.metadata}")


def _icon_files(folder: Path) -> list[Path]:
    return sorted((folder / "icons").rglob("*.svg"))


def _key_id(name: str, folder: Path, file: Path) -> str:
    return f"{name}/{file.relative_to(folder / 'icons').with_suffix('').as_posix()}"


def _read_metadata(folder: Path) -> dict[str, _Metadata]:
    """Metadata by name of the icon; empty if the package's file cannot be read."""
    for file in folder.glob("metadata.*"):
        if file.suffix != ".json":
            entries = _ENTRY.findall(file.read_text(encoding="utf-8", errors="replace"))
            return {name: _parse(re.findall(r'"([^"]*)"', tags)) for name, tags in entries}
        try:
            document: Any = json.loads(file.read_bytes())
        except ValueError:
            return {}
        if isinstance(document, Mapping) and isinstance(document.get("icons"), list):
            document = document["icons"]
        if isinstance(document, list):
            listed = [one for one in document if isinstance(one, Mapping)]
            document = {str(one.get("slug") or one.get("name")): one for one in listed}
        if isinstance(document, Mapping):
            return {name: _parse(entry) for name, entry in document.items()}
    return {}


class _Metadata(NamedTuple):
    """The metadata of an icon in its set."""

    title: str | None = None
    tags: tuple[str, ...] = ()


def _parse(entry: Any) -> _Metadata:
    """`entry` is a list of tags, or a mapping with a title, tags or aliases."""
    if not isinstance(entry, Mapping):
        return _Metadata(None, _texts(entry))
    title, aliases = entry.get("title"), entry.get("aliases")
    if isinstance(aliases, Mapping):
        aliases = [*_texts(aliases.get("aka")), *_texts(aliases.get("old"))]
    tags = (*_texts(entry.get("tags")), *_texts(aliases))
    return _Metadata(title if isinstance(title, str) and title.strip() else None, tags)


def _texts(values: Any) -> tuple[str, ...]:
    """The texts of a list, without empty ones and marks such as "*new*"."""
    listed = values if isinstance(values, list) else []
    return tuple(v for v in listed if isinstance(v, str) and v.strip() and not v.startswith("*"))


def _without_variant(title: str, variants: tuple[str, ...]) -> str:
    """ "cloud" for "cloud outline"; a title of one word stays."""
    name, _, last = title.rpartition(" ")
    return name if name and last in variants else title


def _target_path(inside: PurePosixPath, chosen: IconSet) -> PurePosixPath | None:
    """Where a file of the package goes; None if it is not needed."""
    if len(inside.parts) == 1 and _LICENCE.fullmatch(inside.name):
        return inside
    if inside.as_posix() == chosen.metadata:
        return PurePosixPath("metadata").with_suffix(inside.suffix)
    if inside.suffix == ".svg" and inside.is_relative_to(chosen.folder):
        return PurePosixPath("icons", inside.relative_to(chosen.folder))
    return None
