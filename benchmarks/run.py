"""Run the quick benchmarks, or with --all the slow ones too, and print one table.

Two are left to be run alone, because they take a day: `recipe.py` (the ablations) and
`gallery_search.py --size 10000000`.
"""

from __future__ import annotations

import b32
import evaluate_memory
import frame
import fuzz_readers
import gallery_kills
import gallery_milvus
import gallery_readers
import gallery_search
import inference
import page_latency
import parse
import parse_render
import picture_agreement
import prepare
import prepare_memory
import s100
import s345
import serve_load
import serve_rude
import startup
import train_step
import unseen
import web_export
import wild

if __name__ == "__main__":
    frame.main(
        startup.BENCHMARK,
        parse.BENCHMARK,
        parse_render.BENCHMARK,
        prepare.BENCHMARK,
        prepare_memory.BENCHMARK,
        evaluate_memory.BENCHMARK,
        s100.BENCHMARK,
        s345.BENCHMARK,
        b32.BENCHMARK,
        unseen.benchmark(),
        picture_agreement.benchmark(),
        train_step.BENCHMARK,
        fuzz_readers.BENCHMARK,
        inference.BENCHMARK,
        gallery_kills.BENCHMARK,
        gallery_readers.BENCHMARK,
        gallery_search.benchmark(),
        gallery_search.benchmark(1_000_000),
        serve_load.BENCHMARK,
        serve_rude.BENCHMARK,
        page_latency.BENCHMARK,
        web_export.BENCHMARK,
        wild.benchmark(),
        gallery_milvus.benchmark(None),
    )
