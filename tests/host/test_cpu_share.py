"""A machine is busy if threads that want to run have to wait for others."""

from __future__ import annotations

import pytest

from garabato.host.machine import CpuShare


@pytest.mark.parametrize(
    ("used", "wanted", "n_cores", "busy"),
    [
        (0.9, 3.0, 2, True),  # wanted both cores, got 0.9
        (1.9, 4.0, 2, False),  # its own threads waited for each other, the cores were all its own
        (1.0, 1.02, 2, False),  # wanted one core and got it
        (0.5, 1.0, 2, True),
        (0.1, 0.1, 2, False),  # slept
    ],
)
def test_a_share_is_busy_if_cores_were_wanted_and_not_given(used, wanted, n_cores, busy) -> None:
    assert CpuShare(used, wanted, n_cores).is_busy is busy


def test_a_busy_share_says_how_many_cores_there_were() -> None:
    assert str(CpuShare(0.9, 3.0, 2)) == "this machine was busy: 0.9 of 2 cores"
