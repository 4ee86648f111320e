"""The embedded Spark's heap depends on the memory available to this process; its workers have allocator settings."""

import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bootstrap.memory import heap, local_master, machine_memory

GIB = 1024**3


@pytest.mark.parametrize(
    ("memory", "cores", "given"), [(2, 8, 1), (4, 2, 1.5), (8, 2, 2), (8, 8, 3), (24, 8, 6), (64, 8, 8), (64, 32, 8)]
)
def test_the_heap_is_a_quarter_of_the_memory_or_what_its_slots_need(
    memory: int, cores: int, given: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert heap(memory * GIB) == given * GIB


@pytest.mark.parametrize(
    ("memory", "cores", "master"),
    [
        (1, 8, "local[1]"),
        (4, 2, "local[*]"),
        (4, 8, "local[2]"),
        (8, 8, "local[5]"),
        (24, 2, "local[*]"),
        (24, 8, "local[*]"),
    ],
)
def test_no_more_photos_are_decoded_at_once_than_fit(
    memory: int, cores: int, master: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert local_master(memory * GIB) == master


def test_a_control_group_of_either_version_limits_the_memory(tmp_path: Path) -> None:
    machine = machine_memory(tmp_path)  # no control groups here
    assert machine > GIB

    def limit(groups: str, **files: object) -> int:
        (tmp_path / "proc/self").mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for name, value in files.items():
            file = tmp_path / "sys/fs/cgroup" / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_name({"max": "memory.max", "limit": "memory.limit_in_bytes"}[file.name]).write_text(f"{value}\n")
        return machine_memory(tmp_path)

    assert limit("0::/\n", max="max") == machine
    assert limit("0::/user/me\n", user__max=GIB, user__me__max="max") == GIB
    assert limit("0::/somewhere/on/the/host\n", max=GIB // 2) == GIB // 2, "as seen in a container"
    one = "5:cpu,cpuacct:/\n4:memory:/user\n1:name=systemd:/\n"
    assert limit(one, memory__limit=2**63 - 4096) == machine
    assert limit(one, memory__user__limit=GIB // 4) == GIB // 4


def test_python_workers_have_their_allocator_settings(spark: SparkSession) -> None:
    found = spark.sparkContext.parallelize([0], 1).map(lambda _: dict(os.environ)).first()
    assert found.items() >= {"ARROW_DEFAULT_MEMORY_POOL": "system", "PILLOW_BLOCKS_MAX": "4"}.items()
