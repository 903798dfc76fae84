"""From a lab's own shell: paths of the host, and what the host has put into the lab."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.service.docker_command import find_docker_command
from tests.engine.escapes.labs import WITH_SOCKET, Lab, labs_engine

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(not find_docker_command().path, reason="no static docker command is installed"),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs_engine() as engine:
        yield Lab(engine)


_PATHS = {
    "up from the socket": {"Binds": ["/var/run/docker.sock/../..:/x"]},
    "beside the socket": {"Binds": ["/var/run/docker.sock.bak:/x"]},
    "the engine's own folder": {"Binds": ["/dev/atelier:/x"]},
    "the command": {"Binds": ["/usr/local/bin/docker:/x"]},
    "processes": {"Binds": ["/proc/1/root:/x"]},
    "shared": {"Mounts": [{"Type": "bind", "Source": "/etc", "Target": "/x", "BindOptions": {"Propagation": "rshared"}}]},
    "shared socket": {
        "Mounts": [
            {"Type": "bind", "Source": "/var/run/docker.sock/..", "Target": "/x", "BindOptions": {"Propagation": "rshared"}}
        ]
    },
    "a pipe of Windows": {"Mounts": [{"Type": "npipe", "Source": "/etc", "Target": "/x"}]},
    "an image": {"Mounts": [{"Type": "image", "Source": "/etc", "Target": "/x"}]},
    "options of a volume": {
        "Mounts": [
            {
                "Type": "volume",
                "Target": "/x",
                "VolumeOptions": {"DriverConfig": {"Options": {"type": "none", "o": "bind", "device": "/etc"}}},
            }
        ]
    },
    "an overlay as a volume": {
        "Mounts": [
            {
                "Type": "volume",
                "Target": "/x",
                "VolumeOptions": {"DriverConfig": {"Options": {"type": "overlay", "o": "lowerdir=/etc", "device": "x"}}},
            }
        ]
    },
    "a part above a volume": {
        "Mounts": [{"Type": "volume", "Source": "data", "Target": "/x", "VolumeOptions": {"Subpath": "../../.."}}]
    },
    "a volume named as a path": {"Binds": ["../../etc:/x"]},
    "a driver of volumes": {"VolumeDriver": "nfs", "Binds": ["data:/x"]},
    "a log on the host": {"LogConfig": {"Type": "json-file", "Config": {"path": "/etc/cron.d/x"}}},
    "a log elsewhere": {"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "unixgram:///dev/log"}}},
    "a file for the id": {"ContainerIDFile": "/etc/cron.d/x", "Privileged": True},
    "a runtime": {"Runtime": "/bin/sh"},
    "a cgroup": {"CgroupParent": "/"},
    "writable cgroups of the host": {"SecurityOpt": ["writable-cgroups=true"], "CgroupnsMode": "host"},
    "own options of storage": {"StorageOpt": {"overlay2.override_kernel_check": "1", "lowerdir": "/etc"}},
}


@pytest.mark.parametrize("what", _PATHS)
def test_no_way_of_asking_mounts_the_host(lab: Lab, what: str) -> None:
    answer = lab.ask("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": _PATHS[what]})
    if answer.status == 201:
        started = lab.ask("POST", f"/containers/{answer.document['Id']}/start")
        lab.ask("DELETE", f"/containers/{answer.document['Id']}?force=1")
        assert what == "a part above a volume", what
        answer = started
    assert answer.status in (400, 403, 404), answer.body
    assert str(lab.engine.root).encode() not in answer.body


_PLACES = [
    "/dev/atelier",
    "/dev/atelier/x",
    "/dev/atelier/docker.sock/x",
    "/proc/x",
    "/proc/self/mem",
    "/sys/fs/cgroup/x",
    "/dev/null",
]


@pytest.mark.parametrize("place", _PLACES)
def test_a_place_for_the_socket_leads_to_no_file_of_the_host(lab: Lab, place: str) -> None:
    told = lab.shell(f"docker run --rm -v /var/run/docker.sock:{place} busybox true")
    assert "Error response from daemon" in told
    assert behind_the_door(lab) == ["docker.sock"]


def test_what_the_host_has_put_into_a_lab_cannot_be_written(lab: Lab) -> None:
    """By the lab, by those who inherit its mounts, by copies into it while it runs or stands still."""
    before = seen_of(Path(find_docker_command().path))
    lab.ask("POST", "/containers/create?name=still", {"Image": "busybox", "Cmd": ["true"], **WITH_SOCKET})
    write = (
        "echo evil >> /usr/local/bin/docker; chmod 0 /usr/local/bin/docker; touch /dev/atelier/x; rm -f /dev/atelier/docker.sock"
    )
    lab.shell(f"{write}; docker run --rm --volumes-from lab:rw busybox sh -c '{write}'")
    for name in ("lab", "still"):
        for folder in ("/usr/local/bin", "/dev/atelier", "/var/run"):
            for file in ("docker", "docker.sock"):
                lab.ask("PUT", f"/containers/{name}/archive?path={folder}", archive(file))
    assert seen_of(Path(find_docker_command().path)) == before
    assert behind_the_door(lab) == ["docker.sock"]
    assert lab.shell("docker ps --format '{{.Names}}'") == "lab\n"


@pytest.mark.parametrize("name", ["x", "../../../../../../tmp/escaped", "/escaped", "link/escaped"])
def test_archives_into_a_volume_stay_in_it(lab: Lab, name: str) -> None:
    assert lab.ask("POST", "/volumes/create", {"Name": "filled"}).status == 201
    lab.ask("PUT", "/volumes/filled/archive", archive(name, link="/tmp"))
    assert not os.path.lexists("/tmp/escaped")
    assert not os.path.lexists("/escaped")


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM busybox\nCOPY ../../../../etc/shadow /x\n",
        "FROM busybox\nCOPY /etc/shadow /x\n",
        "FROM busybox\nCOPY out/etc/shadow /x\n",
        "FROM busybox\nADD file:///etc/shadow /x\n",
        "FROM busybox\nRUN --mount=type=bind,source=/etc,target=/x cat /x/shadow\n",
        "FROM busybox\nRUN --mount=type=secret,id=/etc/shadow cat /run/secrets/*\n",
        "FROM busybox\nRUN --mount=type=cache,source=../../../..,target=/x cat /x/etc/shadow\n",
        "FROM busybox\nCOPY --from=/ etc/shadow /x\n",
        "FROM busybox\nRUN --network=host true\n",
        "FROM busybox\nRUN --security=insecure true\n",
    ],
)
def test_no_build_reads_the_host(lab: Lab, dockerfile: str) -> None:
    answer = lab.ask("POST", "/build?q=1", context(dockerfile), {"Content-Type": "application/x-tar"})
    assert answer.status == 400 or b"errorDetail" in answer.body, answer.body
    assert b"root:" not in answer.body


_SPOILT = {
    "a command that is a link to a device": "RUN mkdir -p /usr/local/bin && ln -s /dev/null /usr/local/bin/docker",
    "a command that is a link upwards": "RUN mkdir -p /usr/local/bin && ln -s ../../../../../../etc/passwd /usr/local/bin/docker",
    "a command that is a folder": "RUN mkdir -p /usr/local/bin/docker",
    "a folder that is a link to processes": "RUN rm -rf /usr/local && ln -s /proc/1/root /usr/local",
    "a socket that is a folder": "RUN mkdir -p /var/run/docker.sock",
    "a socket that is a loop": "RUN mkdir -p /var/run && ln -s docker.sock /var/run/docker.sock",
    "a socket that is a link to the kernel": "RUN mkdir -p /var/run && ln -s /proc/sysrq-trigger /var/run/docker.sock",
    "devices that are a link": "RUN rm -rf /dev 2>/dev/null; ln -sfn /etc /dev || true",
}


@pytest.mark.parametrize("what", _SPOILT)
def test_an_image_that_means_ill_has_the_host_write_nowhere(lab: Lab, what: str) -> None:
    """It starts with the socket in its place, or it does not start; nothing of the host changes."""
    before = seen_of(Path("/etc/passwd"))
    built = lab.ask(
        "POST", "/build?t=spoilt&q=1", context(f"FROM busybox\n{_SPOILT[what]}\n"), {"Content-Type": "application/x-tar"}
    )
    assert built.status == 200, built.body
    body: dict[str, Any] = {"Image": "spoilt", "Cmd": ["sleep", "600"], **WITH_SOCKET}
    created = lab.ask("POST", "/containers/create?name=spoilt", body)
    if created.status == 201:
        if lab.ask("POST", "/containers/spoilt/start").status == 204:
            assert "docker.sock" in lab.shell("ls /dev/atelier/", "spoilt")
        assert lab.ask("DELETE", "/containers/spoilt?force=1").status == 204
    assert seen_of(Path("/etc/passwd")) == before
    assert behind_the_door(lab) == ["docker.sock"]


def behind_the_door(lab: Lab) -> list[str]:
    """What is in the folder of the host that a lab has the socket of."""
    return [path.name for path in (lab.engine.run_path / "tenants/.doors/blue/ada").iterdir()]


def seen_of(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_mode


def archive(name: str, *, link: str = "") -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        if link:
            to = tarfile.TarInfo("link")
            to.type, to.linkname = tarfile.SYMTYPE, link
            tar.addfile(to)
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    return output.getvalue()


def context(dockerfile: str) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        out = tarfile.TarInfo("out")
        out.type, out.linkname = tarfile.SYMTYPE, "/"
        tar.addfile(out)
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        tar.addfile(member, io.BytesIO(dockerfile.encode()))
    return output.getvalue()
