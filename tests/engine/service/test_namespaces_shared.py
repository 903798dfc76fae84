"""Containers that share namespaces with each other or the host, and those that must not."""

import os
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.inside import create, inside, sleeper

pytestmark = pytest.mark.requires_root

ADA, BOB, TEAM = "blue/ada", "red/bob", "blue"


def namespace(engine: EngineDaemon, container_id: str, name: str) -> str:
    return os.readlink(f"/proc/{engine.inspect(container_id)['State']['Pid']}/ns/{name}")  # noqa: PTH115 - the text is no path


@pytest.mark.parametrize("tenant", ["", ADA])
def test_a_container_sees_and_ends_processes_of_the_one_it_joins(engine: EngineDaemon, tenant: str) -> None:
    first = sleeper(engine, tenant=tenant, name="first")
    second = sleeper(engine, tenant=tenant, PidMode="container:first")
    assert engine.inspect(second)["HostConfig"]["PidMode"] == f"container:{first}"
    assert namespace(engine, first, "pid") == namespace(engine, second, "pid")
    assert namespace(engine, first, "mnt") != namespace(engine, second, "mnt")
    listed = inside(engine, second, "ps -o pid,args", tenant=tenant)
    assert listed.count("sleep 600") == 2
    assert "engine" not in listed, "no process of the host is told"
    assert inside(engine, second, "cat /proc/1/root/etc/hostname", tenant=tenant) == first[:12]
    inside(engine, second, "kill -TERM 1; kill -KILL 1", tenant=tenant)  # PID 1 takes neither from within
    engine.request("POST", f"/containers/{first}/kill", tenant=tenant)
    assert (engine.wait(first), engine.wait(second)) == (137, 137)


def test_what_joins_may_end_before_the_one_it_joined(engine: EngineDaemon) -> None:
    first = sleeper(engine)
    second = engine.run("sh", "-c", "sleep 700 & exit 3", HostConfig={"PidMode": f"container:{first}"})
    assert engine.wait(second) == 3
    assert "sleep 700" not in inside(engine, first, "ps -o args"), "what it left behind went with its cgroup"
    assert engine.request("DELETE", f"/containers/{second}").status == 204


def test_a_shared_memory_and_queues_are_those_of_the_other(engine: EngineDaemon) -> None:
    donor = sleeper(engine, tenant=ADA, name="donor", IpcMode="shareable", ShmSize=2**20)
    inside(engine, donor, "echo hello >/dev/shm/word; mkdir /tmp/x", tenant=ADA)
    guest = sleeper(engine, tenant=ADA, IpcMode="container:donor")
    assert namespace(engine, donor, "ipc") == namespace(engine, guest, "ipc")
    assert inside(engine, guest, "cat /dev/shm/word; touch /dev/mqueue/q; df -k /dev/shm | tail -1", tenant=ADA).split()[
        :3:2
    ] == [
        "hello",
        "1024",
    ]
    assert inside(engine, donor, "ls /dev/mqueue", tenant=ADA) == "q"
    assert inside(engine, guest, "stat -c %u /dev/shm/word", tenant=ADA) == "0"


def test_two_donors_at_once(engine: EngineDaemon) -> None:
    memory, processes = sleeper(engine, IpcMode="shareable"), sleeper(engine)
    inside(engine, memory, "echo hello >/dev/shm/word")
    guest = sleeper(engine, IpcMode=f"container:{memory}", PidMode=f"container:{processes}")
    assert namespace(engine, guest, "user") == namespace(engine, processes, "user")
    assert inside(engine, guest, "cat /dev/shm/word; ps -o args | grep -c 'sleep 60[0]'").split() == ["hello", "2"]


def test_private_memory_cannot_be_joined(engine: EngineDaemon) -> None:
    for mode in ("private", "none", ""):
        donor = sleeper(engine, IpcMode=mode)
        answer = create(engine, IpcMode=f"container:{donor}")
        assert (answer.status, "non-shareable IPC" in answer.message) == (409, True), mode


def test_without_ipc_there_is_no_shared_memory(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, IpcMode="none")
    assert inside(engine, container_id, "test -e /dev/shm || echo none") == "none"
    assert engine.inspect(container_id)["HostConfig"]["IpcMode"] == "none"


