"""Doors: folders with a tenant's socket, under names that no tenant can make up."""

import os
import socket
import stat
from pathlib import Path

import pytest

from engine.core.tenants import Tenant
from engine.tenants.doors import Doors

TEAM, ADA, ODD = Tenant("demo"), Tenant("demo", "ada"), Tenant("demo.sock", "ada.sock")


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    doors = Doors(tmp_path / "tenants")
    doors.prepare([TEAM, ADA, ODD], in_use=[])
    return doors


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def test_each_tenant_has_a_socket_of_its_own(doors: Doors) -> None:
    """Also a team whose name is that of another's socket."""
    tenants = (TEAM, ADA, ODD, Tenant("demo.sock"))
    bound = [doors.bind(tenant) for tenant in tenants]
    for sock in bound:
        sock.listen()
    assert len({doors.name(tenant).resolve() for tenant in tenants}) == len(tenants)
    assert all(connects(doors.name(tenant)) for tenant in tenants)
    for sock in bound:
        sock.close()


def test_the_next_socket_is_found_in_the_same_folder(doors: Doors) -> None:
    """Who has mounted the folder finds it, however the former daemon ended."""
    first = doors.bind(ADA)
    folder_fd = os.open(doors.door(ADA), os.O_PATH)
    first.close()
    assert not connects(Path(f"/proc/self/fd/{folder_fd}/docker.sock"))
    second = doors.bind(ADA)
    second.listen()
    assert connects(Path(f"/proc/self/fd/{folder_fd}/docker.sock"))
    assert [path.name for path in doors.door(ADA).iterdir()] == ["docker.sock"]
    os.close(folder_fd)
    second.close()


def test_closing_leaves_the_folder_and_removing_leaves_nothing(doors: Doors, tmp_path: Path) -> None:
    doors.bind(ADA).close()
    doors.close(ADA)
    assert not os.path.lexists(doors.name(ADA))
    assert [*doors.door(ADA).iterdir()] == []
    doors.remove(ADA)
    assert {path.name for path in (tmp_path / "tenants").rglob("*")} == {".socket", ".doors"}


def test_what_a_former_daemon_left_of_the_unknown_is_swept(doors: Doors, tmp_path: Path) -> None:
    for tenant in (TEAM, ADA, ODD):
        doors.bind(tenant).close()
    again = Doors(tmp_path / "tenants")
    again.prepare([], in_use=[ODD])
    assert [tenant for tenant in (TEAM, ADA, ODD) if again.door(tenant).exists()] == [ODD]
    assert not os.path.lexists(again.name(ADA))


def test_the_root_is_closed_and_a_socket_open_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o177)
    try:
        doors = Doors(tmp_path / "tenants")
        doors.make_door(ADA)
        doors.bind(ADA).close()
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tenants", doors.door(ADA), doors.name(ADA))]
    assert modes == [0o700, 0o755, 0o666]


def test_halves_of_a_killed_daemon_go_with_who_is_not_known_any_more(doors: Doors, tmp_path: Path) -> None:
    doors.bind(ADA).close()
    for half in (doors.door(ADA) / ".docker.sock.new", doors.name(ADA).with_name(".ada.sock.new")):
        half.touch()
    (doors.door(Tenant("gone")).parent).mkdir()
    Doors(tmp_path / "tenants").prepare([], in_use=[])
    assert [path.name for path in (tmp_path / "tenants").rglob("*")] == [".doors", ".socket"]
