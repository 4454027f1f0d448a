"""Hooks of mkdocs.yml: pages that live outside docs/, and links that leave it.

README.md becomes the home page; CONTRIBUTING.md, CHANGELOG.md and the encoder's model card become
pages, and the Python reference is made from `garabato.__all__`. So the same files read well in the
repository and on the site. Links to source files, which are not on the site, become plain text.
"""

from __future__ import annotations

import importlib
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
#: Page of the site -> file of the repository.
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "model_card.md": "src/garabato/pretrained/MODEL_CARD.md",
}
_LINK = re.compile(
    r"(?P<text>!?\[[^\]]*\])\((?!https?:|#)(?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)"
)
#: A picture as HTML, which says how wide it is; mkdocs leaves its address as it is.
_PICTURE = re.compile(r'(?P<before><img src=")(?P<target>[^":]+)')


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "python.md", content=python_reference()))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Make links relative to the page, wherever its file is in the repository."""
    source = PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    page_of = {path: name for name, path in PAGES.items()}

    def relink(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found["target"]))
        name = page_of.get(target, target.removeprefix("docs/"))
        if files.get_file_from_path(name) is None:
            if not (ROOT / target).exists():
                raise ValueError(f"{source}: there is no {found['target']}")
            return found["text"].lstrip("!").strip("[]")
        return f"{found['text']}({name}{found['anchor'] or ''})"

    def repicture(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found["target"]))
        file = files.get_file_from_path(target.removeprefix("docs/"))
        if file is None:
            raise ValueError(f"{source}: there is no {found['target']}")
        return found["before"] + file.url_relative_to(page.file)

    return _PICTURE.sub(repicture, _LINK.sub(relink, markdown))


def python_reference() -> str:
    """The page of everything in `garabato.__all__`, by kind."""
    garabato = importlib.import_module("garabato")  # its stub has no __all__

    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": [], "Constants": []}
    for name in garabato.__all__:
        value = getattr(garabato, name)
        if isinstance(value, type):
            kinds["Errors" if issubclass(value, Exception) else "Classes"].append(name)
        elif callable(value):
            kinds["Functions"].append(name)
        elif not name.startswith("__"):
            kinds["Constants"].append(name)
    page = "# Python\n\n```python\nimport garabato\n```\n\nEverything below is in `garabato`.\n"
    for kind, names in kinds.items():
        page += f"\n## {kind}\n\n"
        for name in sorted(names, key=str.lower):
            value = getattr(garabato, name)
            module = getattr(value, "__module__", None)
            if kind == "Constants" or module is None:
                page += f"- `{name}`\n"
            else:
                page += f"::: {module}.{name}\n    options:\n      heading: {name}\n\n"
    page += "\n## Other types\n\nReturned by the above; not in `garabato` themselves.\n\n"
    for value in returned_types([getattr(garabato, name) for name in garabato.__all__]):
        name = value.__name__
        page += f"::: {value.__module__}.{name}\n    options:\n      heading: {name}\n\n"
    return page


def returned_types(public: list[Any]) -> list[type]:
    """The classes of garabato that public functions and methods return but that are not public."""
    members = [
        member
        for value in public
        for name, member in (vars(value) if isinstance(value, type) else {"": value}).items()
        if not name.startswith("_")
    ]
    found = set()
    for member in members:
        function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        annotation = str(getattr(function, "__annotations__", {}).get("return", ""))
        for name in re.findall(r"\w+", annotation):
            kind = getattr(function, "__globals__", {}).get(name)
            if isinstance(kind, type) and kind.__module__.startswith("garabato."):
                found.add(kind)
    return sorted(
        found - {one for one in public if isinstance(one, type)}, key=lambda k: k.__name__
    )
