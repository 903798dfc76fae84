"""Images whose configuration is an attack: odd users, folders, environments and commands. Their containers fail or are as any."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.escapes.attack_image import attack_tar
from tests.engine.escapes.cells import ADA
from tests.engine.image.image_archives import docker_archive, image_config

pytestmark = pytest.mark.requires_root

OF_THE_IMAGE = {"bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "var"}
OF_THE_HOST_ALONE = {path.name for path in Path("/").iterdir()} - OF_THE_IMAGE
OUT = "/proc/self/fd/7/../../.."
CONFIGS: dict[str, dict[str, Any]] = {
    **{
        f"working folder {path[:30]}": {"WorkingDir": path}
        for path in (OUT, "/proc/1/root/..", "/proc/self/cwd/../..", "relative/../..")
    },
    **{
        f"working folder {path[:20]!r}": {"WorkingDir": path}
        for path in ("/" + "x" * 5000, "/a\nb", "/\u202eevil", "/proc/self/mem", "//")
    },
    **{
        f"user {user[:20]!r}": {"User": user}
        for user in ("4294967295", "-1", "9" * 500, "root:0:0", "a\nroot:x:0", ":", "0:4294967295")
    },
    **{f"user {user[:20]!r} of odd digits": {"User": user} for user in ("\u0660", "0x0", "1e3", " 0", "\u200b")},
    "environment without names": {"Env": ["", "=", "=x", "x", "\u0001=y"]},
    "environment of the loader": {
        "Env": ["LD_PRELOAD=/evil.so", "PYTHONPATH=/evil", "PYTHONSTARTUP=/evil", "PATH=/proc/self/fd"]
    },
    "environment without an end": {"Env": [f"A{number}=x" for number in range(20_000)]},
    "entry point of the engine": {"Entrypoint": ["/proc/self/exe", "-c", "import os; print(os.listdir('/'))"]},
    "entry point by a descriptor": {"Entrypoint": ["/proc/self/fd/3"]},
    "entry point that is a folder": {"Entrypoint": ["/etc"]},
    "entry point that is empty": {"Entrypoint": [""]},
    "no command": {"Entrypoint": [], "Cmd": []},
    "stop signal": {"StopSignal": "9" * 5000},
    "volumes over the kernel's folders": {"Volumes": {"/proc": {}, "/sys": {}, "/dev": {}, "/": {}, "/proc/self/fd/7": {}}},
    "ports": {"ExposedPorts": {"99999/tcp": {}, "-1": {}, "x/y/z": {}, "1-65535/udp": {}}},
    "labels": {"Labels": {"\u202e": "x" * 100_000, "": "", "a\nb": "c\rd"}},
    "a health check": {"Healthcheck": {"Test": ["CMD-SHELL", "x" * 100_000], "Interval": -5, "Retries": 10**18}},
}


@pytest.mark.parametrize("what", CONFIGS)
def test_an_image_cannot_ask_for_more_than_a_request_can(engine_daemon: EngineDaemon, what: str) -> None:
    config = {"Cmd": ["/bin/sh", "-c", "ls / ; cat /proc/self/status"], "Env": ["PATH=/bin"], **CONFIGS[what]}
    made = docker_archive(layers=[attack_tar()], tags=["hostile:1"], config=image_config([attack_tar()], config=config))
    loaded = engine_daemon.request("POST", "/images/load", made.tar, tenant=ADA)
    assert loaded.status in (200, 400), loaded.body[:300]
    created = engine_daemon.request("POST", "/containers/create", {"Image": "hostile:1"}, tenant=ADA)
    try:
        assert created.status in (201, 400, 404), created.body[:300]
        if created.status == 201:
            assert_contained(engine_daemon, created.document["Id"])
    finally:
        if created.status == 201:
            assert engine_daemon.request("DELETE", f"/containers/{created.document['Id']}?force=1").status == 204
        engine_daemon.request("DELETE", f"/images/{quote('hostile:1')}?force=1", tenant=ADA)


def assert_contained(engine: EngineDaemon, container_id: str) -> None:
    started = engine.request("POST", f"/containers/{container_id}/start", tenant=ADA)
    assert started.status in (204, 400, 404, 409, 500), started.body[:300]
    assert b"internal error" not in started.body
    assert str(engine.root).encode() not in started.body
    json.dumps(engine.inspect(container_id))
    if started.status == 204:
        engine.wait(container_id)
        shown = engine.output(container_id).decode(errors="replace")
        if "CapEff:" in shown:
            assert "CapBnd:\t00000000a80425fb" in shown
            assert "bin" in shown.split()
        assert not OF_THE_HOST_ALONE & set(shown.split())
