"""Whether a crash in a container can start a program of the host's."""

from pathlib import Path

import pytest

from engine.runtime.core_dumps import limit_for
from tests.engine.runtime.launch_bench import Bench


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        (b"core\n", None),
        (b"/tmp/core.%p\n", None),
        (b"|/usr/lib/systemd/systemd-coredump %P %u\n", 1),
        (b"|/usr/share/apport/apport\n", 1),
        (b"", None),
    ],
)
def test_core_dumps_that_go_to_a_program_of_the_host_are_stopped(pattern: bytes, limit: int | None) -> None:
    assert limit_for(pattern) == limit


@pytest.mark.requires_root
def test_a_container_has_the_limit_that_its_host_asks_for(tmp_path: Path) -> None:
    limit = limit_for(Path("/proc/sys/kernel/core_pattern").read_bytes())
    bench = Bench(tmp_path)
    spec = bench.shell("grep 'core file' /proc/self/limits")
    spec["process"]["rlimits"] = [{"name": "core", "soft": -1, "hard": -1}]
    shown = str(bench.run(spec)["stdout"]).split()
    assert shown[4] == ("unlimited" if limit is None else str(limit))
