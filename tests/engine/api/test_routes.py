"""What holds for all routes: versions, unknown and left-out ones, broken requests, images and system."""

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import EngineDaemon, frames

pytestmark = pytest.mark.requires_root


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/_ping", 200),
        ("/v1.24/_ping", 200),
        ("/v1.47/_ping", 200),
        ("/v1.23/_ping", 400),
        ("/v1.48/_ping", 400),
        ("/v1.12/images/get?names=nosuch", 404),
        ("/v1.12/images/team/nosuch/get", 404),
        ("/v1.11/images/get?names=nosuch", 400),
        ("/v1.12/images/json", 400),
        ("/v2.0/_ping", 400),
        ("/vx/_ping", 404),
        ("/nothing", 404),
        ("/v1.47/nothing", 404),
        ("/swarm", 501),
        ("/v1.47/plugins", 501),
        ("/v1.47/nodes/x", 501),
    ],
)
def test_versions_and_routes(engine: EngineDaemon, path: str, status: int) -> None:
    answer = engine.request("GET", path)
    assert answer.status == status
    if status != 200:
        assert answer.message


@pytest.mark.parametrize("path", ["/session", "/grpc"])
def test_parts_that_are_left_out_say_so(engine: EngineDaemon, path: str) -> None:
    answer = engine.request("POST", path)
    assert (answer.status, "not implemented" in answer.message) == (501, True)


def test_the_time_of_the_host_is_told_to_the_nanosecond_as_events_are(engine: EngineDaemon) -> None:
    told = engine.request("GET", "/info").document["SystemTime"]
    assert len(told) == len("2026-01-01T00:00:00.000000000Z")
    assert engine.request("GET", f"/events?since={told}&until={told}").status == 200


def test_every_answer_names_the_version(engine: EngineDaemon) -> None:
    headers = engine.request("GET", "/_ping").headers
    assert (headers["Api-Version"], headers["Ostype"], headers["Docker-Experimental"]) == ("1.47", "linux", "false")
    assert engine.request("HEAD", "/_ping").status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "invalid JSON"),
        (b"[]", "invalid JSON"),
        (b"{}", "no image specified"),
        (b'{"Image":5}', "Image"),
        (b'{"Image":"busybox","Env":["=x"]}', "environment variable"),
        (b'{"Image":"busybox","Hostname":"a b"}', "hostname"),
        (b'{"Image":"busybox","WorkingDir":"tmp"}', "absolute path"),
        (b'{"Image":"busybox","StopSignal":"SIGFOO"}', "signal"),
        (b'{"Image":"busybox","HostConfig":{"Memory":1000}}', "memory limit"),
        (b'{"Image":"busybox","HostConfig":{"NetworkMode":"container:"}}', "network"),
        (b'{"Image":"busybox","HostConfig":{"PidMode":"all"}}', "PidMode"),
        (b'{"Image":"busybox","HostConfig":{"UsernsMode":"host"}}', "UsernsMode"),
        (b'{"Image":"busybox","HostConfig":{"CgroupParent":"/x"}}', "CgroupParent"),
        (b'{"Image":"busybox","HostConfig":{"StorageOpt":{"size":"1X"}}}', "storage option"),
        (b'{"Image":"busybox","HostConfig":{"DeviceRequests":[{"Count":-1}]}}', "device driver"),
        (b'{"Image":"busybox","HostConfig":{"CpuRealtimeRuntime":1000}}', "realtime"),
        (b'{"Image":"busybox","HostConfig":{"Binds":["data/x:/data"]}}', "volume"),
        (b'{"Image":"busybox","HostConfig":{"CapAdd":["CAP_FLY"]}}', "capability"),
        (b'{"Image":"busybox","HostConfig":{"SecurityOpt":["fence=x"]}}', "security option"),
        (b'{"Image":"busybox","HostConfig":{"Sysctls":{"kernel.hostname":"x"}}}', "sysctl"),
        (b'{"Image":"busybox","HostConfig":{"Sysctls":{"net/../../kernel.hostname":"x"}}}', "sysctl"),
        (b'{"Image":"busybox","HostConfig":{"Devices":[{"PathOnHost":"/dev/nosuch"}]}}', "/dev/nosuch"),
        (b'{"Image":"busybox","HostConfig":{"Tmpfs":{"/x":"nr_huge=1"}}}', "tmpfs option"),
    ],
)
def test_a_request_that_is_wrong_is_refused_by_name(engine: EngineDaemon, body: bytes, words: str) -> None:
    answer = engine.request("POST", "/containers/create", body)
    assert (answer.status, words in answer.message) == (400, True), answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/containers/create",
        "/containers/nosuch/update",
        "/containers/nosuch/exec",
        "/networks/create",
        "/networks/bridge/connect",
        "/networks/bridge/disconnect",
        "/volumes/create",
        "/auth",
    ],
)
def test_a_request_that_lost_its_body_does_nothing(engine: EngineDaemon, path: str) -> None:
    answer = engine.request("POST", path)
    assert (answer.status, "got EOF while reading request body" in answer.message) == (400, True), answer.body


