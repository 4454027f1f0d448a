"""The documentation site builds without a warning and holds what it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import garabato

pytest.importorskip("mkdocs")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_python_reference_holds_everything_public_and_what_it_returns(site: Path) -> None:
    page = (site / "python" / "index.html").read_text()
    headings = set(re.findall(r'<h3 id="[\w.]*?\.?(\w+)"', page))
    constants = set(re.findall(r"<code>(\w+)</code>", page))
    assert set(garabato.__all__) - {"__version__"} <= headings | constants
    # returned by Gallery.add, info, scan and original, and by Encoder.predict
    assert {"Added", "GalleryInfo", "Stored", "Original", "Output"} <= headings


def test_the_readme_is_the_home_page_and_its_links_lead_to_pages(site: Path) -> None:
    home = (site / "index.html").read_text()
    for page in ("quickstart/", "concepts/", "comparison/", "contributing/", "cli/", "http/"):
        assert f'href="{page}"' in home
        assert (site / page / "index.html").is_file()
    assert (site / "pictures" / "page.png").is_file()


def test_every_link_and_picture_of_a_page_is_there(site: Path) -> None:
    for page in site.rglob("index.html"):
        for address in re.findall(r'(?:href|src)="([^"#?:]+)[#?]?[^":]*"', page.read_text()):
            target = page.parent / address
            assert (target / "index.html" if target.is_dir() else target).is_file(), (page, address)


def test_nothing_is_loaded_from_other_sites(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text()
        )
        assert not loaded, page
