"""What the engine refuses to a lab's commands is told to who looks at that lab, once a look, with what would help."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from portal.streams.refusals import RefusalBoard, may_watch
from tests.portal.conftest import Cast
from tests.portal.programs import Programs
from tests.portal.streams.sockets import open_socket

PATH = "/ws/usage/"
FULL = {"resource": "running", "limit": 1, "used": 1, "requested": 1, "tenant": "demo/ada"}
SLEEP = {"Image": "atelier/shell:latest", "Cmd": ["sleep", "600"]}


def document(count: int, *, name: str = "demo/ada", figures: object = FULL) -> list[dict[str, Any]]:
    return [{"name": name, "refusals": {"running": count} if count else {}, "last_refusal": figures if count else None}]


@pytest.mark.parametrize(
    ("acting", "tenant", "is_seen"),
    [
        ([""], "demo/ada", True),
        (["demo"], "demo/ada", True),
        (["demo"], "demo", True),
        (["demo/ada"], "demo/ada", True),
        (["demo/ada"], "demo", False),
        (["demo/ada"], "demo/alan", False),
        (["demo"], "demo2/ada", False),
        (["other", "demo/ada"], "demo/alan", False),
        (["demo"], "", False),
        ([""], "", False),
        ([], "demo/ada", False),
    ],
)
def test_who_may_watch_whom(acting: list[str], tenant: str, *, is_seen: bool) -> None:
    assert may_watch(tenant, acting=acting) == is_seen


def test_what_was_refused_before_one_looked_is_no_news() -> None:
    board = RefusalBoard()
    board.watch("demo/ada")
    board.take(document(7))
    assert board.news() is None
    board.take(document(7))
    assert board.news() is None


def test_many_refusals_between_two_looks_are_one_piece_of_news() -> None:
    board = RefusalBoard()
    board.watch("demo/ada")
    for count in (0, 1, 50):
        board.take(document(count))
    assert board.news() == FULL
    assert board.news() is None


def test_a_daemon_that_counts_anew_tells_of_the_next_refusal() -> None:
    board = RefusalBoard()
    board.watch("demo/ada")
    for count in (9, 0):
        board.take(document(count))
    assert board.news() is None
    board.take(document(1))
    assert board.news() == FULL


def test_refusals_of_others_and_of_who_was_watched_before_are_no_news() -> None:
    board = RefusalBoard()
    board.watch("demo/ada")
    for count in (0, 1):
        board.take(document(count, name="demo/alan"))
    assert board.news() is None
    for count in (0, 1):
        board.take(document(count))
    board.watch("demo/alan")
    assert board.news() is None


async def told(socket: Any, *, is_end: Any) -> list[dict[str, Any]]:
    """Read, and show, messages up to the one that is the end of them."""
    messages: list[dict[str, Any]] = []
    while not messages or not is_end(messages[-1]):
        messages.append(await socket.receive_json_from(timeout=20))
        await socket.send_json_to({"type": "shown", "mark": messages[-1]["mark"]})
    return messages


def tells_of(tenant: str) -> Any:
    return lambda message: message["type"] == "usage" and tenant in message["tenants"]


async def ask(programs: Programs, method: str, path: str, body: object = None, *, tenant: str = "") -> Any:
    return await sync_to_async(programs.engine.request)(method, path, body, tenant=tenant)


async def start_one(programs: Programs, name: str) -> int:
    created = await ask(programs, "POST", f"/containers/create?name={name}", SLEEP, tenant="demo/ada")
    return int((await ask(programs, "POST", f"/containers/{created.document['Id']}/start", tenant="demo/ada")).status)


@pytest.mark.requires_root
@pytest.mark.django_db(transaction=True)
async def test_a_refused_start_is_told_with_buttons_in_the_readers_words(school: Cast, programs: Programs) -> None:
    await ask(programs, "PUT", "/tenants/demo/ada", {"running": 1})
    async with open_socket(PATH, school.ada) as socket, open_socket(PATH, school.grace) as teacher:
        for one in (socket, teacher):
            await one.send_json_to({"type": "watch", "tenant": "demo/ada"})
            await told(one, is_end=tells_of("demo/ada"))
        assert [await start_one(programs, "web"), *[await start_one(programs, f"more{number}") for number in range(3)]] == [
            204,
            403,
            403,
            403,
        ]
        own, seen = [(await told(one, is_end=lambda message: message["type"] == "refused"))[-1] for one in (socket, teacher)]
    assert (own["tenant"], own["resource"], own["needed"]) == ("demo/ada", "running", 1)
    assert "you have 0 left of 1" in own["text"]
    assert "ada has 0 left of 1" in seen["text"]
    assert "Stop web" in own["html"]
    assert "resource=running" in own["html"]
    assert "labs/launch" not in own["html"]


@pytest.mark.requires_root
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("watched", ["demo", "demo/ada", "other/oscar", ""])
async def test_a_student_is_told_of_no_refusal_of_others(school: Cast, programs: Programs, watched: str) -> None:
    await ask(programs, "PUT", "/tenants/demo/ada", {"running": 0})
    await ask(programs, "PUT", "/tenants/demo/alan", {"pids": 500})
    async with open_socket(PATH, school.alan) as socket:
        await socket.send_json_to({"type": "watch", "tenant": watched})
        await told(socket, is_end=tells_of("demo/alan"))
        assert await start_one(programs, "web") == 403
        await ask(programs, "PUT", "/tenants/demo/alan", {"pids": 400})
        messages = await told(socket, is_end=lambda message: "400" in str(message["tenants"].get("demo/alan")))
    assert {message["type"] for message in messages} == {"usage"}


@pytest.mark.requires_root
@pytest.mark.django_db(transaction=True)
async def test_who_hears_nothing_new_for_long_hears_the_next_change(school: Cast, programs: Programs) -> None:
    """Looks without news take no room of what a browser may be behind."""
    await ask(programs, "PUT", "/tenants/demo/ada", {"pids": 500})
    async with open_socket(PATH, school.ada) as socket:
        while not await socket.receive_nothing(timeout=5):
            await told(socket, is_end=lambda message: True)  # of whomever it tells
        await ask(programs, "PUT", "/tenants/demo/ada", {"pids": 400})
        await told(socket, is_end=tells_of("demo/ada"))
