"""The packages ``docker`` and ``aiodocker``: the calls that programs make, with the same outcome from every daemon."""

import io
import tarfile
from typing import Any

import aiodocker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound
from docker.types import LogConfig, Mount, Ulimit

Client = Any  # the stubs of both packages know less than the packages do

pytestmark = [
    pytest.mark.requires_root,
    # The package leaves the socket of an answer with 404 to a streamed request for the collector to find.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _sleeper(client: Client, **wanted: object) -> Client:
    return client.containers.run("busybox", ["sleep", "600"], detach=True, **wanted)


def test_run_returns_output_or_raises(client: Client) -> None:
    assert client.containers.run("busybox", ["echo", "hi"], remove=True) == b"hi\n"
    with pytest.raises(ContainerError) as caught:
        client.containers.run("busybox", ["sh", "-c", "echo no >&2; exit 3"], remove=True)
    error: Client = caught.value
    assert (error.exit_status, error.stderr) == (3, b"no\n")
    with pytest.raises(ImageNotFound):
        client.containers.create("nosuch", ["true"])
    with pytest.raises(NotFound):
        client.containers.get("nosuch")


def test_a_container_has_a_life(client: Client) -> None:
    container = _sleeper(client, name="sdk")
    assert container.status == "created"
    container.reload()
    assert container.status == "running"
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.restart(timeout=0)
    container.rename("renamed")
    container.kill(signal=9)
    assert container.wait(timeout=10)["StatusCode"] == 137
    with pytest.raises(APIError) as caught:
        container.kill()
    assert caught.value.status_code == 409
    container.remove()
    assert client.containers.list(all=True) == []


def test_settings_arrive(client: Client) -> None:
    settings: dict[str, object] = {
        "environment": {"A": "b"},
        "working_dir": "/tmp",
        "user": "1000:50",
        "hostname": "h1",
        "labels": ["x"],
        "mem_limit": "64m",
        "nano_cpus": 500000000,
        "ulimits": [Ulimit(name="nofile", soft=64, hard=128)],
        "tmpfs": {"/t": "size=1m"},
        "cap_drop": ["ALL"],
        "read_only": True,
        "init": True,
        "mounts": [Mount("/v", "vol", type="volume")],
        "log_config": LogConfig(type="json-file", config={"max-size": "1m"}),
        "stop_signal": "SIGINT",
        "extra_hosts": {"db": "10.0.0.9"},
        "pids_limit": 50,
        "shm_size": "8m",
        "healthcheck": {"test": "true", "interval": 1000000000},
        "dns": ["9.9.9.9"],
    }
    container = _sleeper(client, **settings)
    # The limits of the command itself, as runc now and then raises the soft one of an exec to the hard one.
    limits = "$(grep 'open files' /proc/$(pidof sleep)/limits | tr -s ' ' | cut -d ' ' -f 4,5)"
    code, output = container.exec_run(
        ["sh", "-c", f"echo $A $(pwd) $(id -u):$(id -g) $(hostname) {limits}; grep -c 10.0.0.9 /etc/hosts"]
    )
    assert (code, output) == (0, b"b /tmp 1000:50 h1 64 128\n1\n")
    attributes = client.containers.get(container.id or "").attrs
    assert attributes["Config"]["Labels"] == {"x": ""}
    assert attributes["HostConfig"]["NanoCpus"] == 500000000
    assert [mount["Destination"] for mount in attributes["Mounts"]] == ["/v"]
    assert attributes["Config"]["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]


def test_logs_are_read_and_followed(client: Client) -> None:
    container = client.containers.run(
        "busybox", ["sh", "-c", "for i in 1 2 3; do echo $i; sleep .1; done; echo e >&2"], detach=True
    )
    assert list(container.logs(stream=True, follow=True)) == [b"1\n", b"2\n", b"3\n", b"e\n"]
    assert container.logs(stderr=False) == b"1\n2\n3\n"
    assert container.logs(stdout=False) == b"e\n"
    assert container.logs(timestamps=True, tail=1).endswith(b"Z e\n")


def test_execs_pass_streams_and_codes(client: Client) -> None:
    container = _sleeper(client)
    assert container.exec_run("sh -c 'exit 7'").exit_code == 7
    assert container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True).output == (b"o\n", b"e\n")
    _, stream = container.exec_run(["sh", "-c", "echo a; sleep .2; echo b"], stream=True)
    assert b"".join(stream) == b"a\nb\n"
    assert container.exec_run("id -u", user="ada").output == b"1000\n"
    assert container.exec_run("sleep 1", detach=True).exit_code is None


def test_a_socket_is_attached(client: Client) -> None:
    container = client.containers.create("busybox", ["cat"], stdin_open=True, tty=True)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    raw = stream._sock
    raw.settimeout(10)
    raw.sendall(b"hi\n")
    seen = b""
    while seen.count(b"hi") < 2:
        seen += raw.recv(100)
    stream.close()
    assert seen.startswith(b"hi\r\nhi")


def test_archives_go_both_ways(client: Client) -> None:
    container = _sleeper(client)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("f")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"hi"))
    assert container.put_archive("/tmp", packed.getvalue())
    chunks, stat = container.get_archive("/tmp/f")
    assert (stat["name"], stat["size"]) == ("f", 2)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        copied = archive.extractfile("f")
        assert copied is not None
        assert copied.read() == b"hi"
    with pytest.raises(NotFound):
        container.get_archive("/nosuch")
    assert {"Path": "/tmp/f", "Kind": 1} in container.diff()
    exported = b"".join(container.export())
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        assert "tmp/f" in archive.getnames()


