"""What a tenant may not ask for, by the docker command through the tenant's own socket: refused with a sentence that says why.

One table, with what the command prints; that the same is had by administrators, where there is any way, is shown elsewhere.
"""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.engine.daemon import EngineDaemon, running_engine

pytestmark = pytest.mark.requires_root

ADA = "blue/ada"
_ONLY = "only administrators may use"
_ELSE = "no such container"

REFUSED = {
    "a folder of the host": ("run --rm -v /etc:/x busybox true", f"{_ONLY} binds of the host's paths"),
    "the host's root": ("run --rm -v /:/x busybox true", f"{_ONLY} binds of the host's paths"),
    "a mount of the host's": (
        "run --rm --mount type=bind,source=/etc,target=/x busybox true",
        f"{_ONLY} binds of the host's paths",
    ),
    "the folder of the socket": ("run --rm -v /var/run:/x busybox true", f"{_ONLY} binds of the host's paths"),
    "a volume on a folder": ("volume create -o type=none -o o=bind -o device=/etc", "only administrators may"),
    "a volume of a file system": ("volume create -o type=ext4 -o device=/dev/sda1", "type"),
    "a volume on a folder in run": (
        "run --rm --mount type=volume,target=/x,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/etc busybox true",
        "only administrators may",
    ),
    "privileged": ("run --rm --privileged busybox true", f"{_ONLY} privileged containers"),
    "host processes": ("run --rm --pid host busybox true", f"{_ONLY} PidMode host"),
    "host memory": ("run --rm --ipc host busybox true", f"{_ONLY} IpcMode host"),
    "host names": ("run --rm --uts host busybox true", f"{_ONLY} UTSMode host"),
    "host network": ("run --rm --network host busybox true", f"{_ONLY} NetworkMode host"),
    "host cgroups": ("run --rm --cgroupns host busybox true", f"{_ONLY} CgroupnsMode host"),
    "host users": ("run --rm --userns host busybox true", "UsernsMode"),
    "a device": ("run --rm --device /dev/kmsg busybox true", f"{_ONLY} devices of the host"),
    "a device rule": ("run --rm --device-cgroup-rule 'b *:* rwm' busybox true", f"{_ONLY} devices of the host"),
    "graphics": ("run --rm --gpus all busybox true", "gpu"),
    "a capability": ("run --rm --cap-add SYS_ADMIN busybox true", f"{_ONLY} a CapAdd beyond Docker's default set"),
    "all capabilities": ("run --rm --cap-add ALL busybox true", f"{_ONLY} a CapAdd beyond Docker's default set"),
    "no seccomp": ("run --rm --security-opt seccomp=unconfined busybox true", f"{_ONLY} seccomp=unconfined"),
    "no apparmor": ("run --rm --security-opt apparmor=unconfined busybox true", "only administrators may use"),
    "a label": ("run --rm --security-opt label=type:spc_t busybox true", "only administrators may use"),
    "no masks": ("run --rm --security-opt systempaths=unconfined busybox true", f"{_ONLY} MaskedPaths and ReadonlyPaths"),
    "a cgroup": ("run --rm --cgroup-parent /x busybox true", "CgroupParent"),
    "a kernel parameter": ("run --rm --sysctl kernel.panic=1 busybox true", "kernel.panic"),
    "another of memory": ("run --rm --sysctl vm.swappiness=1 busybox true", "vm.swappiness"),
    "table of neighbours": ("run --rm --sysctl net.ipv4.neigh.default.gc_thresh1=1 busybox true", "neigh"),
    "no oom killer": ("run --rm --oom-kill-disable -m 64m busybox true", f"{_ONLY} OomKillDisable"),
    "to be spared": ("run --rm --oom-score-adj -500 busybox true", f"{_ONLY} an OomScoreAdj below 0"),
    "processors at once": ("run --rm --cpu-rt-runtime 1000 busybox true", "realtime"),
    "processes of the host's container": ("run --rm --pid container:of-host busybox true", _ELSE),
    "memory of the host's container": ("run --rm --ipc container:of-host busybox true", _ELSE),
    "network of the host's container": ("run --rm --network container:of-host busybox true", _ELSE),
    "volumes of the host's container": ("run --rm --volumes-from of-host busybox true", _ELSE),
    "a link to the host's container": ("run --rm --link of-host:x busybox true", _ELSE),
    "an exec with all rights": ("exec --privileged own true", "only administrators may use privileged execs"),
    "a network of another driver": ("network create -d macvlan x", "driver"),
    "a network named as a device": ("network create -o com.docker.network.bridge.name=eth0 x", "is for administrators"),
    "a subnet of everybody's": ("network create --subnet 8.8.8.0/24 x", "8.8.8.0/24"),
    "the host's image": ("rmi busybox", "only they may remove it"),
}


@pytest.fixture(scope="module")
def own_engine() -> Iterator[EngineDaemon]:
    """One engine with a tenant and a container of the administrators'."""
    with running_engine() as daemon:
        daemon.import_busybox()
        daemon.create("true", name="of-host")
        daemon.run("sleep", "6000", tenant=ADA, name="own")
        yield daemon
        daemon.remove_containers()


@pytest.mark.parametrize("what", REFUSED)
def test_a_tenant_is_refused_with_a_reason(own_engine: EngineDaemon, what: str) -> None:
    line, reason = REFUSED[what]
    environment = {**os.environ, "DOCKER_HOST": f"unix://{own_engine.socket_of(ADA)}"}
    done = subprocess.run(
        ["sh", "-c", f"docker {line}"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0, done.stdout
    assert reason.lower() in done.stderr.lower()
    assert str(own_engine.root) not in done.stderr
    names = {name for one in own_engine.request("GET", "/containers/json?all=1").document for name in one["Names"]}
    assert names == {"/own", "/of-host"}
