"""Cores and memory, as the cgroup allows; whether other programs keep the machine busy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from garabato.host import machine
from garabato.host.machine import CpuShare


@pytest.fixture(autouse=True)
def _forget():
    machine._cpu_quota.cache_clear()
    machine.memory_bytes.cache_clear()
    yield
    machine._cpu_quota.cache_clear()
    machine.memory_bytes.cache_clear()


def _system(root: Path, cgroup: str, **files: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_a_process_may_use_the_cores_it_is_bound_to(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    assert machine.n_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "n_cores"),
    [("100000 100000", 1), ("150000 100000", 2), ("20000 100000", 1), ("max 100000", None)],
)
def test_a_cpu_quota_of_cgroup_v2_counts_in_whole_cores(tmp_path, quota, n_cores):
    root = _system(tmp_path, "0::/box\n", box__cpu_dot_max=quota)
    assert machine._cpu_quota(root) == n_cores


def test_a_cpu_quota_of_cgroup_v1_is_quota_divided_by_period(tmp_path):
    root = _system(tmp_path, "4:cpuacct,cpu:/box\n1:name=systemd:/\n")
    folder = root / "sys/fs/cgroup/cpu/box"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("300000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert machine._cpu_quota(root) == 3


def test_no_quota_of_cgroup_v1_is_minus_one(tmp_path):
    root = _system(tmp_path, "4:cpu:/\n")
    folder = root / "sys/fs/cgroup/cpu"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert machine._cpu_quota(root) is None


def test_a_limit_of_a_cgroup_above_counts_too(tmp_path):
    root = _system(
        tmp_path,
        "0::/pod/box\n",
        pod__box__memory_dot_max="max",
        pod__memory_dot_max="2147483648",
        memory_dot_max="8589934592",
    )
    assert machine._memory_limit(root) == 2 * 2**30


def test_in_a_container_the_limit_is_at_the_root_of_the_mount(tmp_path):
    """Without a cgroup namespace the path of v1 is the host's, which the container can't see."""
    root = _system(
        tmp_path, "9:memory:/docker/0123\n", memory__memory_dot_limit_in_bytes="1073741824"
    )
    assert machine._memory_limit(root) == 2**30


def test_memory_is_the_smaller_of_the_machine_and_its_limit(monkeypatch, tmp_path):
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    root = _system(tmp_path, "0::/\n", memory_dot_max="1048576")
    monkeypatch.setattr(machine, "_ROOT", root)
    assert machine.memory_bytes() == 2**20
    machine.memory_bytes.cache_clear()
    (root / "sys/fs/cgroup/memory.max").write_text("9223372036854771712")  # v1's word for none
    assert machine.memory_bytes() == installed


def test_malformed_cgroup_files_set_no_limit(tmp_path):
    root = _system(tmp_path, "nonsense\n0::/box\n", cpu_dot_max="", memory_dot_max="lots")
    assert machine._cpu_quota(root) is None
    assert machine._memory_limit(root) is None


def test_native_threads_follow_the_cores_and_sleep_unless_set(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    machine.limit_native_threads()
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("7", "ACTIVE")
    assert "GOMP_SPINCOUNT" not in os.environ  # it would take precedence over ACTIVE
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    machine.limit_native_threads()
    assert os.environ.pop("OMP_NUM_THREADS") == str(machine.n_cores())
    assert os.environ.pop("OMP_WAIT_POLICY") == "PASSIVE"
    assert os.environ.pop("GOMP_SPINCOUNT") == "10000"


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
    assert str(CpuShare(0.9, 3.0, 2)) == "this machine was busy: garabato got 0.9 of 2 cores"
    assert str(CpuShare(0.4, 1.0, 1)) == "this machine was busy: garabato got 0.4 of 1 core"


def test_a_thread_that_ends_meanwhile_hides_no_other(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(machine, "_THREADS", tmp_path)
    for thread in range(20):
        (tmp_path / str(thread)).mkdir()
        content = f"5 {thread} 7" if thread % 2 else ""
        (tmp_path / str(thread) / "schedstat").write_text(content)
    assert machine._waited_ns() == {str(thread): thread for thread in range(1, 20, 2)}
