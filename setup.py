"""The long description: README.md with links that work where the repository isn't.

Everything else is in pyproject.toml. With a Repository URL there, links and pictures become
absolute; without one, links become plain text and pictures are left out.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


def long_description(readme: str, repository: str | None) -> str:
    """README.md for the package index."""

    def absolute(found: re.Match[str]) -> str:
        is_picture, text, target = found.groups()
        if repository is None:
            return "" if is_picture else text
        kind = "raw" if is_picture else "blob"
        return f"{is_picture}[{text}]({repository.rstrip('/')}/{kind}/main/{target})"

    return re.sub(r"\n{3,}", "\n\n", LINK.sub(absolute, readme))


if __name__ == "__main__":
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    setup(
        long_description=long_description(
            (HERE / "README.md").read_text(), project.get("urls", {}).get("Repository")
        ),
        long_description_content_type="text/markdown",
    )
