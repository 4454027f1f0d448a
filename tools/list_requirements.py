"""List what garabato needs at run time, one per line, as pip takes it with -r.

    python tools/list_requirements.py serve milvus

lists the dependencies of pyproject.toml and of the extras named, which the Dockerfile installs
before it copies the source code.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def main() -> None:
    """Print the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("extras", nargs="*", metavar="EXTRA")
    given = parser.parse_args()
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    listed = list(dict.fromkeys([*project["dependencies"], *_of_extras(given.extras, project)]))
    print(*listed, sep="\n")


def _of_extras(extras: list[str], project: dict[str, Any]) -> Iterator[str]:
    """What extras need; one may name others: garabato[hub,train]."""
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:
            others = re.fullmatch(r"garabato\[(.+)\]", requirement)
            if others:
                yield from _of_extras(others[1].split(","), project)
            else:
                yield requirement


if __name__ == "__main__":
    main()
