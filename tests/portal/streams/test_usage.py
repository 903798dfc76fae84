"""Gauges hear what the engine counts, as the tenant that the person is, and close with their session."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from portal.accounts.models import User
from portal.teams.models import Role
from portal.teams.services import remove_member, set_role
from tests.portal.conftest import Cast
from tests.portal.programs import Programs
from tests.portal.streams.sockets import close_code, connect, open_socket, sign_in

pytestmark = [pytest.mark.django_db(transaction=True)]

PATH = "/ws/usage/"
SIGNED_OUT, AGAIN = 4401, 4503
GIBIBYTE = 2**30


class Gauges:
    """What a page shows, after what its socket told."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.figures: dict[str, dict[str, Any]] = {}

    async def read_until(self, is_shown: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
        while not is_shown(self.figures):
            message = await self.socket.receive_json_from(timeout=20)
            for tenant, changes in message["tenants"].items():
                if changes is None:
                    self.figures.pop(tenant, None)
                else:
                    self.figures[tenant] = {**self.figures.get(tenant, {}), **changes}
            await self.socket.send_json_to({"type": "shown", "mark": message["mark"]})
        return self.figures


@asynccontextmanager
async def open_gauges(user: User) -> AsyncIterator[Gauges]:
    async with open_socket(PATH, user) as socket:
        yield Gauges(socket)


def limit(programs: Programs, tenant: str, **limits: float) -> None:
    assert programs.engine.request("PUT", f"/tenants/{tenant}", limits).status == 200


@pytest.fixture
def limited(school: Cast, programs: Programs) -> Cast:
    for tenant in ("demo", "demo/ada", "demo/alan", "other"):
        limit(programs, tenant, memory=GIBIBYTE)
    return school


async def test_no_gauges_without_signing_in(cast: Cast) -> None:
    async with open_socket(PATH, None) as socket:
        assert await close_code(socket) == SIGNED_OUT


async def test_an_engine_that_does_not_answer_ends_the_socket_for_the_page_to_say_so(cast: Cast) -> None:
    async with open_socket(PATH, cast.ada) as socket:
        assert await close_code(socket) == AGAIN


@pytest.mark.requires_root
async def test_a_student_is_told_of_themselves_and_the_team_and_of_nobody_else(limited: Cast) -> None:
    async with open_gauges(limited.ada) as gauges:
        figures = await gauges.read_until(lambda shown: "demo/ada" in shown)
    assert figures["demo/ada"]["memory"]["limit"] == GIBIBYTE
    assert set(figures) <= {"demo", "demo/ada"}


@pytest.mark.requires_root
async def test_a_teacher_is_told_of_all_members_and_of_no_other_team(limited: Cast) -> None:
    async with open_gauges(limited.grace) as gauges:
        figures = await gauges.read_until(lambda shown: {"demo", "demo/ada", "demo/alan"} <= set(shown))
    assert not [name for name in figures if name.partition("/")[0] != "demo"]


@pytest.mark.requires_root
async def test_an_administrator_is_told_of_all(limited: Cast) -> None:
    async with open_gauges(limited.admin) as gauges:
        await gauges.read_until(lambda shown: {"demo/ada", "other"} <= set(shown))


@pytest.mark.requires_root
async def test_a_new_limit_and_what_is_started_are_told(limited: Cast, programs: Programs) -> None:
    async with open_gauges(limited.ada) as gauges:
        await gauges.read_until(lambda shown: "demo/ada" in shown)
        await sync_to_async(limit)(programs, "demo/ada", memory=2 * GIBIBYTE)
        await gauges.read_until(lambda shown: bool(shown["demo/ada"]["memory"]["limit"] == 2 * GIBIBYTE))
        body = {"Image": "atelier/shell:latest", "Cmd": ["sleep", "600"]}
        created = await sync_to_async(programs.engine.request)("POST", "/containers/create", body, tenant="demo/ada")
        await sync_to_async(programs.engine.request)("POST", f"/containers/{created.document['Id']}/start", tenant="demo/ada")
        await gauges.read_until(lambda shown: (shown["demo/ada"].get("running") or {}).get("used") == 1)


def has_memory(wanted: int, shown: dict[str, dict[str, Any]]) -> bool:
    return bool(shown.get("demo/ada", {}).get("memory", {}).get("limit") == wanted)


@pytest.mark.requires_root
async def test_a_browser_that_shows_nothing_is_told_no_more(limited: Cast, programs: Programs) -> None:
    async with open_socket(PATH, limited.ada) as slow, open_gauges(limited.ada) as quick:
        for number in range(3, 10):
            await sync_to_async(limit)(programs, "demo/ada", memory=number * GIBIBYTE)
            await quick.read_until(partial(has_memory, number * GIBIBYTE))
        received = 0
        while not await slow.receive_nothing(timeout=1.5):
            await slow.receive_json_from()
            received += 1
    assert received <= 5


def become_student(cast: Cast) -> None:
    set_role(actor=None, team=cast.team, user=cast.grace, role=Role.STUDENT)


def leave(cast: Cast) -> None:
    remove_member(actor=None, team=cast.team, user=cast.grace)


@pytest.mark.requires_root
@pytest.mark.parametrize("loss", [become_student, leave])
async def test_a_role_that_is_lost_ends_the_socket_and_the_next_one_tells_less(
    limited: Cast, loss: Callable[[Cast], None]
) -> None:
    async with open_gauges(limited.grace) as gauges:
        await gauges.read_until(lambda shown: "demo/alan" in shown)
        await sync_to_async(loss)(limited)
        assert await close_code(gauges.socket) == AGAIN
    async with open_socket(PATH, limited.grace) as socket:
        while not await socket.receive_nothing(timeout=1.5):
            assert "demo/alan" not in (await socket.receive_json_from())["tenants"]


@pytest.mark.requires_root
async def test_signing_out_ends_the_socket(limited: Cast) -> None:
    browser = await sync_to_async(sign_in)(limited.ada)
    socket = await connect(PATH, browser)
    await socket.connect(timeout=10)
    await sync_to_async(browser.post)(reverse("account_logout"))
    assert await close_code(socket) == SIGNED_OUT
    await socket.disconnect()
