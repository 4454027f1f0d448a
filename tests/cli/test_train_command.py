"""garabato train as it is typed: what it refuses before it starts."""

from __future__ import annotations

import pytest
from typed import run


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--device", "gpu", "'gpu' is not one of auto, cpu, cuda, cuda:1"),
        ("--model", "resnet", "'resnet' is not one of skfast, sknet, skresnet"),
        ("--preset", "resnet", "unknown preset 'resnet'"),
    ],
)
def test_a_name_nobody_knows_is_told_with_those_there_are(tmp_path, option, value, told):
    done = run("train", "--data", tmp_path, "--out", tmp_path / "run", option, value)
    assert done.exit_code != 0
    assert told in " ".join(done.output.split())
