"""Seccomp profiles of users: on top of the engine's own filter for tenants, in place of it for administrators."""

import json
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.inside import create, inside, sleeper

pytestmark = pytest.mark.requires_root

ADA = "blue/ada"
ALLOW_ALL = {"defaultAction": "SCMP_ACT_ALLOW"}
NO_MKDIR = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}],
}
KILL_MKDIR = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"}]}
TRY_MKDIR = "mkdir /tmp/made 2>&1; echo $?"
TRY_UNSHARE = "unshare -U true 2>/dev/null; echo $?"


def option(profile: object) -> list[str]:
    return [f"seccomp={profile if isinstance(profile, str) else json.dumps(profile)}"]


def filters(engine: EngineDaemon, container_id: str) -> list[str]:
    status = Path(f"/proc/{engine.inspect(container_id)['State']['Pid']}/status").read_text()
    return [line.split()[1] for line in status.splitlines() if line.startswith("Seccomp")]


@pytest.mark.parametrize(("tenant", "count"), [(ADA, "2"), ("", "1")])
def test_a_profile_holds(engine: EngineDaemon, tenant: str, count: str) -> None:
    container_id = sleeper(engine, tenant=tenant, SecurityOpt=option(NO_MKDIR))
    said = inside(engine, container_id, TRY_MKDIR, tenant=tenant)
    assert said == "mkdir: can't create directory '/tmp/made': Input/output error\n1"
    assert filters(engine, container_id) == ["2", count]
    assert engine.inspect(container_id)["HostConfig"]["SecurityOpt"] == option(NO_MKDIR)


def test_no_profile_of_a_tenants_takes_the_engines_filter_away(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, tenant=ADA, SecurityOpt=option(ALLOW_ALL))
    assert inside(engine, container_id, TRY_UNSHARE, tenant=ADA) != "0"
    assert inside(engine, sleeper(engine, SecurityOpt=option(ALLOW_ALL)), TRY_UNSHARE) == "0", "an administrator's does"


def test_a_filter_can_kill(engine: EngineDaemon) -> None:
    container_id = engine.run("mkdir", "/tmp/made", HostConfig={"SecurityOpt": option(KILL_MKDIR)})
    assert engine.wait(container_id) == 128 + 31


@pytest.mark.parametrize("tenant", [ADA, ""])
def test_with_an_init_and_no_new_privileges(engine: EngineDaemon, tenant: str) -> None:
    container_id = sleeper(engine, tenant=tenant, Init=True, SecurityOpt=[*option(NO_MKDIR), "no-new-privileges:true"])
    assert inside(engine, container_id, TRY_MKDIR, tenant=tenant).endswith("1")
    assert "NoNewPrivs:\t1" in inside(engine, container_id, "cat /proc/self/status", tenant=tenant)


@pytest.mark.parametrize(
    ("profile", "place"),
    [
        ("{", "line 1"),
        ({}, "defaultAction: a text is expected"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "defaultAction: action 'SCMP_ACT_NOTIFY' is not supported"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {"a": 1}}, "syscalls: a list is expected"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"]}]}, "syscalls[0].action: a text is expected"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": "read", "action": "SCMP_ACT_LOG"}]}, "syscalls[0].names"),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [
                    {"names": ["read"], "action": "SCMP_ACT_LOG"},
                    {"names": ["read"], "action": "SCMP_ACT_LOG", "args": [{"index": 9, "op": "SCMP_CMP_EQ", "value": 1}]},
                ],
            },
            "syscalls[1].args[0].index: a number from 0 to 5",
        ),
        ({"defaultAction": "SCMP_ACT_ALLOW", "sysCalls": []}, "sysCalls: unknown field"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x"}, "listenerPath"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": [" " * 300_000]}, "the most is"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"] * 2001, "action": "SCMP_ACT_LOG"}]}, "syscalls"),
        ("/etc/passwd", "give the profile's JSON"),
    ],
    ids=lambda value: str(value)[:50],
)
@pytest.mark.parametrize("tenant", [ADA, ""])
def test_a_malformed_profile_is_refused_with_its_place(engine: EngineDaemon, tenant: str, profile: object, place: str) -> None:
    answer = create(engine, tenant=tenant, SecurityOpt=option(profile))
    assert (answer.status, "invalid seccomp profile" in answer.message, place in answer.message) == (400, True, True), (
        answer.message
    )
    assert str(engine.root) not in answer.message


def test_a_profile_is_compiled_once(engine: EngineDaemon) -> None:
    for _ in range(3):
        create(engine, SecurityOpt=option({**NO_MKDIR, "defaultErrnoRet": 7}))
    folder = engine.data_path / "engine/seccomp"
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.bpf")}
    create(engine, SecurityOpt=option({**NO_MKDIR, "defaultErrnoRet": 7}))
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.bpf")} == before


def test_the_command_line_client_sends_the_file(engine: EngineDaemon, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(NO_MKDIR))
    done = engine.cli("run", "--rm", "--security-opt", f"seccomp={file}", "busybox", "sh", "-c", TRY_MKDIR)
    assert b"Input/output error" in done.stdout, done.stderr
    plain = engine.cli("run", "--rm", "--security-opt", "seccomp=builtin", "busybox", "sh", "-c", TRY_MKDIR)
    assert plain.stdout == b"0\n", plain.stderr


def test_options_without_effect_are_said(engine: EngineDaemon) -> None:
    answer = create(engine, SecurityOpt=["apparmor=mine", "label=level:s0", "label=disable", "apparmor=unconfined"])
    assert (answer.status, len(answer.document["Warnings"])) == (201, 2)
    shown = engine.inspect(answer.document["Id"])["HostConfig"]["SecurityOpt"]
    assert shown == ["apparmor=mine", "label=level:s0", "label=disable", "apparmor=unconfined"]


def test_system_paths_can_be_opened_by_administrators(engine: EngineDaemon) -> None:
    done = engine.cli(
        "run", "--rm", "--security-opt", "systempaths=unconfined", "busybox", "sh", "-c", "grep -c ' /proc/' /proc/mounts"
    )
    assert done.stdout == b"0\n", done.stderr
    answer = create(engine, SecurityOpt=["systempaths=unconfined"])
    assert engine.inspect(answer.document["Id"])["HostConfig"]["MaskedPaths"] == []