def test_an_exec_may_be_started_without_a_body(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "600")
    exec_id = engine.request(
        "POST", f"/containers/{container_id}/exec", {"Cmd": ["echo", "said"], "AttachStdout": True}
    ).document["Id"]
    answer = engine.request("POST", f"/exec/{exec_id}/start")
    assert (answer.status, frames(answer.body)) == (200, [(1, b"said\n")])
    assert engine.request("POST", "/exec/nosuch/start").status == 404


def test_limits_of_a_tenant_are_not_lifted_by_a_request_that_lost_its_body(engine: EngineDaemon) -> None:
    assert engine.request("PUT", "/tenants/emptied", {"memory": 2**30}).status in (200, 201)
    assert engine.request("PUT", "/tenants/emptied").status == 400
    assert engine.request("GET", "/tenants/emptied").document["limits"]["memory"] == 2**30
    assert engine.request("DELETE", "/tenants/emptied").status == 204


def test_an_image_that_does_not_exist_is_not_found(engine: EngineDaemon) -> None:
    answer = engine.request("POST", "/containers/create", {"Image": "nosuch"})
    assert (answer.status, answer.message) == (404, "No such image: nosuch")


def test_what_is_accepted_without_effect_draws_a_warning(engine: EngineDaemon) -> None:
    body = {
        "Image": "busybox",
        "HostConfig": {
            "SecurityOpt": ["apparmor=x"],
            "KernelMemory": 100_000_000,
            "CpuPercent": 5,
        },
    }
    warnings = engine.request("POST", "/containers/create", body).document["Warnings"]
    words = ["apparmor=x", "KernelMemory", "CpuPercent"]
    assert [word for word in words if any(word in warning for warning in warnings)] == words


def test_an_image_is_imported_tagged_listed_and_removed(engine: EngineDaemon) -> None:
    image_id = engine.import_busybox("mine:1")
    assert engine.request("POST", "/images/mine:1/tag?repo=other/name&tag=2").status == 201
    listed = {one["Id"]: one for one in engine.request("GET", "/images/json").document}
    assert {"mine:1", "other/name:2"} <= set(listed[image_id]["RepoTags"])
    found = engine.request("GET", "/images/other/name:2/json").document
    assert (found["Id"], found["Config"]["Cmd"], found["Os"]) == (image_id, ["sh"], "linux")
    assert engine.request("GET", "/images/mine:1/history").document[0]["Id"] == image_id
    assert engine.request("DELETE", "/images/other/name:2").document == [{"Untagged": "other/name:2"}]
    engine.request("DELETE", "/images/mine:1")
    assert engine.request("GET", "/images/mine:1/json").status == 404


def test_leaving_a_swarm_is_what_clients_do_to_be_sure(engine: EngineDaemon) -> None:
    answer = engine.request("POST", "/v1.47/swarm/leave?force=1")
    assert (answer.status, "not part of a swarm" in answer.message) == (503, True)
    assert engine.request("POST", "/swarm/init", {}).status == 501


def test_an_archive_that_is_no_archive_is_refused(engine: EngineDaemon) -> None:
    assert engine.request("POST", "/images/create?fromSrc=-&repo=x", b"nonsense" * 1000).status == 400
    answer = engine.request("POST", "/images/load", b"nonsense" * 1000)
    assert (answer.status, list(answer.document)) == (200, ["errorDetail", "error"])  # as dockerd, whose clients look there
    assert "not a tar" in answer.document["error"]


def test_an_import_that_is_cut_off_leaves_no_image(engine: EngineDaemon) -> None:
    body = busybox_tar()
    with RawClient(engine) as client:
        head = f"POST /images/create?fromSrc=-&repo=cut HTTP/1.1\r\nHost: engine\r\nContent-Length: {len(body)}\r\n\r\n"
        client.socket.sendall(head.encode() + body[: len(body) // 2])
    assert engine.request("GET", "/images/cut/json").status == 404


def test_networks_can_be_looked_at(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "600", tenant="blue/ada")
    network = engine.request("GET", "/networks/bridge", tenant="blue/ada").document
    endpoint = engine.inspect(container_id)["NetworkSettings"]["Networks"]["bridge"]
    assert network["Containers"][container_id]["IPv4Address"].startswith(endpoint["IPAddress"])
    assert [one["Name"] for one in engine.request("GET", "/networks", tenant="red/bob").document] == ["bridge", "none"]
    assert engine.request("GET", "/volumes", tenant="blue/ada").document == {"Volumes": [], "Warnings": None}


def test_a_container_without_network_has_the_loopback_only(engine: EngineDaemon) -> None:
    container_id = engine.run("ls", "/sys/class/net", HostConfig={"NetworkMode": "none"})
    engine.wait(container_id)
    assert engine.output(container_id) == b"lo\n"


def test_disk_usage_counts_what_a_container_wrote(engine: EngineDaemon) -> None:
    container_id = engine.run("dd", "if=/dev/zero", "of=/big", "bs=1000000", "count=3")
    engine.wait(container_id)
    containers = engine.request("GET", "/system/df").document["Containers"]
    assert next(one["SizeRw"] for one in containers if one["Id"] == container_id) >= 3_000_000
