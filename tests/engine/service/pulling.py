"""Pulls of tests: as requests, whole or under way, and what they tell."""

import json
import socket
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from tests.engine.daemon import PATIENCE_SECONDS, Answer, EngineDaemon


def auth_header(**fields: str) -> dict[str, str]:
    return {"X-Registry-Auth": urlsafe_b64encode(json.dumps(fields).encode()).decode()}


def lines_of(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.body.splitlines()]


def pull(
    engine: EngineDaemon,
    name: str,
    tag: str = "1",
    *,
    tenant: str = "",
    platform: str = "",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Pull, and wait for the end."""
    query = urlencode({"fromImage": name, "tag": tag, "platform": platform})
    return engine.request("POST", f"/images/create?{query}", tenant=tenant, headers=headers)


def pulled(engine: EngineDaemon, name: str, tag: str = "1", *, tenant: str = "") -> list[str]:
    """Pull what is to succeed; return what was said of layers."""
    answer = pull(engine, name, tag, tenant=tenant)
    assert answer.status == 200, answer.body
    lines = lines_of(answer)
    assert "error" not in lines[-1], lines[-1]
    return [line["status"] for line in lines if "progressDetail" in line]


def failure(engine: EngineDaemon, name: str, tag: str = "1", *, tenant: str = "") -> str:
    """Pull what is to fail, before its stream or in it; return why."""
    answer = pull(engine, name, tag, tenant=tenant)
    if answer.status != 200:
        return answer.message
    last = lines_of(answer)[-1]
    assert last["error"] == last["errorDetail"]["message"]
    return str(last["error"])


@contextmanager
def pull_under_way(engine: EngineDaemon, name: str, tag: str = "1", *, tenant: str = "x/y") -> Iterator[socket.socket]:
    """Ask for a pull and read nothing of its answer; leaving the block hangs up."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE_SECONDS)
    client.connect(str(engine.socket_path))
    path = f"/images/create?{urlencode({'fromImage': name, 'tag': tag})}"
    client.sendall(f"POST {path} HTTP/1.1\r\nHost: engine\r\nAtelier-Tenant: {tenant}\r\nContent-Length: 0\r\n\r\n".encode())
    with client:
        yield client


def layer_folders(engine: EngineDaemon) -> set[str]:
    """Diff ids of the layers on disk."""
    return {f"sha256:{path.name}" for path in (engine.data_path / "engine/layers").iterdir() if len(path.name) == 64}
