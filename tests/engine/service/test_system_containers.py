"""Containers that run an init with several services: they start, are entered, log, reap and shut down by their signal."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from engine.runtime.control_groups import open_cgroup_of
from engine.runtime.descriptors import Descriptors
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.inside import inside, sleeper

pytestmark = pytest.mark.requires_root

ADA = "blue/ada"
INITTAB = r"""
::sysinit:/bin/sh -c 'mkdir -p /run/up; echo first'
::respawn:/bin/sh -c 'echo web up; trap "echo web down; exit" TERM; while :; do sleep 1000 & wait; done'
::respawn:/bin/sh -c 'echo db up; exec sleep 2000'
::shutdown:/bin/sh -c 'echo bye'
"""
UNIFIED = next(
    (path for path in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if (path / "cgroup.procs").exists()), None
)


def busybox_system(engine: EngineDaemon, **fields: Any) -> str:
    """BusyBox init with two services, running."""
    host = {"Tmpfs": {"/run": ""}}
    script = f"cat >/etc/inittab <<'E'\n{INITTAB}E\nexec /bin/init"
    container_id = engine.run("sh", "-c", script, tenant=ADA, HostConfig=host, **fields)
    wait_until(lambda: {b"web up", b"db up"} <= set(engine.output(container_id).split(b"\n")), "the services to be up")
    return container_id


@pytest.mark.parametrize("signal", ["SIGUSR2", "SIGUSR1", "SIGTERM"])
def test_busybox_init_shuts_down_by_its_signals(engine: EngineDaemon, signal: str) -> None:
    container_id = busybox_system(engine, StopSignal=signal)
    assert engine.request("POST", f"/containers/{container_id}/stop?t=15").status == 204
    state = engine.inspect(container_id)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0), "not killed for want of an answer"
    said = engine.output(container_id).split(b"\n")
    assert said.index(b"first") < said.index(b"web up")
    assert {b"bye", b"web down"} <= set(said)


def test_services_are_started_again_and_orphans_reaped(engine: EngineDaemon) -> None:
    container_id = busybox_system(engine)
    inside(engine, container_id, "kill $(ps -o pid,args | awk '/sleep 200[0]/{print $1}')", tenant=ADA)
    wait_until(lambda: engine.output(container_id).count(b"db up") == 2, "the service to be started again")
    inside(engine, container_id, "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; sleep 0.1", tenant=ADA)

    def zombies() -> str:
        return inside(engine, container_id, "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null", tenant=ADA)

    wait_until(lambda: zombies() == "", "orphans to be reaped")
    assert inside(engine, container_id, "test -d /run/up && cat /proc/1/comm", tenant=ADA) == "init"


def test_a_system_starts_again(engine: EngineDaemon) -> None:
    container_id = busybox_system(engine, StopSignal="SIGUSR2")
    assert engine.request("POST", f"/containers/{container_id}/restart?t=15").status == 204
    wait_until(lambda: engine.output(container_id).count(b"web up") == 2, "the services to be up again")
    assert engine.output(container_id).count(b"bye") == 1


@pytest.mark.skipif(UNIFIED is None, reason="no tree of cgroup version 2")
def test_a_delegated_cgroup_is_the_containers_own(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, tenant=ADA, SecurityOpt=["writable-cgroups=true"])
    assert engine.inspect(container_id)["HostConfig"]["SecurityOpt"] == ["writable-cgroups=true"]
    tree = f"cd {UNIFIED}"
    script = f"{tree}; mkdir init.scope && echo 1 >init.scope/cgroup.procs && cat /proc/1/cgroup | grep ^0:"
    assert inside(engine, container_id, script, tenant=ADA) == "0::/init.scope"
    denied = f"{tree}; echo 9999 >cgroup.max.descendants; echo $?; echo 1 >cgroup.freeze; echo $?; echo 1 >cgroup.kill; echo $?"
    pid, own = engine.inspect(container_id)["State"]["Pid"], _cgroup(engine, container_id)
    with Descriptors() as opened:
        fd = opened.add(open_cgroup_of(pid, opened.add(os.open(own, os.O_RDONLY))))
        assert Path(f"/proc/self/fd/{fd}").readlink() == own / "init.scope", "where an exec goes when the top takes no process"
    codes = [word for word in inside(engine, container_id, denied, tenant=ADA).split() if word.isdigit()]
    assert codes == ["1", "1", "1"], "limits and switches are the host's"
    left = f"{tree}; echo 0 >../cgroup.procs; echo $?; ls .. | grep -c atelier"
    assert inside(engine, container_id, left, tenant=ADA).split()[-2:] == ["1", "0"], "it sees no cgroup but its own"
    assert inside(engine, container_id, "id -u", tenant=ADA) == "0", "an exec still finds its place"
    assert engine.request("POST", f"/containers/{container_id}/pause").status == 204
    assert engine.request("POST", f"/containers/{container_id}/unpause").status == 204
    assert engine.request("DELETE", f"/containers/{container_id}?force=1").status == 204


@pytest.mark.skipif(UNIFIED is None, reason="no tree of cgroup version 2")
def test_without_that_cgroups_cannot_be_written(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, tenant=ADA)
    assert inside(engine, container_id, "find /sys/fs/cgroup -type d -exec mkdir {}/x ';' 2>/dev/null; echo", tenant=ADA) == ""
    assert inside(engine, container_id, "find /sys/fs/cgroup -name x", tenant=ADA) == ""


def test_an_image_whose_init_is_systemd_gets_what_that_needs(engine: EngineDaemon) -> None:
    _import(engine, "fakesystemd:1", {"usr/sbin/init": "../lib/systemd/systemd", "sbin": "usr/sbin"})
    answer = engine.request("POST", "/containers/create", {"Image": "fakesystemd:1", "Cmd": ["/sbin/init"]})
    shown = engine.inspect(answer.document["Id"])
    assert shown["Config"]["StopSignal"] == "SIGRTMIN+3"
    assert "container=atelier" in shown["Config"]["Env"]
    assert set(shown["HostConfig"]["Tmpfs"]) == {"/run", "/run/lock"}
    assert shown["HostConfig"]["SecurityOpt"] == ["writable-cgroups=true"]


@pytest.mark.parametrize(
    "links",
    [
        {"sbin/init": "../bin/busybox"},
        {"sbin": "/usr/lib/systemd"},
        {"sbin": "/sbin", "usr/sbin": "/usr/sbin"},
        {"usr/sbin": "../../../../../../sbin"},
    ],
    ids=str,
)
def test_another_init_and_links_that_lead_outside_do_not(engine: EngineDaemon, links: dict[str, str]) -> None:
    _import(engine, "plain:1", links)
    answer = engine.request("POST", "/containers/create", {"Image": "plain:1", "Cmd": ["/sbin/init"]})
    shown = engine.inspect(answer.document["Id"])
    assert (shown["Config"].get("StopSignal", "SIGTERM"), shown["HostConfig"]["Tmpfs"]) == ("SIGTERM", None)


def _cgroup(engine: EngineDaemon, container_id: str) -> Path:
    return UNIFIED / f"atelier-{engine.instance}/t-blue/m-ada/c-{container_id}" if UNIFIED else Path()


def _import(engine: EngineDaemon, reference: str, links: dict[str, str]) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    repository, _, tag = reference.partition(":")
    query = urlencode({"fromSrc": "-", "repo": repository, "tag": tag})
    answer = engine.request("POST", f"/images/create?{query}", data.getvalue())
    assert answer.status == 200, answer.body


@pytest.fixture(scope="session")
def runit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of Debian's package, taken out of it."""
    folder = tmp_path_factory.mktemp("runit")
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("needs apt")
    fetched = subprocess.run(["apt-get", "download", "runit"], cwd=folder, capture_output=True, check=False, timeout=60)
    packages = list(folder.glob("runit_*.deb"))
    if fetched.returncode or not packages:
        pytest.skip("Debian's package runit cannot be had here")
    subprocess.run(["dpkg-deb", "-x", packages[0], folder / "tree"], check=True)
    return folder / "tree"


