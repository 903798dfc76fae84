"""Requests of a tenant who wants more than is theirs, or wants to harm the engine."""

import json
from urllib.parse import urlencode

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root

ADA, BOB = "blue/ada", "red/bob"


@pytest.mark.parametrize(
    "fields",
    [
        {"Privileged": True},
        {"Binds": ["/:/host"]},
        {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]},
        {"VolumesFrom": ["neighbour"]},
        {"Devices": [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]},
        {"DeviceCgroupRules": ["a *:* rwm"]},
        {"DeviceRequests": [{"Count": -1}]},
        {"CapAdd": ["ALL"]},
        {"CapAdd": ["SYS_ADMIN"]},
        {"CapAdd": ["cap_net_admin"]},
        {"CapAdd": ["CHOWN", "SYS_PTRACE"]},
        {"SecurityOpt": ["seccomp=unconfined"]},
        {"SecurityOpt": ["apparmor=unconfined"]},
        {"SecurityOpt": ["systempaths=unconfined"]},
        {"MaskedPaths": []},
        {"ReadonlyPaths": []},
        {"PidMode": "host"},
        {"PidMode": "container:neighbour"},
        {"IpcMode": "host"},
        {"IpcMode": "container:neighbour"},
        {"UTSMode": "host"},
        {"UsernsMode": "host"},
        {"CgroupnsMode": "host"},
        {"NetworkMode": "host"},
        {"NetworkMode": "container:neighbour"},
        {"CgroupParent": "/"},
        {"Sysctls": {"kernel.core_pattern": "|/tmp/x"}},
        {"Sysctls": {"net.ipv4/../../kernel/core_pattern": "x"}},
        {"OomScoreAdj": -1000},
        {"OomKillDisable": True},
        {"Runtime": "mine"},
        {"StorageOpt": {"dm.basesize": "1T"}},
        {"ExtraHosts": ["a:10.0.0.1\n10.0.0.2 b"]},
    ],
    ids=lambda fields: json.dumps(fields)[:40],
)
def test_what_would_open_a_container_is_refused_to_a_tenant(engine: EngineDaemon, fields: dict[str, object]) -> None:
    engine.create("true", tenant=BOB, name="neighbour")
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": fields}
    assert engine.request("POST", "/containers/create", body, tenant=ADA).status in (400, 403, 404)
    assert engine.request("GET", "/containers/json?all=1", tenant=ADA).document == []


def test_a_tenant_may_name_capabilities_of_the_default_set_and_drop_them(engine: EngineDaemon) -> None:
    fields = {"CapDrop": ["ALL"], "CapAdd": ["CHOWN", "CAP_KILL"]}
    container_id = engine.run("grep", "CapEff", "/proc/self/status", tenant=ADA, HostConfig=fields)
    engine.wait(container_id)
    assert engine.output(container_id).split() == [b"CapEff:", b"0000000000000021"]


@pytest.mark.parametrize(
    "fields",
    [
        {"Cmd": ["a\0b"]},
        {"Cmd": ["true"], "User": "\0"},
        {"Cmd": ["true"], "HostConfig": {"PidsLimit": 2**63}},
        {"Cmd": ["true"], "HostConfig": {"Memory": 2**63}},
        {"Cmd": ["true"], "HostConfig": {"ShmSize": 2**64 - 1}},
        {"Cmd": ["true"], "HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 2**70, "Hard": 2**70}]}},
    ],
    ids=lambda fields: json.dumps(fields)[:60],
)
def test_a_number_that_the_kernel_cannot_hold_is_a_wrong_request(engine: EngineDaemon, fields: dict[str, object]) -> None:
    assert engine.request("POST", "/containers/create", {"Image": "busybox", **fields}, tenant=ADA).status == 400


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"ShmSize": -1}, "-1"),
        ({"ShmSize": 2**62}, str(2**62)),
        ({"Ulimits": [{"Name": "beds", "Soft": 1, "Hard": 1}]}, "'beds'"),
        ({"Ulimits": [{"Name": "nofile", "Soft": 2000, "Hard": 1000}]}, "2000"),
        ({"Ulimits": [{"Name": "nofile", "Soft": -1, "Hard": 1000}]}, "unlimited"),
        ({"Ulimits": [{"Name": "nofile", "Soft": -2, "Hard": 1000}]}, "-2"),
        ({"CpusetCpus": "4000"}, "'4000'"),
        ({"CpusetCpus": "0-99999,0-99999"}, "'0-99999,0-99999'"),
        ({"CpusetCpus": "\u0663"}, "'\u0663'"),
        ({"CpusetMems": "63"}, "'63'"),
        ({"CpusetMems": "0-"}, "'0-'"),
        ({"CpuShares": -5}, "-5"),
        ({"CpuQuota": 2**60}, str(2**60)),
        ({"MemoryReservation": -5}, "-5"),
        ({"PidsLimit": 2**40}, str(2**40)),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_could_only_fail_at_the_start_is_refused_when_it_is_asked_for(
    engine: EngineDaemon, fields: dict[str, object], value: str
) -> None:
    answer = engine.request("POST", "/containers/create", {"Image": "busybox", "HostConfig": fields}, tenant=ADA)
    assert (answer.status, value in answer.message) == (400, True), answer.message
    assert "/sys/" not in answer.message
    assert engine.request("GET", "/containers/json?all=1", tenant=ADA).document == []


