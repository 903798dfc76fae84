"""From a lab's own shell: memory that the kernel keeps for sockets and counts in no cgroup. Rows are ways to it.

Each attacker takes what it was told, 160 MiB at most, and holds it until somebody ends it.
"""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon import wait_until
from tests.engine.escapes.attack_image import COMPILER, attack_tar
from tests.engine.escapes.cells import ADA, BOB
from tests.engine.escapes.labs import Lab, labs_engine

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(COMPILER is None, reason="no C compiler to make the attackers with"),
]

MIB = 2**20
SMALL = {"Memory": 32 * MIB}
KILLED = 128 + 9


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs_engine() as engine:
        lab = Lab(engine)
        assert lab.ask("POST", "/images/create?fromSrc=-&repo=attack", attack_tar()).status == 200
        yield lab


def start(lab: Lab, *command: str, **limits: Any) -> str:
    body = {"Image": "attack", "Cmd": list(command), "HostConfig": limits}
    container_id = str(lab.ask("POST", "/containers/create", body).document["Id"])
    assert lab.ask("POST", f"/containers/{container_id}/start").status == 204
    return container_id


def state(lab: Lab, container_id: str) -> Any:
    return lab.engine.inspect(container_id)["State"]


def ended(lab: Lab, container_id: str) -> Any:
    wait_until(lambda: not state(lab, container_id)["Running"], "the attacker to be ended", hint=lab.engine.log_path.read_text)
    return state(lab, container_id)


@pytest.mark.parametrize("kind", ["receiving", "sending", "answers", "raw", "packet", "corked"])
def test_sockets_keep_no_more_than_the_limit_of_memory(lab: Lab, kind: str) -> None:
    """Rings of both directions, answers of the kernel, raw and whole packets, and datagrams that are never sent off."""
    container_id = start(lab, "keep", kind, "160", **SMALL)
    found = ended(lab, container_id)
    assert (found["OOMKilled"], found["ExitCode"]) == (True, KILLED)
    assert oom_events(lab, container_id) == 1
    assert lab.ask("DELETE", f"/containers/{container_id}").status == 204


def oom_events(lab: Lab, container_id: str) -> int:
    filters = quote(json.dumps({"event": ["oom"], "container": [container_id]}))
    lines = lab.ask("GET", f"/events?since=1&until={time.time():.9f}&filters={filters}").body.splitlines()
    return [json.loads(line)["Action"] for line in lines].count("oom")


def test_who_holds_it_is_killed_and_its_shell_goes_on(lab: Lab) -> None:
    container_id = start(lab, "sh", "-c", "keep answers 160; echo goes on; sleep 1000", **SMALL)
    wait_until(lambda: b"goes on" in lab.engine.output(container_id), "the holder to be killed")
    assert oom_events(lab, container_id) == 1
    assert state(lab, container_id)["Running"]
    assert lab.ask("DELETE", f"/containers/{container_id}?force=1").status == 204


def test_what_several_hold_ends_the_container(lab: Lab) -> None:
    container_id = start(lab, "sh", "-c", "keep answers 160 twice; sleep 1000", **SMALL)
    assert ended(lab, container_id)["OOMKilled"]
    assert lab.ask("DELETE", f"/containers/{container_id}").status == 204


def test_a_container_beside_it_may_have_kept_it(lab: Lab) -> None:
    """Of two that share a network the one whose process it is loses that; the other runs on."""
    owner = start(lab, "sleep", "1000", **SMALL)
    guest = start(lab, "keep", "answers", "160", NetworkMode=f"container:{owner}", **SMALL)
    assert ended(lab, guest)["OOMKilled"]
    assert state(lab, owner)["Running"]
    for one in (guest, owner):
        assert lab.ask("DELETE", f"/containers/{one}?force=1").status == 204


def test_nobody_is_ended_for_a_neighbour_on_its_network_that_has_no_limit(lab: Lab) -> None:
    owner = start(lab, "sleep", "1000", **SMALL)
    guest = start(lab, "keep", "answers", "96", NetworkMode=f"container:{owner}")
    wait_until(lambda: b"took" in lab.engine.output(guest), "the neighbour to take what it wants")
    wait_for_a_look(lab)
    for one in (guest, owner):
        assert state(lab, one)["Running"]
        assert lab.ask("DELETE", f"/containers/{one}?force=1").status == 204


def test_a_container_that_was_started_anew_and_who_has_its_former_network_are_both_looked_at(lab: Lab) -> None:
    owner = start(lab, "sleep", "1000", **SMALL)
    guest = start(lab, "sleep", "1000", NetworkMode=f"container:{owner}", **SMALL)
    assert lab.ask("POST", f"/containers/{owner}/restart?t=0").status == 204
    for one in (owner, guest):
        lab.shell("keep answers 160; echo goes on", one)  # returns when the holder is killed
        assert oom_events(lab, one) == 1
    for one in (guest, owner):
        assert state(lab, one)["Running"]
        assert lab.ask("DELETE", f"/containers/{one}?force=1").status == 204


def test_containers_without_a_limit_keep_no_more_than_their_tenant_has(lab: Lab) -> None:
    """The one with the most is ended, whoever came first; a capture of an ordinary size is left alone."""
    lab.engine.request("PUT", f"/tenants/{ADA}", {"memory": 128 * MIB})
    modest = start(lab, "keep", "receiving", "8")
    less = start(lab, "keep", "answers", "48")
    wait_until(lambda: b"took" in lab.engine.output(modest) + lab.engine.output(less), "the first to take what they want")
    more = start(lab, "keep", "answers", "160")
    assert ended(lab, more)["OOMKilled"]
    assert state(lab, less)["Running"]
    assert state(lab, modest)["Running"]
    lab.engine.request("PUT", f"/tenants/{ADA}", {})
    for one in (more, less, modest):
        assert lab.ask("DELETE", f"/containers/{one}?force=1").status == 204


def test_a_limit_that_is_lowered_below_what_is_used_ends_nothing(lab: Lab) -> None:
    """A capture goes on beside it; that somebody else is ended meanwhile tells that there was a look."""
    full = start(lab, "sh", "-c", "dd if=/dev/zero of=/dev/shm/full bs=1M count=60; echo full; sleep 1000")
    capture = start(lab, "keep", "receiving", "8")
    wait_until(
        lambda: b"full" in lab.engine.output(full) and b"took" in lab.engine.output(capture), "both to have what they want"
    )
    lab.engine.request("PUT", f"/tenants/{ADA}", {"memory": 32 * MIB})
    wait_for_a_look(lab)
    assert state(lab, full)["Running"]
    assert state(lab, capture)["Running"]
    lab.engine.request("PUT", f"/tenants/{ADA}", {})
    for one in (full, capture):
        assert lab.ask("DELETE", f"/containers/{one}?force=1").status == 204


def wait_for_a_look(lab: Lab) -> None:
    """It is over when somebody else has been ended for it."""
    assert lab.engine.request("POST", "/images/create?fromSrc=-&repo=attack", attack_tar(), tenant=BOB).status == 200
    wish = {"Image": "attack", "Cmd": ["keep", "answers", "160"], "HostConfig": SMALL}
    other = str(lab.engine.request("POST", "/containers/create", wish, tenant=BOB).document["Id"])
    assert lab.engine.request("POST", f"/containers/{other}/start", tenant=BOB).status == 204
    assert ended(lab, other)["OOMKilled"]
    assert lab.engine.request("DELETE", f"/containers/{other}", tenant=BOB).status == 204
