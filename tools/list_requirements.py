"""List what garabato needs at run time, a requirement a line, as pip takes it with -r.

    python tools/list_requirements.py serve map --without torch

lists the dependencies of pyproject.toml and of the extras named, but not PyTorch, which a service
that answers with an encoder in ONNX form does not need (see the Dockerfile).
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def main() -> None:
    """Print the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("extras", nargs="*", metavar="EXTRA")
    parser.add_argument("--without", action="append", default=[], metavar="PACKAGE")
    given = parser.parse_args()
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    listed = list(dict.fromkeys([*project["dependencies"], *_of_extras(given.extras, project)]))
    names = {_name(requirement) for requirement in listed}
    for name in given.without:
        if name not in names:  # what goes by another name must not come in unseen
            parser.error(f"{name} is none of {', '.join(sorted(names))}")
    print(*(one for one in listed if _name(one) not in given.without), sep="\n")


def _of_extras(extras: list[str], project: dict) -> Iterator[str]:
    """What extras need; one may name others: garabato[map,onnx]."""
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:
            others = re.fullmatch(r"garabato\[(.+)\]", requirement)
            if others:
                yield from _of_extras(others[1].split(","), project)
            else:
                yield requirement


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return found[0].lower()


if __name__ == "__main__":
    main()
