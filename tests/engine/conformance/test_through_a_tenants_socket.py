"""All cases once more, by a member of a team through the member's own socket: the same outcomes but for what no tenant may ask.

Owns the list of those, each with the reason that the engine gives.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.conformance.cases import Case, normal
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_FOLDER = Path(__file__).parent
_BINDS = "only administrators may use binds of the host's paths"
_DEVICES = "only administrators may use devices of the host"
_NETWORK = "only administrators may use networkmode host"
_VOLUMES = "only administrators may make volumes of the host's folders"

# By file and label: what the engine complains of.
REFUSED = {
    ("test_compose_features", "secrets from files"): _BINDS,
    ("test_compose_volumes", "a folder of the host's"): _VOLUMES,
    ("test_create_limits", "--oom-kill-disable"): "only administrators may use oomkilldisable",
    ("test_create_rights", "--volume from the host"): _BINDS,
    ("test_create_rights", "--volume read-only"): _BINDS,
    ("test_create_rights", "--volume makes the folder"): _BINDS,
    ("test_create_rights", "--volume of a file"): _BINDS,
    ("test_create_rights", "--mount bind"): _BINDS,
    ("test_create_rights", "--mount bind of what is not there"): _BINDS,
    ("test_create_rights", "--device"): _DEVICES,
    ("test_create_rights", "--device read only"): _DEVICES,
    ("test_create_rights", "--device that is not there"): _DEVICES,
    ("test_create_rights", "--device-cgroup-rule"): _DEVICES,
    ("test_create_rights", "--cap-add"): "only administrators may use a capadd beyond docker's default set",
    ("test_create_rights", "seccomp=unconfined"): "only administrators may use seccomp=unconfined",
    ("test_create_rights", "systempaths=unconfined"): "only administrators may use maskedpaths and readonlypaths",
    ("test_create_rights", "--privileged"): "only administrators may use privileged containers",
    ("test_create_rights", "--privileged in inspect"): "only administrators may use privileged containers",
    ("test_create_rights", "--ipc host"): "only administrators may use ipcmode host",
    ("test_create_rights", "--pid host"): "only administrators may use pidmode host",
    ("test_create_rights", "--uts host"): "only administrators may use utsmode host",
    ("test_create_rights", "--uts host with a hostname"): "only administrators may use utsmode host",
    ("test_exec", "--privileged"): "only administrators may use privileged execs",
    ("test_networks_more", "inspect of none and host"): "network host not found",
    ("test_networks_more", "the network of the host"): _NETWORK,
    ("test_networks_more", "who is on the host's network"): _NETWORK,
    ("test_networks_more", "a bridge by its name"): "names of the host's devices are theirs",
    ("test_volume_mounts", "--mount of a missing path"): _BINDS,
    ("test_volume_options", "a folder of the host's"): _VOLUMES,
    ("test_volume_options", "a folder of the host's, read-only"): _VOLUMES,
    ("test_volume_options", "a folder of the host's that is not there"): _VOLUMES,
    ("test_volumes", "a bind in inspect"): _BINDS,
}
# Those that hide complaints, or meet a limit that every tenant has: what they say instead.
OTHERWISE = {
    ("test_create_limits", "--pids-limit unlimited"): "4096",
    ("test_networks", "connect to none and to the host's"): "private (none) mode is not connected to",
    ("test_networks_more", "networks that are there"): "bridge bridge local none null local",
    ("test_networks_more", "ports on the host's network"): "",
    ("test_ports", "an address that the host does not have"): "",
}


def _cases() -> dict[Case, tuple[str, str]]:
    """All cases of the other files, by the marks of their tests."""
    found: dict[Case, tuple[str, str]] = {}
    for path in sorted(_FOLDER.glob("test_*.py")):
        if path.stem == Path(__file__).stem:
            continue
        module = importlib.import_module(f"{__name__.rpartition('.')[0]}.{path.stem}")
        for test in vars(module).values():
            for mark in getattr(test, "pytestmark", []):
                if mark.name == "parametrize" and mark.args[0] == "case":
                    cases = (case for case in mark.args[1] if isinstance(case, Case) and case.only in ("", "atelier"))
                    found.update({case: (path.stem, case.label) for case in cases if case not in found})
    return found


CASES = _cases()


@pytest.fixture(scope="module")
def tenants_players(request: pytest.FixtureRequest) -> Iterator[Players]:
    """Those who play the chosen ones."""
    items = (item for item in request.session.items if isinstance(item, pytest.Function))
    chosen = (item.callspec.params["case"] for item in items if "tenants_players" in item.fixturenames)
    players = Players("tenant", [case for case in chosen if isinstance(case, Case)])
    yield players
    players.end()


@pytest.mark.parametrize("case", CASES, ids=[" ".join(key) for key in CASES.values()])
def test_a_tenant_has_the_same_but_for_what_is_refused(tenants_players: Players, case: Case) -> None:
    key = CASES[case]
    if key in REFUSED:
        done = tenants_players.outcome(case)
        assert REFUSED[key] in normal(done.stderr).lower(), (done.stdout, done.stderr)
    elif key in OTHERWISE:
        done = tenants_players.outcome(case)
        assert normal(done.stdout) == OTHERWISE[key], (done.stdout, done.stderr)
    else:
        tenants_players.check(case)


def test_the_lists_name_cases_that_there_are() -> None:
    assert {*REFUSED, *OTHERWISE} <= set(CASES.values())
