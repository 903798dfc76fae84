"""Who may open which socket, and that it closes at once when that is over."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from redis import Redis

from portal.accounts.models import User
from portal.common.live import LIVE_PATH
from portal.labs.models import Lab
from portal.labs.outcomes import forget
from portal.teams.models import Role
from portal.teams.services import remove_member, set_role
from tests.portal.conftest import Cast
from tests.portal.streams.sockets import close_code, connect, open_socket, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

SIGNED_OUT, NOT_FOUND, AGAIN = 4401, 4404, 4503


def paths(lab: Lab) -> list[str]:
    return [LIVE_PATH, f"/ws/labs/{lab.uuid}/terminal/", f"/ws/labs/{lab.uuid}/log/"]


@pytest.mark.parametrize("kind", ["terminal", "log"])
@pytest.mark.parametrize("name", ["alan", "oscar"])
async def test_a_lab_of_others_does_not_exist(cast: Cast, kind: str, name: str) -> None:
    lab = await sync_to_async(cast.launch)()
    async with open_socket(f"/ws/labs/{lab.uuid}/{kind}/", getattr(cast, name)) as socket:
        assert await close_code(socket) == NOT_FOUND


@pytest.mark.parametrize("kind", ["terminal", "log"])
@pytest.mark.parametrize("name", ["ada", "grace", "admin"])
async def test_owner_teacher_and_administrator_may_stay(cast: Cast, kind: str, name: str) -> None:
    lab = await sync_to_async(cast.launch)()
    async with open_socket(f"/ws/labs/{lab.uuid}/{kind}/", getattr(cast, name)) as socket:
        if kind == "terminal":
            assert await socket.receive_json_from(timeout=10) == {"type": "waiting", "state": "pending"}
        assert await socket.receive_nothing(timeout=0.2)


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_no_socket_without_signing_in(cast: Cast, index: int) -> None:
    lab = await sync_to_async(cast.launch)()
    async with open_socket(paths(lab)[index], None) as socket:
        assert await close_code(socket) == SIGNED_OUT


@pytest.mark.parametrize("path", ["/ws/nothing/", "/ws/labs/00000000-0000-4000-8000-000000000000/terminal/"])
async def test_what_does_not_exist_looks_like_what_one_may_not_see(cast: Cast, path: str) -> None:
    async with open_socket(path, cast.admin) as socket:
        assert await close_code(socket) == NOT_FOUND


async def test_pages_of_other_sites_get_no_socket(cast: Cast) -> None:
    socket = await connect(LIVE_PATH, await sync_to_async(sign_in)(cast.ada), origin=b"https://elsewhere.example")
    is_accepted, _ = await socket.connect(timeout=10)
    assert not is_accepted


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_signing_out_closes_the_sockets_of_that_session_only(cast: Cast, index: int) -> None:
    lab = await sync_to_async(cast.launch)()
    path = paths(lab)[index]
    browser = await sync_to_async(sign_in)(cast.ada)
    socket = await connect(path, browser)
    await socket.connect(timeout=10)
    async with open_socket(path, cast.ada) as other:
        await sync_to_async(browser.post)(reverse("account_logout"))

        assert await close_code(socket) == SIGNED_OUT
        await socket.disconnect()
        if index == 1:
            await other.receive_json_from(timeout=10)
        assert await other.receive_nothing(timeout=0.3)


def lose_membership(cast: Cast) -> None:
    remove_member(actor=None, team=cast.team, user=cast.grace)


def become_student(cast: Cast) -> None:
    set_role(actor=None, team=cast.team, user=cast.grace, role=Role.STUDENT)


def lose_account(cast: Cast) -> None:
    _admin_posts(cast, "admin:accounts_user_delete", cast.grace, {"post": "yes"})


def be_deactivated(cast: Cast) -> None:
    form = {
        "username": cast.grace.username,
        "password": cast.grace.password,
        "date_joined_0": "2026-01-01",
        "date_joined_1": "10:00",
    }
    _admin_posts(cast, "admin:accounts_user_change", cast.grace, form)


def change_password(cast: Cast) -> None:
    browser = sign_in(cast.grace)
    form = {"oldpassword": "grace-secret-1", "password1": "quite-Another-9", "password2": "quite-Another-9"}
    assert browser.post(reverse("account_change_password"), form).status_code == 302


def _admin_posts(cast: Cast, page: str, user: User, form: dict[str, Any]) -> None:
    response = cast.client(cast.admin).post(reverse(page, args=[user.pk]), form)
    assert response.status_code == 302, response.content


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        (lose_membership, NOT_FOUND),
        (become_student, NOT_FOUND),
        (lose_account, SIGNED_OUT),
        (be_deactivated, SIGNED_OUT),
        (change_password, SIGNED_OUT),
    ],
)
@pytest.mark.parametrize("kind", ["terminal", "log"])
async def test_a_teacher_who_loses_the_role_loses_the_sockets(
    cast: Cast, loss: Callable[[Cast], None], code: int, kind: str
) -> None:
    lab = await sync_to_async(cast.launch)()
    async with open_socket(f"/ws/labs/{lab.uuid}/{kind}/", cast.grace) as socket:
        await sync_to_async(loss)(cast)
        assert await close_code(socket) == code


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_a_session_whose_time_is_over_loses_its_sockets(cast: Cast, index: int) -> None:
    lab = await sync_to_async(cast.launch)()
    browser = await sync_to_async(sign_in)(cast.ada)
    soon = timezone.now() + timedelta(seconds=1)
    await Session.objects.filter(pk=browser.cookies[settings.SESSION_COOKIE_NAME].value).aupdate(expire_date=soon)
    socket = await connect(paths(lab)[index], browser)
    await socket.connect(timeout=10)
    assert await close_code(socket) == SIGNED_OUT
    await socket.disconnect()


async def test_a_live_page_connects_again_when_roles_change(cast: Cast) -> None:
    async with open_socket(LIVE_PATH, cast.grace) as socket:
        await sync_to_async(become_student)(cast)
        assert await close_code(socket) == AGAIN


@pytest.mark.parametrize("kind", ["terminal", "log"])
async def test_a_removed_lab_closes_its_sockets(cast: Cast, kind: str) -> None:
    lab = await sync_to_async(cast.launch)()
    async with open_socket(f"/ws/labs/{lab.uuid}/{kind}/", cast.ada) as socket:
        await sync_to_async(forget)(lab)
        assert await close_code(socket) == NOT_FOUND


async def test_a_lab_whose_engine_is_away_asks_to_come_again(cast: Cast) -> None:
    lab = await sync_to_async(cast.launch)()
    await Lab.objects.filter(pk=lab.pk).aupdate(state="running", container_id="c0ffee")
    for kind in ("terminal", "log"):
        async with open_socket(f"/ws/labs/{lab.uuid}/{kind}/", cast.ada) as socket:
            assert await close_code(socket) == AGAIN


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_a_socket_without_redis_ends_since_nobody_could_close_it(cast: Cast, redis: Redis, index: int) -> None:
    lab = await sync_to_async(cast.launch)()
    async with open_socket(paths(lab)[index], cast.ada) as socket:
        await sync_to_async(redis.execute_command)("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert await close_code(socket) == AGAIN
