"""The page of workloads hears from the real engine what a tenant has there, and nobody else does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from portal.accounts.models import User
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab
from portal.labs.services import launch_lab
from portal.teams.models import Role
from portal.teams.services import remove_member, set_role
from tests.engine.daemon import wait_until
from tests.portal.conftest import Cast
from tests.portal.programs import Programs
from tests.portal.streams.sockets import close_code, open_socket

pytestmark = [pytest.mark.django_db(transaction=True)]

NOT_FOUND = 4404


def path_of(tenant: str) -> str:
    return f"/ws/workloads/?{urlencode({'tenant': tenant})}"


class Board:
    """What a page shows, after the rows that its socket sent."""

    def __init__(self, socket: WebsocketCommunicator) -> None:
        self.socket = socket
        self.rows: dict[str, dict[str, str]] = {}

    async def read_until(self, kind: str, *words: str, but: tuple[str, ...] = ()) -> list[str]:
        """Read on until each word stands in a row of ``kind`` and none of ``but`` does, and return the rows."""
        while True:
            rows = list(self.rows.get(kind, {}).values())
            text = " ".join(rows)
            if kind in self.rows and all(word in text for word in words) and not any(word in text for word in but):
                return rows
            await self._take()

    async def _take(self) -> None:
        message: dict[str, Any] = await self.socket.receive_json_from(timeout=20)
        known = {**self.rows.get(message["kind"], {}), **message["changed"]}
        self.rows[message["kind"]] = {dom_id: known[dom_id] for dom_id in message["order"]}
        await self.socket.send_json_to({"type": "shown", "mark": message["mark"]})


@asynccontextmanager
async def open_board(tenant: str, user: User) -> AsyncIterator[Board]:
    async with open_socket(path_of(tenant), user) as socket:
        yield Board(socket)


def create(programs: Programs, tenant: str, name: str, **body: Any) -> str:
    body = {"Image": "atelier/shell:latest", "Cmd": ["sleep", "600"], **body}
    answer = programs.engine.request("POST", f"/containers/create?name={name}", body, tenant=tenant)
    assert answer.status == 201, answer.document
    return str(answer.document["Id"])


@pytest.mark.parametrize(
    ("name", "tenant"),
    [
        ("ada", "demo"),
        ("ada", "demo/alan"),
        ("ada", "other"),
        ("ada", "demo/ada/x"),
        ("ada", ""),
        ("ada", "nobody/ada"),
        ("oscar", "demo"),
        ("oscar", "demo/ada"),
        ("oscar", "demo/oscar"),
        ("grace", "other/oscar"),
        ("grace", "demo/../other"),
        ("admin", ""),
    ],
)
async def test_what_is_not_ones_own_does_not_exist(cast: Cast, name: str, tenant: str) -> None:
    async with open_socket(path_of(tenant), getattr(cast, name)) as socket:
        assert await close_code(socket) == NOT_FOUND


async def test_a_host_that_does_not_answer_is_told_by_the_end_of_the_socket(cast: Cast) -> None:
    async with open_socket(path_of("demo/ada"), cast.ada) as socket:
        assert await close_code(socket) == 4503


@pytest.mark.requires_root
async def test_what_is_started_with_docker_appears_and_goes_with_each_of_its_changes(school: Cast, programs: Programs) -> None:
    async with open_board("demo/ada", school.ada) as board:
        await board.read_until("containers", but=("own-web",))
        container_id = await sync_to_async(create)(programs, "demo/ada", "own-web")
        await board.read_until("containers", "own-web", 'data-state="created"')
        await sync_to_async(programs.engine.request)("POST", f"/containers/{container_id}/start", tenant="demo/ada")
        await board.read_until("containers", "own-web", 'data-state="running"')
        await sync_to_async(programs.engine.request)("POST", f"/containers/{container_id}/kill", tenant="demo/ada")
        await board.read_until("containers", "own-web", 'data-state="exited"')
        await sync_to_async(programs.engine.request)("DELETE", f"/containers/{container_id}", tenant="demo/ada")
        await board.read_until("containers", but=("own-web",))


@pytest.mark.requires_root
async def test_each_sees_their_own_and_the_teacher_all_with_their_owners(school: Cast, programs: Programs) -> None:
    for member in ("ada", "alan"):
        await sync_to_async(create)(programs, f"demo/{member}", f"{member}s-thing")
        await sync_to_async(programs.engine.request)(
            "POST", "/volumes/create", {"Name": f"{member}s-data"}, tenant=f"demo/{member}"
        )
    async with open_board("demo/ada", school.ada) as own, open_board("demo", school.grace) as whole:
        for kind, word in (("containers", "s-thing"), ("volumes", "s-data")):
            rows = " ".join(await own.read_until(kind, f"ada{word}"))
            assert f"alan{word}" not in rows
            assert "row-owner" not in rows
            rows = " ".join(await whole.read_until(kind, f"ada{word}", f"alan{word}"))
            assert "</span> alan</span>" in rows


@pytest.mark.requires_root
async def test_what_administrators_published_is_shown_without_a_button(school: Cast, programs: Programs) -> None:
    async with open_board("demo/ada", school.ada) as board:
        (row,) = [row for row in await board.read_until("images", "atelier/shell:latest") if "atelier/shell:latest" in row]
    assert "for all" in row
    assert "<form" not in row


@pytest.mark.requires_root
async def test_a_labs_container_leads_to_its_lab_and_a_label_alone_is_none(school: Cast, programs: Programs) -> None:
    lab = await sync_to_async(launch_lab)(owner=school.ada, team=school.team, template=school.template)
    await sync_to_async(wait_until)(lambda: Lab.objects.get(pk=lab.pk).state == LabState.RUNNING, "the lab to run")
    await sync_to_async(create)(programs, "demo/ada", "pretender", Labels={"atelier.lab": str(lab.uuid)})
    async with open_board("demo/ada", school.ada) as board:
        rows = await board.read_until("containers", "pretender", lab.get_absolute_url())
    (real,) = [row for row in rows if lab.get_absolute_url() in row]
    assert "pretender" not in real
    assert "<form" not in real


@pytest.mark.requires_root
async def test_a_browser_that_shows_nothing_is_told_no_more(school: Cast, programs: Programs) -> None:
    async with open_socket(path_of("demo/ada"), school.ada) as slow, open_board("demo/ada", school.ada) as quick:
        for number in range(12):
            await sync_to_async(create)(programs, "demo/ada", f"busy-{number}")
            await quick.read_until("containers", f"busy-{number}")
        await slow.send_json_to({"type": "shown", "mark": "guess"})
        received = 0
        while not await slow.receive_nothing(timeout=0.5):
            await slow.receive_json_from()
            received += 1
    assert received <= 9


def become_student(cast: Cast) -> None:
    set_role(actor=None, team=cast.team, user=cast.grace, role=Role.STUDENT)


def leave(cast: Cast) -> None:
    remove_member(actor=None, team=cast.team, user=cast.grace)


@pytest.mark.requires_root
@pytest.mark.parametrize("loss", [become_student, leave])
async def test_a_teacher_who_loses_the_role_is_cut_off(school: Cast, loss: Any) -> None:
    async with open_board("demo", school.grace) as board:
        await board.read_until("networks")
        await sync_to_async(loss)(school)
        assert await close_code(board.socket) == NOT_FOUND
