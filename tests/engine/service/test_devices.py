"""Devices of the host in containers: given by administrators one by one, closed to everybody else."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.inside import create, inside, sleeper

pytestmark = pytest.mark.requires_root

ADA = "blue/ada"
FUSE = Path("/dev/fuse")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[str]:
    """A second kmsg-like harmless device: another node of /dev/zero that is not among a container's own by its path."""
    path = tmp_path / "zero"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    yield str(path)
    path.unlink()


def device(source: str, target: str = "", access: str = "rwm") -> dict[str, str]:
    return {"PathOnHost": source, "PathInContainer": target or source, "CgroupPermissions": access}


def test_a_device_can_be_opened_by_the_containers_root(engine: EngineDaemon, node: str) -> None:
    container_id = sleeper(engine, Devices=[device(node, "/dev/own/zero")])
    assert inside(engine, container_id, "head -c 3 /dev/own/zero | wc -c; stat -c '%u %g %a %F' /dev/own/zero").split() == [
        *("3", "0", "0", "600", "character", "special", "file")
    ]
    shown = engine.inspect(container_id)["HostConfig"]["Devices"]
    assert shown == [device(node, "/dev/own/zero")]
    mounts = [line.split() for line in inside(engine, container_id, "cat /proc/mounts").splitlines()]
    options = {fields[1]: fields[3].split(",") for fields in mounts}
    assert "nodev" not in options["/dev/own/zero"]
    assert "nosuid" in options["/dev/own/zero"]
    assert not [target for target in options if ".devices" in target], "the place where nodes were made is gone"


@pytest.mark.skipif(not FUSE.exists(), reason="needs /dev/fuse")
def test_a_device_that_others_may_not_open(engine: EngineDaemon) -> None:
    script = "(: </dev/fuse) && echo opened"
    assert inside(engine, sleeper(engine, Devices=[device("/dev/fuse")]), script) == "opened"
    assert "opened" not in inside(engine, sleeper(engine, Devices=[device("/dev/fuse", access="m")]), script + " || true").split()
    without = sleeper(engine, CapAdd=["ALL"])
    assert "opened" not in inside(engine, without, f"mknod /dev/fuse c 10 229; {script} || true").split()


@pytest.mark.skipif(not FUSE.exists(), reason="needs /dev/fuse")
@pytest.mark.parametrize(("access", "works"), [("r", "read"), ("w", "write"), ("rw", "read write")])
def test_access_is_what_was_given(engine: EngineDaemon, access: str, works: str) -> None:
    container_id = sleeper(engine, Devices=[device("/dev/fuse", access=access)])
    script = "(: </dev/fuse) 2>/dev/null && echo read; (: >/dev/fuse) 2>/dev/null && echo write"
    assert inside(engine, container_id, script).split() == works.split()


def test_a_folder_stands_for_all_devices_in_it(engine: EngineDaemon, node: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    os.mknod(tmp_path / "deep/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (tmp_path / "note").write_text("no device")
    (tmp_path / "link").symlink_to("/dev/kmsg")
    container_id = sleeper(engine, Devices=[device(str(tmp_path), "/dev/many")])
    assert inside(engine, container_id, "cd /dev/many; find . -type c | sort").split() == ["./deep/null", "./zero"]
    assert inside(engine, container_id, "ls /dev/many").split() == ["deep", "zero"]


def test_a_rule_alone_gives_no_node_but_lets_one_be_opened(engine: EngineDaemon) -> None:
    answer = create(engine, DeviceCgroupRules=["c 1:* r", "b 7:3 rwm"])
    assert engine.inspect(answer.document["Id"])["HostConfig"]["DeviceCgroupRules"] == ["c 1:* r", "b 7:3 rwm"]
    assert engine.request("POST", f"/containers/{answer.document['Id']}/start").status == 204


@pytest.mark.parametrize("rule", ["", "c", "c 1:3", "d 1:3 r", "c 1:3 x", "c -1:3 r", "c 1:3 rwm\nc *:* rwm", "c 99999999:1 r"])
def test_a_rule_that_cannot_be_read_is_refused(engine: EngineDaemon, rule: str) -> None:
    assert create(engine, DeviceCgroupRules=[rule]).status == 400


@pytest.mark.parametrize(
    "wanted",
    [
        device("/dev/nosuch"),
        device("/etc/passwd"),
        device("dev/null"),
        device("/dev/../etc/passwd"),
        device("/dev/null", access="x"),
        device("/dev/null", access="rr"),
        device("/dev/null", "relative"),
    ],
    ids=str,
)
def test_what_is_no_device_is_refused_when_it_is_asked_for(engine: EngineDaemon, wanted: dict[str, str]) -> None:
    answer = create(engine, Devices=[wanted])
    assert (answer.status, "device" in answer.message) == (400, True), answer.body


def test_a_device_cannot_lie_over_proc(engine: EngineDaemon) -> None:
    answer = create(engine, Devices=[device("/dev/null", "/proc/version")])
    started = engine.request("POST", f"/containers/{answer.document['Id']}/start")
    assert (started.status >= 400, "cannot mount over" in started.message) == (True, True)


def test_a_device_that_went_away_stops_the_start(engine: EngineDaemon, tmp_path: Path) -> None:
    path = tmp_path / "gone"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    container_id = create(engine, Devices=[device(str(path))]).document["Id"]
    path.unlink()
    answer = engine.request("POST", f"/containers/{container_id}/start")
    assert (answer.status, "no such file" in answer.message) == (400, True)


def test_tenants_get_none_and_learn_nothing(engine: EngineDaemon) -> None:
    for wanted in (device("/dev/null"), device("/dev/nosuch"), device("/root")):
        answer = create(engine, tenant=ADA, Devices=[wanted])
        assert (answer.status, answer.message) == (403, "only administrators may use devices of the host: leave it out")
    assert create(engine, tenant=ADA, DeviceCgroupRules=["c 1:3 r"]).status == 403


def test_requests_for_graphics_processors_are_refused(engine: EngineDaemon) -> None:
    answer = create(engine, DeviceRequests=[{"Count": -1, "Capabilities": [["gpu"]]}])
    assert (answer.status, "could not select device driver" in answer.message) == (400, True)


def test_the_command_line_client(engine: EngineDaemon) -> None:
    done = engine.cli(
        "run", "--rm", "--device", "/dev/null:/dev/nothing:rw", "busybox", "sh", "-c", "echo a >/dev/nothing; echo $?"
    )
    assert (done.returncode, done.stdout) == (0, b"0\n"), done.stderr
