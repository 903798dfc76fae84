"""What a tenant might try by its volumes: to read the host's files, another's, or what it is not told."""

import io
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.daemon import Answer, EngineDaemon
from tests.engine.service.test_volume_archive import backup, content, make, one_file, restore
from tests.engine.service.test_volumes import ADA, BOB, binds, ensure_image, said, volumes

pytestmark = pytest.mark.requires_root
ROUNDS = 40
SECRET = "the host's own"


@pytest.fixture
def clean(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """The file's engine without volumes; both tenants have the image."""
    for tenant in (ADA, BOB):
        ensure_image(engine, tenant)
    yield engine
    engine.remove_containers()
    for volume in volumes(engine):
        engine.request("DELETE", f"/volumes/{volume['Atelier']['Id']}")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder of the host's that anybody could read who got there."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "f").write_text(SECRET)
    return tmp_path


def _swapping(target: str) -> str:
    """A program that lets a folder of a volume be itself and a link, in turn."""
    return f"cd /v; mkdir -p a real; echo mine >a/f; while :; do mv a real/b; ln -s {target} a; rm a; mv real/b a; done"


@pytest.mark.parametrize("climbs", [True, False], ids=["by dots", "by an absolute path"])
def test_a_part_of_a_volume_that_becomes_a_link_while_it_is_mounted_leads_nowhere(
    clean: EngineDaemon, secret: Path, climbs: bool
) -> None:
    target = "../../../../../../../../.." + str(secret) if climbs else str(secret)
    swapper = clean.run("sh", "-c", _swapping(target), tenant=ADA, **binds("data:/v"))
    mount = {"Type": "volume", "Source": "data", "Target": "/x", "VolumeOptions": {"Subpath": "a", "NoCopy": True}}
    wanted = {"Image": "busybox", "Cmd": ["cat", "/x/f"], "HostConfig": {"Mounts": [mount]}}
    outputs, statuses = set(), set()
    for _ in range(ROUNDS):
        answer = clean.request("POST", "/containers/create", wanted, tenant=ADA)
        statuses.add(answer.status)
        if answer.status == 201:
            container = answer.document["Id"]
            if clean.request("POST", f"/containers/{container}/start", tenant=ADA).status == 204:
                clean.wait(container)
                outputs.add(clean.output(container))
            clean.request("DELETE", f"/containers/{container}?force=1")
        assert str(secret).encode() not in answer.body
    assert statuses <= {201, 400}
    assert not [output for output in outputs if SECRET.encode() in output]
    clean.request("DELETE", f"/containers/{swapper}?force=1")


def test_a_volume_that_changes_while_it_is_backed_up_gives_no_file_of_the_host(clean: EngineDaemon, secret: Path) -> None:
    swap = f"cd /v; mkdir d; while :; do echo mine >d/f; rm -r d; ln -s {secret} d; rm d; ln -s {secret}/f d; rm d; mkdir d; done"
    clean.run("sh", "-c", swap, tenant=ADA, **binds("data:/v"))
    for _ in range(ROUNDS):
        archive = backup(clean, tenant=ADA)
        assert SECRET.encode() not in archive
        with tarfile.open(fileobj=io.BytesIO(archive)) as read:
            assert {member.name for member in read} <= {".", "d", "d/f"}


def test_a_volume_of_the_hosts_folder_serves_its_administrators_only(clean: EngineDaemon, secret: Path) -> None:
    make(clean, "shared", DriverOpts={"type": "none", "o": "bind", "device": str(secret)})
    assert said(clean, "cat", "/v/f", **binds("shared:/v")) == SECRET
    holder = clean.create("true", name="holder", **binds("shared:/v"))
    assert "No such file" in said(clean, "cat", "/v/f", tenant=ADA, **binds("shared:/v"))
    (own,) = volumes(clean, ADA)
    assert own["Options"] is None
    for taken in ("holder", holder):
        wanted = {"Image": "busybox", "HostConfig": {"VolumesFrom": [taken]}}
        answer = clean.request("POST", "/containers/create", wanted, tenant=ADA)
        assert (answer.status, str(secret) in answer.message) == (400, False)
    assert clean.request("DELETE", "/volumes/shared").status == 409


def test_nobody_restores_or_removes_what_a_neighbour_or_its_team_has(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    make(clean, "teams", tenant="demo")
    assert restore(clean, one_file(b"adas"), tenant=ADA).status == 200
    ids = {volume["Name"]: volume["Atelier"]["Id"] for volume in volumes(clean)}
    for name in ("data", "teams", *ids.values()):
        assert restore(clean, one_file(b"bobs"), name, tenant=BOB).status == 404
        assert clean.request("DELETE", f"/volumes/{name}", tenant=BOB).status == 404
        assert clean.request("GET", f"/volumes/{name}/archive", tenant=BOB).status == 404
    assert clean.request("POST", '/volumes/prune?filters={"all":["1"]}', tenant=BOB).document["VolumesDeleted"] == []
    assert clean.request("GET", "/system/df", tenant=BOB).document["Volumes"] == []
    assert content(clean) == {"f": b"adas"}


def test_no_answer_tells_where_the_host_keeps_volumes(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    place = str(clean.root)
    told = [
        restore(clean, one_file(), tenant=ADA).body,
        restore(clean, b"x" * 1000, tenant=ADA).body,
        restore(clean, one_file()[:700], tenant=ADA).body,
        clean.request("POST", "/volumes/prune?dryrun=1", tenant=ADA).body,
        clean.request("GET", "/system/df?type=volume", tenant=ADA).body,
        clean.request("GET", "/volumes/none/archive", tenant=ADA).body,
        clean.request("POST", "/volumes/create", {"Name": "big", "DriverOpts": {"size": "1g"}}, tenant=ADA).body,
        clean.request("GET", "/events?since=1&until=2", tenant=ADA).body,
    ]
    subpath = {"Type": "volume", "Source": "data", "Target": "/x", "VolumeOptions": {"Subpath": "none"}}
    wanted = {"Image": "busybox", "HostConfig": {"Mounts": [subpath]}}
    told.append(clean.request("POST", "/containers/create", wanted, tenant=ADA).body)
    assert not [text for text in told if place.encode() in text]


def test_an_owner_keeps_the_rights_that_an_archive_names_inside_only(clean: EngineDaemon) -> None:
    """A set-user-id program of an archive is one of the container's root, as if made there; on the host nobody comes near it."""
    archive = backup_of_program(clean)
    make(clean, "got", tenant=ADA)
    assert restore(clean, archive, "got", tenant=ADA).status == 200
    folder = clean.data_path / "engine"
    assert folder.stat().st_mode & 0o077 == 0
    assert said(clean, "stat", "-c", "%u %a", "/v/id", tenant=ADA, User="1000:1000", **binds("got:/v")) == "0 4755\n"
    assert said(clean, "cat", "/proc/self/uid_map", tenant=ADA).split()[1] != "0"


def backup_of_program(engine: EngineDaemon) -> bytes:
    said(engine, "sh", "-c", "cp /bin/busybox /v/id; chmod 4755 /v/id", tenant=ADA, **binds("program:/v"))
    return backup(engine, "program", ADA)


def test_many_backups_that_nobody_reads_leave_the_neighbours_alone(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    make(clean, tenant=BOB)
    assert restore(clean, one_file(b"x" * 8_000_000), tenant=ADA).status == 200
    stalled = [_stalled_backup(clean) for _ in range(12)]
    try:
        assert restore(clean, one_file(b"bobs"), tenant=BOB).status == 200
        assert b"bobs" in backup(clean, tenant=BOB)
        assert clean.request("GET", "/volumes/data", tenant=ADA).status == 200
        assert clean.request("DELETE", "/volumes/data", tenant=ADA).status == 204
    finally:
        for connection in stalled:
            connection.close()
    make(clean, "again", tenant=ADA)
    assert restore(clean, one_file(), "again", tenant=ADA).status == 200


def _stalled_backup(engine: EngineDaemon) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(engine.socket_path))
    connection.sendall(f"GET /volumes/data/archive HTTP/1.1\r\nHost: x\r\nAtelier-Tenant: {ADA}\r\n\r\n".encode())
    return connection


def test_a_name_asked_for_restored_removed_and_pruned_at_once_is_whole_or_not_there(clean: EngineDaemon) -> None:
    ended = threading.Event()
    statuses: set[int] = set()

    def work(act: Callable[[], Answer]) -> None:
        while not ended.is_set():
            answer = act()
            statuses.add(answer.status)
            assert answer.status < 500, answer.body

    acts = [
        lambda: clean.request("POST", "/volumes/create", {"Name": "data"}, tenant=ADA),
        lambda: restore(clean, one_file(b"whole"), tenant=ADA),
        lambda: clean.request("DELETE", "/volumes/data", tenant=ADA),
        lambda: clean.request("POST", '/volumes/prune?filters={"all":["1"]}', tenant=ADA),
        lambda: clean.request("GET", "/volumes/data/archive", tenant=ADA),
    ]
    threads = [threading.Thread(target=work, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    ended.wait(3)
    ended.set()
    for thread in threads:
        thread.join()
    assert statuses <= {200, 201, 204, 404, 409}
    assert not list((clean.data_path / "engine/volumes/staging").iterdir())
    make(clean, tenant=ADA)
    assert content(clean) in ({}, {"f": b"whole"})
