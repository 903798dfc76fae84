"""Each step of a launch made to fail in turn: nothing of it may be left behind, and the message names the step."""

from pathlib import Path

import pytest

from engine.runtime.steps import CHILD_STEPS, CREATE_STEPS, STEPS
from tests.engine.runtime.launch_bench import Bench

pytestmark = pytest.mark.requires_root

EXEC_STEPS = ["join", "streams", "clone", "session", "user", "directory", "rlimits", "capabilities", "seccomp", "exec"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
@pytest.mark.parametrize("step", STEPS)
def test_a_container_that_fails_at_a_step_leaves_nothing(bench: Bench, step: str, tty: bool) -> None:
    spec = bench.shell("echo never", tty=tty)
    spec["binds"] = [{"source": str(bench.rootfs), "target": "/bound", "readonly": True, "idmapped": True}]
    outcome = bench.run(spec, fail_step=step)
    assert (outcome["error"]["step"], outcome["error"]["exit_code"]) == (step, None)
    assert step in outcome["error"]["message"]
    assert "never" not in outcome.get("stdout", "") + outcome.get("terminal", "")
    assert outcome["left"] == {}
    assert not any(Path(directory).exists() for directory in spec["cgroup"]["directories"])


@pytest.mark.parametrize("step", EXEC_STEPS)
def test_an_exec_that_fails_at_a_step_leaves_nothing(bench: Bench, step: str) -> None:
    (outcome,) = bench.run_execs([["echo", "never"]], fail_step=step)
    assert outcome["error"]["step"] == step
    assert outcome.get("stdout", "") == ""


def test_steps_of_both_sides_have_different_names() -> None:
    assert not set(CREATE_STEPS) & set(CHILD_STEPS)


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"rootfs": {"lower": ["/no/such/layer"], "upper": "/tmp/u", "work": "/tmp/w", "readonly": False}}, "rootfs"),
        ({"binds": [{"source": "/no/such/file", "target": "/x", "readonly": False, "idmapped": False}]}, "binds"),
        ({"cgroup": {"version": 1, "directories": [], "writes": [], "join": ["/sys/fs/cgroup/none/x"]}}, "cgroups"),
        ({"sysctls": {"kernel.hostname_of_nobody": "1"}}, "sysctls"),
        ({"shm_bytes": -5}, "filesystems"),
        ({"hostname": "x" * 100}, "network"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_specification_that_cannot_be_met_fails_at_its_step(bench: Bench, change: dict[str, object], step: str) -> None:
    spec = bench.shell("true") | change
    outcome = bench.run(spec)  # type: ignore[arg-type]  # the table names the keys
    assert outcome["error"]["step"] == step
    assert outcome["left"] == {}


def test_a_cgroup_value_that_is_refused_takes_the_directories_away_again(bench: Bench) -> None:
    spec = bench.shell("true")
    directory = spec["cgroup"]["directories"][0]
    spec["cgroup"]["writes"] = [{"path": f"{directory}/cgroup.procs", "value": "no number", "optional": False}]
    outcome = bench.run(spec)
    assert outcome["error"]["step"] == "cgroups"
    assert "no number" in outcome["error"]["message"]
    assert not any(Path(path).exists() for path in spec["cgroup"]["directories"])
