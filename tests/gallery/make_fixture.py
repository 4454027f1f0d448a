"""Writes the gallery that stands for one format version; run once, when the version is new.

`python tests/gallery/make_fixture.py` (with `tests` on PYTHONPATH) makes
`tests/gallery/fixtures/gallery-format-<version>`. Fixtures of older versions are never made again:
they are what old garabatos left on people's disks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pixel_encoder import PixelEncoder
from sketches import make_drawings

from garabato.drawing import Drawing
from garabato.gallery import open_gallery
from garabato.gallery.records import FORMAT_VERSION

FIXTURES = Path(__file__).parent / "fixtures"


def fixture_drawings() -> list[Drawing]:
    """What the fixtures hold: 23 drawings with strokes and a bitmap."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 14] = 255
    drawings = make_drawings(["circle", "house", "star"], per_category=8, seed=1)[1:]
    return [*drawings, Drawing(bitmap=pixels, key_id="bitmap", category="line")]


def main() -> None:
    target = FIXTURES / f"gallery-format-{FORMAT_VERSION}"
    if target.exists():
        raise SystemExit(f"{target} exists; fixtures are never made again")
    gallery = open_gallery(target, encoder=PixelEncoder())
    drawings = fixture_drawings()
    # one is replaced and one deleted, so that deletion files are part of the fixture
    gallery.add([*drawings, drawings[0].replace(key_id="deleted")], tags=["fixture"])
    gallery.add([drawings[1]], tags=["fixture", "replaced"])
    gallery.delete(["deleted"])
    gallery.compact(keep_versions_s=0)
    gallery.add([drawings[2]], tags=["fixture", "replaced"])


if __name__ == "__main__":
    main()
