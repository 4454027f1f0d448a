"""Write a folder of icons by category, to train an encoder on (`tools/train_part.py --icons`).

    python tools/icon_drawings.py runs/icons_svg
    garabato prepare --source runs/icons_svg --out runs/icons --categories all --train 400 \
        --test 0 --allow-short

The icons come from all sets of the npm package @iconify/json whose licence allows any use, at most
with attribution. Left out are the sets that `benchmarks/icons.py` measures, and sets of brands. An
icon belongs to a category if its name, without endings such as "outline", is the category's name,
one of `tools/icon_names.json` (mostly names of emoji), or one of `benchmarks/icon_names.json`.

With `--further FOLDER`, icons of other names are written there, 16 of each name that at least ten
sets have:

    garabato prepare --source runs/further_svg --out runs/further --categories all --train 16 \
        --test 0 --allow-short
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from garabato.encoder import load_encoder
from garabato.sources.npm import fetch_package, open_package, read_member

PACKAGE = "@iconify/json@2.2.535"
INTEGRITY = (
    "sha512-nAV60ACUSHwnsb6fsp+letHlNkrwO4vzBtcC6B4EDHErQQfezk7E3nJdnwJjve6OCfMNO0uVT5Vrgna9/NCmXw"
    "=="
)
LICENCES = {
    "Apache-2.0", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0", "CC0-1.0", "ISC", "MIT", "MPL-2.0",
    "OFL-1.1", "Unlicense",
}  # fmt: skip
#: Measured sets, sets that copy much from them, and sets of brands or of one letter each.
LEFT_OUT = {
    "akar-icons", "arcticons", "bi", "cib", "devicon", "fe", "feather", "garden", "iconoir",
    "logos", "lucide", "lucide-lab", "ph", "selfhst", "simple-icons", "tabler", "thesvg",
    "thesvg-color", "token", "token-branded",
}  # fmt: skip
#: Icons of these names rarely show the category: a "table" is a spreadsheet, a "mouse" a device.
MISLEADING = {"cooler", "face", "line", "marker", "mouse", "radio", "table", "token"}
#: Sets that have an icon of a name, for it to become a further category.
MIN_SETS = 10
#: Icons of a further category, chosen at random.
MAX_FURTHER = 16
_ENDING = re.compile(
    r"-(alt|bold|broken|bulk|color|cyber|dark|detailed|duotone|emoji|fill|filled|flat|flex|icon"
    r"|light|line|linear|lines|o|outline|outlined|plump|regular|remix|round|rounded|sharp|solid"
    r"|stroke|symbol|thin|two-?tone|variant|\d+)$"
)
_TOOLS = Path(__file__).resolve().parent
_NAMES = _TOOLS / "icon_names.json", _TOOLS.parent / "benchmarks" / "icon_names.json"


def main() -> None:
    """Write <category>/<set>--<name>.svg for each icon."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--further", type=Path, metavar="FOLDER", help="for icons of other names")
    arguments = parser.parse_args()
    categories = categories_by_name(load_encoder().network_categories)
    known: dict[str, dict[str, str]] = defaultdict(dict)
    further: dict[str, dict[str, str]] = defaultdict(dict)
    seen: set[tuple[bool, str]] = set()
    for set_name, icon, svg in icons_of_sets():
        name = without_endings(icon)
        category = categories.get(icon) or categories.get(name)
        if (category is None, svg) in seen:
            continue
        seen.add((category is None, svg))
        files = further[name] if category is None else known[category]
        files[f"{set_name}--{icon}.svg"] = svg
    write(arguments.out, known)
    if arguments.further is not None:
        choice = random.Random(0)
        common = {
            name: dict(choice.sample(list(files.items()), min(MAX_FURTHER, len(files))))
            for name, files in further.items()
            if len({file.split("--")[0] for file in files}) >= MIN_SETS
        }
        write(arguments.further, common)


def icons_of_sets() -> Iterator[tuple[str, str, str]]:
    """The set, the name and the SVG of each icon."""
    archive = fetch_package(PACKAGE, INTEGRITY, what="the collection of icon sets")
    with open_package(archive, PACKAGE) as files:
        sets = json.loads(read_member(files, "collections.json"))
        for name, about in sorted(sets.items()):
            if name in LEFT_OUT or about["license"].get("spdx") not in LICENCES:
                continue
            icons = json.loads(read_member(files, f"json/{name}.json"))
            for icon, shapes in icons["icons"].items():
                if not shapes.get("hidden"):
                    yield name, icon, svg_of(shapes, icons)


def write(folder: Path, files_by_category: dict[str, dict[str, str]]) -> None:
    """Write the SVG files of each category."""
    for category, files in files_by_category.items():
        (folder / category).mkdir(parents=True, exist_ok=True)
        for name, svg in files.items():
            (folder / category / name).write_text(svg)
    n_icons = sum(map(len, files_by_category.values()))
    print(f"{n_icons:,} icons of {len(files_by_category)} categories in {folder}")


def categories_by_name(categories: Sequence[str]) -> dict[str, str]:
    """The name of an icon -> its category."""
    found = {re.sub(r"[^a-z0-9]+", "-", category.lower()): category for category in categories}
    for path in _NAMES:
        for category, names in json.loads(path.read_text()).items():
            for name in names:
                found.setdefault(name, category)
    return {name: category for name, category in found.items() if name not in MISLEADING}


def without_endings(name: str) -> str:
    """The name of an icon without the endings that say how it is drawn."""
    while (shorter := _ENDING.sub("", name)) != name:
        name = shorter
    return name


def svg_of(shapes: dict[str, Any], icons: dict[str, Any]) -> str:
    """The SVG file of an icon; what it doesn't say of its size, its set says."""
    left, top, width, height = (
        shapes.get(key, icons.get(key, default))
        for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}">{shapes["body"]}</svg>'
    )


if __name__ == "__main__":
    main()
