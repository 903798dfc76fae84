"""Quotas in tests: setting them, coming through a tenant's own door as clients do, and what a refusal says."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.engine.daemon import Answer, EngineDaemon, PlainEngine

SLEEP = ("sleep", "600")
_TENANTS = ("demo/ada", "demo/bob", "demo")


@contextmanager
def plain_engine() -> Iterator[EngineDaemon]:
    """An engine with an image, as long as the block lasts; its disk counts nothing."""
    engine = PlainEngine()
    try:
        engine.start().import_busybox()
        yield engine
    finally:
        engine.destroy()


def set_free(engine: EngineDaemon) -> None:
    """Leave nothing to the next test, and nobody of these limited."""
    for tenant in _TENANTS:
        engine.request("PUT", f"/tenants/{tenant}", {})
    engine.remove_containers()


def set_quota(engine: EngineDaemon, tenant: str, **limits: float) -> None:
    """Give a tenant these limits in place of those before."""
    answer = engine.request("PUT", f"/tenants/{tenant}", limits)
    assert answer.status == 200, answer.body


def tenant_of(engine: EngineDaemon, tenant: str) -> Any:
    """What the engine tells of a tenant: limits, usage, refusals."""
    return engine.request("GET", f"/tenants/{tenant}").document


def used(engine: EngineDaemon, tenant: str, resource: str) -> float:
    return float(tenant_of(engine, tenant)["usage"][resource])


def refusals(engine: EngineDaemon, tenant: str) -> Mapping[str, int]:
    """How often each resource was refused since the daemon's start; nothing for a tenant that is not known yet."""
    counts: Mapping[str, int] = tenant_of(engine, tenant).get("refusals", {})
    return counts


def as_tenant(engine: EngineDaemon, tenant: str, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a shell script in which ``docker`` and ``docker-compose`` speak to the tenant's own socket."""
    socket = engine.run_path / "tenants" / f"{tenant}.sock"
    home = engine.root / "homes" / tenant
    home.mkdir(parents=True, exist_ok=True)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "DOCKER_HOST": f"unix://{socket}"}
    environment |= {"DOCKER_BUILDKIT": "0", "COMPOSE_INTERACTIVE_NO_CLI": "1"}
    return subprocess.run(
        ["sh", "-c", script],
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )


def create(engine: EngineDaemon, tenant: str, *, name: str = "", **fields: object) -> Answer:
    """Ask for a container that sleeps."""
    query = f"?name={name}" if name else ""
    body = {"Image": "busybox", "Cmd": list(SLEEP), "HostConfig": {"NetworkMode": "none"}, **fields}
    return engine.request("POST", f"/containers/create{query}", body, tenant=tenant)


def verb(engine: EngineDaemon, tenant: str, container: str, what: str) -> Answer:
    """Start, restart, pause and the like, without waiting for programs to end by themselves."""
    query = "?t=0" if what in ("stop", "restart") else ""
    return engine.request("POST", f"/containers/{container}/{what}{query}", tenant=tenant)


def is_refused(answer: Answer, resource: str, tenant: str) -> bool:
    """Whether a quota of the tenant's has refused it, and says so in full."""
    if answer.status != 403:
        return False
    figures = answer.document["quota"]
    assert set(figures) == {"resource", "limit", "used", "requested", "tenant"}
    assert " quota of " in answer.message
    assert "ask for more" in answer.message
    return (figures["resource"], figures["tenant"]) == (resource, tenant)


def compose_up(services: str, more: str = "", *, project: str = "quota") -> str:
    """A line of shell that has Compose start services, given as one line of YAML after ``web:``."""
    text = f"version: '3'\nservices:\n  web: {services}\n{more}\n"
    file = f"{project}/compose.yml"
    return f'mkdir -p {project} && printf "%s" "{text}" >{file} && docker-compose -f {file} -p {project} up -d'
