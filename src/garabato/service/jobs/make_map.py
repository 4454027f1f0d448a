"""Makes the map of a gallery in a process of its own: `python -m garabato.service.jobs.make_map`.

So a server stays quick, its memory small, and the work can be ended at any time. Tells its progress
on stdout, a line a step: stage, done and total with tabs between them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from garabato.analysis.map import project
from garabato.gallery import open_gallery

#: Others come first.
_NICENESS = 10


def main(uri: str, file: str) -> None:
    """Project the gallery at `uri` and write the map to `file`."""
    os.nice(_NICENESS)
    gallery = open_gallery(uri, must_exist=True)
    project(gallery, progress=_tell).save(Path(file))


def _tell(stage: str, done: int, total: int) -> None:
    print(f"{stage}\t{done}\t{total}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
