"""Write docs/recipe.md from what benchmarks/recipe.py left in benchmarks/results/recipe/."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "recipe"
TARGET = ROOT / "docs" / "recipe.md"

HEAD = """# The training recipe, found by experiment

Written by `make docs` from `benchmarks/results/recipe/*.json`, which `python benchmarks/recipe.py`
leaves behind.

Every arm is one change to the preset `skfast` in a short form: S100 of seed 0 (100 categories x 200
training drawings), 90 % of them trained on for 10 epochs, 32 px and then 48 px, scored on the other
10 %. The test part is never looked at here. With 2,000 drawings scored, the standard error of an
accuracy is about one point, so that differences below two points between single seeds mean little.

"half the ink": top-1 when only the first half of each drawing's ink is there; "bitmap": as Google's
28x28 bitmaps; "other order": the strokes in a random order, each from a random end. Minutes are of
one core that other work shared, so they say little (`wider` was stopped for an hour).

Two arms are bounds, not recipes: `pictures` sees no drawing in its order, so that only its column
"bitmap" means something, and `all-partial` shows what half a drawing can give when nothing else is
learned. `no-augment` has an edge on whole drawings in so short a training; whether it keeps it in a
longer one was not tried, and pictures and half drawings it doesn't know.

Why half the ink is so much harder than all of it: Quick, Draw! ended a drawing as soon as Google's
network had recognised it. Half of it is what that network, trained on millions, still had not.

How fast a step is in bfloat16, with channels last and by torch.compile stands in
[results.md](results.md), under `train_step`. Not tried: cutmix, attention in place of pooling.
"""

COLUMNS = {
    "top1": "top-1",
    "top5": "top-5",
    "map": "mAP",
    "half_ink": "half the ink",
    "bitmap": "bitmap",
    "reordered": "other order",
    "minutes": "minutes",
}


def page(folder: Path) -> str:
    """The whole page; the preset first, then the arms from best to worst."""
    arms: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text())
        arms[found["arm"]].append(found)
    ranked = sorted(arms.values(), key=lambda runs: -mean(run["top1"] for run in runs))
    ranked.sort(key=lambda runs: runs[0]["arm"] != "preset")
    lines = [
        HEAD,
        f"| arm | what | seeds | {' | '.join(COLUMNS.values())} |",
        f"| --- | --- | ---: | {' | '.join('---:' for _ in COLUMNS)} |",
    ]
    for runs in ranked:
        figures = " | ".join(figure(name, mean(run[name] for run in runs)) for name in COLUMNS)
        lines.append(f"| `{runs[0]['arm']}` | {runs[0]['what']} | {len(runs)} | {figures} |")
    return "\n".join(lines) + "\n"


def figure(name: str, value: float) -> str:
    """Accuracies in per cent."""
    if name == "map":
        return f"{value:.3f}"
    return f"{value:.1f}" if name == "minutes" else f"{100 * value:.1f} %"


if __name__ == "__main__":
    folder, target = (Path(sys.argv[1]), Path(sys.argv[2])) if sys.argv[1:] else (RESULTS, TARGET)
    target.parent.mkdir(exist_ok=True)
    target.write_text(page(folder))
