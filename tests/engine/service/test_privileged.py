"""Privileged containers and execs: all rights inside, none outside."""

from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.inside import create, inside, sleeper

pytestmark = pytest.mark.requires_root

ADA = "blue/ada"
ALL_CAPABILITIES = "000001ffffffffff"


def capabilities(status: str) -> set[str]:
    return {line.split()[1] for line in status.splitlines() if line.startswith(("CapPrm", "CapEff", "CapBnd"))}


def cgroups(engine: EngineDaemon, container_id: str) -> list[Path]:
    """Its cgroup in each hierarchy."""
    own = f"atelier-{engine.instance}/c-{container_id}"
    return [path for root in ("", "*/") for path in Path("/sys/fs/cgroup").glob(f"{root}{own}")]


def test_it_is_for_administrators_only(engine: EngineDaemon) -> None:
    answer = create(engine, tenant=ADA, Privileged=True)
    assert (answer.status, "only administrators" in answer.message) == (403, True)
    container_id = sleeper(engine, tenant=ADA)
    body = {"Cmd": ["id"], "Privileged": True}
    assert engine.request("POST", f"/containers/{container_id}/exec", body, tenant=ADA).status == 403
    assert engine.request("POST", f"/containers/{container_id}/exec", body, tenant="blue").status == 403


def test_it_says_what_it_does_not_give(engine: EngineDaemon) -> None:
    answer = create(engine, Privileged=True)
    assert ["its devices" in warning for warning in answer.document["Warnings"]] == [True]
    assert engine.inspect(answer.document["Id"])["HostConfig"]["Privileged"] is True


def test_it_has_all_capabilities_of_its_own_user_namespace(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, Privileged=True)
    pid = engine.inspect(container_id)["State"]["Pid"]
    assert capabilities(Path(f"/proc/{pid}/status").read_text()) == {ALL_CAPABILITIES}
    assert "Seccomp:\t0" in Path(f"/proc/{pid}/status").read_text()
    assert Path(f"/proc/{pid}/uid_map").read_text().split()[1] != "0"
    done = inside(engine, container_id, "mkdir /a; mount -t tmpfs t /a && unshare -m true && hostname other && hostname")
    assert done == "other"


def test_nothing_of_the_kernel_is_masked(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, Privileged=True)
    mounts = inside(engine, container_id, "cat /proc/mounts")
    assert not [line for line in mounts.splitlines() if line.split()[1].startswith("/proc/")]
    assert next(line for line in mounts.splitlines() if line.split()[1] == "/sys").split()[3].startswith("rw")


@pytest.mark.parametrize(
    "attack",
    [
        "echo 1 >/proc/sys/kernel/panic",
        "echo '|/tmp/x' >/proc/sys/kernel/core_pattern",
        "echo b >/proc/sysrq-trigger",
        "head -c 1 /proc/kcore",
        "echo mem >/sys/power/state",
        "mkdir /m; mount -t debugfs d /m",
        "mknod /d b 7 0 && head -c 1 /d",
        "mkdir /c; mount -t cgroup -o memory c /c; echo 99999999999 >/c/memory.limit_in_bytes",
        "date -s 2001-01-01; date | grep 2001",
        "insmod /bin/busybox",
        "swapon /etc/passwd",
        "for f in /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent; do echo /x >$f && exit 0; done; false",
    ],
)
def test_root_in_it_still_cannot(engine: EngineDaemon, attack: str) -> None:
    container_id = sleeper(engine, Privileged=True)
    assert inside(engine, container_id, f"({attack}) >/dev/null 2>&1 && echo done || echo refused") == "refused"


def test_its_limits_stay_the_hosts(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, Privileged=True, PidsLimit=50, Memory=2**26)
    names = "-name pids.max -o -name memory.limit_in_bytes -o -name memory.max"
    inside(engine, container_id, f"for f in $(find /sys/fs/cgroup {names}); do echo 99999999999 >$f; done")
    limits = {(path / "pids.max").read_text().strip() for path in cgroups(engine, container_id) if (path / "pids.max").exists()}
    assert limits == {"50"}


def test_a_privileged_exec_has_more_than_its_container(engine: EngineDaemon) -> None:
    container_id = sleeper(engine)
    assert capabilities(inside(engine, container_id, "cat /proc/self/status")) == {"00000000a80425fb"}
    status = inside(engine, container_id, "cat /proc/self/status", Privileged=True)
    assert capabilities(status) == {ALL_CAPABILITIES}
    assert "Seccomp:\t0" in status
    exec_id = engine.request("POST", f"/containers/{container_id}/exec", {"Cmd": ["id"], "Privileged": True}).document["Id"]
    assert engine.request("GET", f"/exec/{exec_id}/json").document["ProcessConfig"]["privileged"] is True


def test_an_exec_in_a_privileged_container_has_its_rights(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, Privileged=True)
    assert capabilities(inside(engine, container_id, "cat /proc/self/status")) == {ALL_CAPABILITIES}


def test_cgroups_that_it_makes_go_with_it(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, Privileged=True)
    tree = next(path for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if Path(path, "cgroup.procs").exists())
    script = f"cd {tree} && mkdir -p a/b && sh -c 'echo $$ >a/b/cgroup.procs; exec sleep 800' & sleep 0.3; echo made"
    assert inside(engine, container_id, script).endswith("made")
    own = [path for path in cgroups(engine, container_id) if (path / "a").is_dir()]
    assert len(own) == 1
    assert (own[0] / "a/b/cgroup.procs").read_text() != ""
    assert engine.request("DELETE", f"/containers/{container_id}?force=1").status == 204
    wait_until(lambda: not own[0].exists(), "the cgroups to be removed")


def test_cgroups_that_it_makes_are_bounded(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, Privileged=True)
    tree = next(path for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if Path(path, "cgroup.procs").exists())
    script = f"cd {tree}; i=0; while mkdir n$i 2>/dev/null && [ $i -lt 3000 ]; do i=$((i+1)); done; echo $i"
    assert int(inside(engine, container_id, script)) <= 500
