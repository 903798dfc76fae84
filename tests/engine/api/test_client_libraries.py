"""The docker and aiodocker packages against the engine: what the agent and the portal use."""

import asyncio
from collections.abc import Iterator

import aiodocker
import docker
import pytest
from docker.errors import APIError, NotFound

from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root


@pytest.fixture
def client(engine: EngineDaemon) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=f"unix://{engine.socket_path}")
    yield client
    client.close()


def test_the_docker_package_runs_execs_and_reads(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"
    container = client.containers.run("busybox", ["sleep", "600"], detach=True, name="sdk", labels={"a": "b"}, mem_limit="32m")
    assert [one.name for one in client.containers.list(filters={"label": "a=b"})] == ["sdk"]
    code, output = container.exec_run(["sh", "-c", "echo out; exit 3"])
    assert (code, output) == (3, b"out\n")
    _, (out, err) = container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert (out, err) == (b"out\n", b"err\n")
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.reload()
    assert container.status == "exited"
    container.remove()
    with pytest.raises(NotFound):
        client.containers.get("sdk")


def test_the_docker_package_acts_as_a_tenant(client: docker.DockerClient) -> None:
    client.api.headers["Atelier-Tenant"] = "blue/ada"
    container = client.containers.create("busybox", ["true"], name="hers")
    client.api.headers["Atelier-Tenant"] = "red/bob"
    with pytest.raises(NotFound):
        client.containers.get("hers")
    client.api.headers["Atelier-Tenant"] = "blue/ada"
    with pytest.raises(APIError):
        client.containers.create("busybox", ["true"], name="hers")
    container.remove()


async def test_aiodocker_runs_a_terminal(engine: EngineDaemon) -> None:
    client = aiodocker.Docker(url=f"unix://{engine.socket_path}")
    try:
        container = await client.containers.run({"Image": "busybox", "Cmd": ["sleep", "600"]})
        execution = await container.exec(["sh"], stdin=True, tty=True)
        async with execution.start(detach=False) as stream:
            await stream.write_in(b"echo a$((6*7)); exit 2\n")
            seen = b""
            while (message := await stream.read_out()) is not None:
                seen += message.data
        assert b"a42" in seen
        assert await _exit_code(execution) == 2
        assert "".join(await container.log(stdout=True)) == ""
        await container.kill()
        assert (await container.wait())["StatusCode"] == 137
        await container.delete()
    finally:
        await client.close()


async def test_aiodocker_follows_logs_and_events(engine: EngineDaemon) -> None:
    client = aiodocker.Docker(url=f"unix://{engine.socket_path}")
    try:
        events = client.events.subscribe()  # type: ignore[no-untyped-call]  # the package leaves it untyped
        container = await client.containers.run(
            {"Image": "busybox", "Cmd": ["sh", "-c", "for i in 1 2; do echo $i; sleep 0.1; done"]}
        )
        assert [line async for line in container.log(stdout=True, follow=True)] == ["1\n", "2\n"]
        actions = []
        async with asyncio.timeout(10):
            while "die" not in actions:
                event = await events.get()
                actions += [event["Action"]] if event["Type"] == "container" else []
        assert actions[-3:] == ["create", "start", "die"]
        await container.delete()
    finally:
        await client.close()


async def _exit_code(execution: aiodocker.execs.Exec) -> object:
    """The stream ends a moment before the end is recorded."""
    for _ in range(500):
        if (code := (await execution.inspect())["ExitCode"]) is not None:
            return code
        await asyncio.sleep(0.01)
    return None