STAGES = {
    "/etc/runit/1": "echo one",
    "/etc/runit/2": "exec runsvdir -P /etc/service",
    "/etc/runit/3": "echo three; exec sv -w5 force-stop /etc/service/*",
    **{f"/etc/service/{name}/run": 'echo up; trap "echo down; exit" TERM; while :; do sleep 1000 & wait; done' for name in "ab"},
}


def test_runit_stops_its_services_on_its_signal(engine: EngineDaemon, runit: Path) -> None:
    """runit(8): at CONT, when the file stopit may be executed, it goes to stage 3, then asks the kernel to power off.

    In a container the kernel ends its processes then, for which runit needs CAP_SYS_BOOT; without, it waits to be killed.
    """
    names = ("runit", "runsvdir", "runsv", "sv")
    programs = {path.name: path for path in sorted(runit.glob("**/*bin/*")) if path.name in names}
    libraries = {library for path in programs.values() for library in _libraries(path)}
    binds = [f"{path}:/usr/bin/{name}:ro" for name, path in programs.items()] + [f"{path}:{path}:ro" for path in libraries]
    files = [
        f"mkdir -p {Path(path).parent}; printf '#!/bin/sh\n{text}\n' >{path}; chmod 755 {path}" for path, text in STAGES.items()
    ]
    stopit = "for f in /etc/runit/stopit /run/runit.stopit; do touch $f; chmod 100 $f; done"  # Debian has moved it
    script = "\n".join([*files, stopit, "exec runit"])
    host = {"Binds": binds, "Tmpfs": {"/run": ""}, "CapAdd": ["SYS_BOOT"]}
    container_id = engine.run("sh", "-c", script, StopSignal="SIGCONT", HostConfig=host)
    wait_until(lambda: engine.output(container_id).count(b"up\n") == 2, "services", hint=lambda: str(engine.output(container_id)))
    assert inside(engine, container_id, "sv status /etc/service/a").startswith("run: /etc/service/a:")
    assert engine.request("POST", f"/containers/{container_id}/stop?t=15").status == 204
    assert engine.inspect(container_id)["State"]["ExitCode"] == 130, "as the kernel has it for a power off, not killed by us"
    said = engine.output(container_id)
    assert said.count(b"down\n") == 2
    assert said.index(b"one") < said.index(b"up") < said.index(b"three")


def _libraries(program: Path) -> list[str]:
    """What its loader needs, the loader among it."""
    lines = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split()[2 if "=>" in line else 0] for line in lines if "/" in line]