@pytest.mark.parametrize(
    "header",
    [
        b"Atelier-Tenant:\r\n",
        b"Atelier-Tenant:  \r\n",
        b"Atelier-Tenant:\r\nAtelier-Tenant: red/bob\r\n",
        b"Atelier-Tenant: red/bob\r\nAtelier-Tenant: blue/ada\r\n",
        b"Atelier-Tenant: red/bob\r\natelier-tenant:\r\n",
        b"Atelier-Tenant: red/bob, blue/ada\r\n",
        "Atelier-Tenant: red/b\u00f6b\r\n".encode(),
        b"Atelier-Tenant: red/bob\r\n blue/ada\r\n",
        b"Atelier-Tenant : red/bob\r\n",
        b"X: y\nAtelier-Tenant: red/bob\r\n",
    ],
)
def test_a_doubtful_tenant_header_is_refused(engine: EngineDaemon, header: bytes) -> None:
    with RawClient(engine) as client:
        client.socket.sendall(b"GET /containers/json HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n" + header + b"\r\n")
        assert client.head().split()[1] == b"400"


def test_the_case_of_the_tenant_header_does_not_matter(engine: EngineDaemon) -> None:
    engine.create("true", tenant=ADA)
    assert engine.request("GET", "/containers/json?all=1", headers={"aTELIER-tENANT": BOB}).document == []


def test_filters_tell_nothing_of_other_tenants(engine: EngineDaemon) -> None:
    container_id = engine.create("true", tenant=ADA, name="secret")
    engine.import_busybox("private:1", tenant=ADA)

    def listed(path: str, **filters: list[str]) -> tuple[int, object]:
        answer = engine.request("GET", f"{path}?{urlencode({'all': 1, 'filters': json.dumps(filters)})}", tenant=BOB)
        return answer.status, answer.document if answer.status == 200 else answer.message

    for filters in ({"id": [container_id]}, {"name": ["secret"]}, {"ancestor": ["private:1"]}, {"ancestor": ["busybox"]}):
        assert listed("/containers/json", **filters) == (200, [])
    for name in (container_id, "secret", container_id[:12]):
        assert listed("/containers/json", since=[name]) == (404, f"no such container: {name}")
    assert listed("/images/json", reference=["private*"]) == (200, [])
    assert listed("/images/json", before=["private:1"])[0] == 404
    assert engine.request("DELETE", "/images/private:1", tenant=ADA).status == 200


def test_events_of_other_tenants_are_not_told(engine: EngineDaemon) -> None:
    container_id = engine.create("true", tenant=ADA)
    query = urlencode({"since": "1", "until": "0s", "filters": json.dumps({"container": [container_id]})})
    assert engine.request("GET", f"/events?{query}", tenant=BOB).body == b""
    assert container_id.encode() in engine.request("GET", f"/events?{query}", tenant=ADA).body


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "a*a*a*a*b", "(a|a)" * 30, "(?x)(a+) +$", "a?" * 30])
def test_a_pattern_that_would_stall_the_engine_is_refused(engine: EngineDaemon, pattern: str) -> None:
    engine.create("true", tenant=ADA, name="a" * 100)
    query = urlencode({"all": 1, "filters": json.dumps({"name": [pattern]})})
    answer = engine.request("GET", f"/containers/json?{query}", tenant=ADA)
    assert (answer.status, "may take too long" in answer.message) == (400, True)