def test_an_image_is_committed(client: Client) -> None:
    container = _sleeper(client)
    container.exec_run("touch /made")
    image = container.commit("im1", "v1", message="m", author="a", changes="ENV A=b")
    assert image.tags == ["im1:v1"]
    assert client.containers.run("im1:v1", ["sh", "-c", "ls /made; echo $A"], remove=True) == b"/made\nb\n"


def test_statistics_are_told(client: Client) -> None:
    container = _sleeper(client, mem_limit="64m")
    once = container.stats(stream=False)
    assert (once["memory_stats"]["limit"], once["pids_stats"]["current"]) == (67108864, 1)
    assert once["cpu_stats"]["online_cpus"] >= 1
    stream = container.stats(stream=True, decode=True)
    names = {next(stream)["id"] for _ in range(2)}
    assert names == {container.id}
    top = container.top(ps_args="-o pid,args")
    assert top["Titles"] == ["PID", "COMMAND"]
    assert "sleep 600" in top["Processes"][0][1]


def test_limits_are_updated(client: Client) -> None:
    container = _sleeper(client)
    container.update(
        mem_limit="64m", memswap_limit="128m", cpu_shares=300, restart_policy={"Name": "on-failure", "MaximumRetryCount": 2}
    )
    container.reload()
    host_config = container.attrs["HostConfig"]
    assert (host_config["Memory"], host_config["CpuShares"]) == (67108864, 300)
    assert host_config["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}


def test_volumes_and_prunes(client: Client) -> None:
    volume = client.volumes.create("v1", labels={"a": "b"})
    assert [one.name for one in client.volumes.list(filters={"label": "a=b"})] == ["v1"]
    done = client.containers.run("busybox", ["touch", "/d/f"], volumes={"v1": {"bind": "/d", "mode": "rw"}}, detach=True)
    done.wait()
    with pytest.raises(APIError) as caught:
        volume.remove()
    assert caught.value.status_code == 409
    pruned = client.containers.prune()
    assert pruned["ContainersDeleted"] == [done.id]
    volume.remove()
    with pytest.raises(NotFound):
        client.volumes.get("v1")


def test_events_and_waits(client: Client) -> None:
    container = client.containers.create("busybox", ["true"], labels={"mark": "1"})
    events = client.events(decode=True, filters={"label": "mark=1"})
    container.start()
    actions: list[str] = []
    while "die" not in actions:
        actions.append(next(events)["Action"])
    events.close()
    assert actions == ["start", "die"]
    assert container.wait(condition="not-running")["StatusCode"] == 0


async def test_aiodocker_runs_and_reads(async_client: Client) -> None:
    container = await async_client.containers.run({"Image": "busybox", "Cmd": ["sh", "-c", "echo hi; exit 4"]}, name="aio")
    assert (await container.wait())["StatusCode"] == 4
    assert await container.log(stdout=True) == ["hi\n"]
    shown = await container.show()
    assert (shown["State"]["Status"], shown["Name"]) == ("exited", "/aio")
    await container.delete()
    with pytest.raises(aiodocker.DockerError) as caught:
        await async_client.containers.get("aio")
    assert caught.value.status == 404


async def test_aiodocker_copies_commits_and_updates(async_client: Client) -> None:
    container = await async_client.containers.run({"Image": "busybox", "Cmd": ["sleep", "600"]})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("f")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"hi"))
    await container.put_archive("/tmp", packed.getvalue())
    with await container.get_archive("/tmp/f") as archive:
        assert archive.extractfile("f").read() == b"hi"
    await container.commit(repository="im1", tag="v1")
    assert (await async_client.images.inspect("im1:v1"))["RepoTags"] == ["im1:v1"]
    stats = await container.stats(stream=False)
    assert stats[0]["pids_stats"]["current"] == 1
    await container.pause()
    await container.unpause()
    await container.rename("renamed")
    await container.restart(t=0)
    await container.stop(t=0)
    await container.delete(force=True)


async def test_aiodocker_attaches_by_a_websocket(async_client: Client) -> None:
    container = await async_client.containers.create({"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "Tty": True})
    websocket = await container.websocket(stdin=True, stdout=True, stream=True)
    await container.start()
    await websocket.send_str("hi\n")
    seen = b""
    while seen.count(b"hi") < 2:
        message = await websocket.receive(timeout=10)
        seen += message.data if isinstance(message.data, bytes) else str(message.data).encode()
    await websocket.close()
    assert seen.startswith(b"hi\r\nhi")


async def test_aiodocker_keeps_volumes(async_client: Client) -> None:
    volume = await async_client.volumes.create({"Name": "v1", "Labels": {"a": "b"}})
    assert (await volume.show())["Labels"] == {"a": "b"}
    listed = await async_client.volumes.list()
    assert [one["Name"] for one in listed["Volumes"]] == ["v1"]
    await volume.delete()
