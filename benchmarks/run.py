"""Run the quick benchmarks, or with --all the slow ones too, and print one table.

Run `recipe.py` (the ablations) and `gallery_search.py --size 10000000` on their own: each takes a
day. `others.py` runs if the variable GARABATO_OTHERS names its folder of drawings; `few_shot.py`
and `icons.py` run if GARABATO_DATA names a data set, too.
"""

from __future__ import annotations

import os
from pathlib import Path

import b32
import bulk_index
import evaluate_memory
import few_shot
import first_tasks
import fuzz_readers
import gallery_kills
import gallery_map
import gallery_milvus
import gallery_readers
import gallery_search
import growth
import harness
import icon_sets
import icons
import inference
import others
import page_latency
import parse
import parse_render
import photo
import picture_agreement
import prepare
import prepare_memory
import s100
import s345
import search_many
import serve_load
import serve_rude
import serve_uploads
import startup
import torch_dataset
import train_step
import unseen
import web_export
import wild

OTHERS = os.environ.get("GARABATO_OTHERS")
DATA = os.environ.get("GARABATO_DATA")

if __name__ == "__main__":
    harness.main(
        startup.BENCHMARK,
        first_tasks.BENCHMARK,
        parse.BENCHMARK,
        parse_render.BENCHMARK,
        bulk_index.BENCHMARK,
        prepare.BENCHMARK,
        prepare_memory.BENCHMARK,
        evaluate_memory.BENCHMARK,
        s100.BENCHMARK,
        s345.BENCHMARK,
        b32.BENCHMARK,
        unseen.benchmark(),
        picture_agreement.benchmark(),
        photo.BENCHMARK,
        train_step.BENCHMARK,
        torch_dataset.BENCHMARK,
        fuzz_readers.BENCHMARK,
        inference.BENCHMARK,
        gallery_kills.BENCHMARK,
        gallery_map.BENCHMARK,
        gallery_readers.BENCHMARK,
        gallery_search.benchmark(),
        gallery_search.benchmark(pixels=True),
        gallery_search.benchmark(1_000_000),
        search_many.benchmark(),
        search_many.benchmark(1_000_000),
        search_many.benchmark(on_disk=True),
        search_many.benchmark(600_000, on_disk=True),
        growth.benchmark(),
        serve_load.BENCHMARK,
        serve_rude.BENCHMARK,
        serve_uploads.BENCHMARK,
        page_latency.BENCHMARK,
        web_export.BENCHMARK,
        wild.benchmark(),
        icon_sets.benchmark(),
        gallery_milvus.benchmark(None),
        *([others.benchmark(Path(OTHERS))] if OTHERS else []),
        *(
            [few_shot.benchmark(sorted(Path(OTHERS).iterdir()), Path(DATA))]
            if OTHERS and DATA
            else []
        ),
        *([icons.benchmark(Path(DATA))] if DATA else []),
    )
