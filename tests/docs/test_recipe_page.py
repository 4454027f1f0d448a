"""The page on the training recipe calls only differences beyond the noise results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def write_arm(folder: Path, arm: str, **scores: float) -> None:
    plain = {"top1": 0.76, "top5": 0.94, "map": 0.65, "half_ink": 0.26, "bitmap": 0.69}
    found = plain | {"reordered": 0.73, "minutes": 4.0} | scores
    document = {"arm": arm, "what": f"the arm {arm}", "seed": 0, **found}
    (folder / f"{arm}-seed0.json").write_text(json.dumps(document))


def test_an_arm_shows_what_differs_by_more_than_two_standard_errors(tmp_path: Path) -> None:
    # For 2,000 drawings, sqrt((0.76 * 0.24 + 0.786 * 0.214) / 2,000) is 1.32 points, twice 2.65.
    write_arm(tmp_path, "preset")
    write_arm(tmp_path, "luck", top1=0.786)
    write_arm(tmp_path, "better", top1=0.787)
    write_arm(tmp_path, "all-partial", half_ink=0.325)
    write_arm(tmp_path, "mixed", top1=0.80, map=0.60, bitmap=0.05, half_ink=0.17)
    page = tmp_path / "docs" / "recipe.md"
    subprocess.run(
        [sys.executable, str(ROOT / "tools" / "write_recipe.py"), str(tmp_path), str(page)],
        check=True,
    )
    rows = [line.strip("| ").split(" | ") for line in page.read_text().splitlines()]
    shown = {row[0]: row[-1].strip() for row in rows if len(row) > 2 and row[0].startswith("`")}
    # 0.26 is four fifths of 0.325
    bound = "reaches 80% of the accuracy of `all-partial`, the upper bound (32.5%)"
    assert bound in page.read_text()
    assert shown == {
        "`all-partial`": "raises half the ink by 6.5",
        "`preset`": "4.0",  # nothing: the last cell is empty
        "`luck`": "not significant",
        "`better`": "raises top-1 by 2.7",
        "`mixed`": "raises top-1 by 4.0; lowers mAP by 0.050, half the ink by 9.0, bitmap by 64.0",
    }