def test_a_container_that_does_not_run_can_be_named_but_not_joined(engine: EngineDaemon) -> None:
    stopped = engine.create("true")
    answer = create(engine, PidMode=f"container:{stopped}")
    assert answer.status == 201
    started = engine.request("POST", f"/containers/{answer.document['Id']}/start")
    assert (started.status, "not running" in started.message) == (409, True)
    assert create(engine, PidMode="container:nobody").status == 400  # 404 would have clients fetch the image


@pytest.mark.parametrize("field", ["PidMode", "IpcMode"])
def test_nobody_joins_a_container_of_another_tenant(engine: EngineDaemon, field: str) -> None:
    of_bob = sleeper(engine, tenant=BOB, IpcMode="shareable")
    of_ada = sleeper(engine, tenant=ADA, IpcMode="shareable")
    assert create(engine, tenant=ADA, **{field: f"container:{of_bob}"}).message == f"no such container: {of_bob}"
    assert create(engine, tenant=TEAM, **{field: f"container:{of_ada}"}).status == 403, "other ids"
    assert create(engine, tenant="", **{field: f"container:{of_ada}"}).status == 403


@pytest.mark.parametrize("field", ["PidMode", "IpcMode", "UTSMode", "CgroupnsMode", "UsernsMode"])
def test_namespaces_of_the_host_are_for_administrators(engine: EngineDaemon, field: str) -> None:
    assert create(engine, tenant=ADA, **{field: "host"}).status == 403


def test_nobody_gets_the_hosts_user_namespace(engine: EngineDaemon) -> None:
    answer = create(engine, UsernsMode="host")
    assert (answer.status, "never root of the host" in answer.message) == (400, True)


@pytest.mark.parametrize(
    ("field", "name"), [("PidMode", "pid"), ("IpcMode", "ipc"), ("UTSMode", "uts"), ("CgroupnsMode", "cgroup")]
)
def test_administrators_may_share_others_of_the_host(engine: EngineDaemon, field: str, name: str) -> None:
    container_id = sleeper(engine, **{field: "host"})
    assert engine.inspect(container_id)["HostConfig"][field] == "host"
    assert namespace(engine, container_id, name) == os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115 - the text is no path
    pid = engine.inspect(container_id)["State"]["Pid"]
    assert Path(f"/proc/{pid}/uid_map").read_text().split()[1] != "0", "its root is nobody on the host all the same"
    assert inside(engine, container_id, "id -u; ls -d /proc/1 /dev/mqueue").split() == ["0", "/dev/mqueue", "/proc/1"]
    engine.request("POST", f"/containers/{container_id}/stop?t=0")
    assert not Path(f"/proc/{pid}").exists()


def test_with_the_hosts_processes_in_sight_none_can_be_touched(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, PidMode="host", CapAdd=["ALL"])
    victim = engine.pid
    script = f"kill -9 {victim}; cat /proc/{victim}/environ; ls /proc/{victim}/root; echo 1 >/proc/sys/kernel/panic; echo $?"
    said = inside(engine, container_id, script)
    assert engine.request("GET", "/_ping").status == 200
    assert said.endswith("1")
    assert "PATH=" not in said


def test_a_host_name_and_the_hosts_name_exclude_each_other(engine: EngineDaemon) -> None:
    answer = create(engine, config={"Hostname": "mine"}, UTSMode="host")
    assert (answer.status, "conflicting options" in answer.message) == (400, True)
    assert inside(engine, sleeper(engine, UTSMode="host"), "hostname") == os.uname().nodename


def test_an_exec_is_where_its_container_is(engine: EngineDaemon) -> None:
    first = sleeper(engine, IpcMode="shareable")
    second = sleeper(engine, PidMode=f"container:{first}", IpcMode=f"container:{first}")
    script = "readlink /proc/self/ns/pid /proc/self/ns/ipc /proc/self/ns/user"
    assert inside(engine, second, script) == inside(engine, first, script)


def test_what_it_shares_survives_the_daemon(engine_daemon: EngineDaemon) -> None:
    first = sleeper(engine_daemon, name="lasting")
    second = sleeper(engine_daemon, PidMode="container:lasting")
    engine_daemon.kill()
    engine_daemon.start()
    assert inside(engine_daemon, second, "ps -o args | grep -c 'sleep 60[0]'") == "2"
    engine_daemon.request("POST", f"/containers/{first}/kill")
    assert engine_daemon.wait(second) == 137
    engine_daemon.remove_containers()
