"""Ways of these tests to look into a container."""

from typing import Any

from tests.engine.daemon import Answer, EngineDaemon, frames


def inside(engine: EngineDaemon, container_id: str, script: str, *, tenant: str = "", **fields: Any) -> str:
    """What a line of shell, run as an exec, prints."""
    body = {"Cmd": ["sh", "-c", script], "AttachStdout": True, "AttachStderr": True, **fields}
    exec_id = engine.request("POST", f"/containers/{container_id}/exec", body, tenant=tenant).document["Id"]
    answer = engine.request("POST", f"/exec/{exec_id}/start", {"Tty": False}, tenant=tenant)
    assert answer.status == 200, answer.body
    return b"".join(data for _, data in frames(answer.body)).decode().strip()


def create(engine: EngineDaemon, *, tenant: str = "", name: str = "", config: Any = None, **host: Any) -> Answer:
    """The whole answer to a request for a container that sleeps."""
    path = f"/containers/create?name={name}" if name else "/containers/create"
    body = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": host, **(config or {})}
    return engine.request("POST", path, body, tenant=tenant)


def sleeper(engine: EngineDaemon, *, tenant: str = "", name: str = "", **host: Any) -> str:
    """A running container that sleeps."""
    answer = create(engine, tenant=tenant, name=name, **host)
    assert answer.status == 201, answer.body
    container_id: str = answer.document["Id"]
    started = engine.request("POST", f"/containers/{container_id}/start", tenant=tenant)
    assert started.status == 204, started.body
    return container_id
