"""Backup and restore of volumes: whole or not at all, on the tenant's account, and nothing in an archive leads outside."""

import contextlib
import http.client
import io
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.engine.daemon import PATIENCE_SECONDS, Answer, EngineDaemon, wait_until
from tests.engine.service.test_volumes import ADA, BOB, binds, data_path, ensure_image, member, names, said, volumes

pytestmark = pytest.mark.requires_root
TAR = {"Content-Type": "application/x-tar"}


@pytest.fixture
def clean(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """The file's engine without volumes."""
    yield engine
    engine.remove_containers()
    for volume in volumes(engine):
        engine.request("DELETE", f"/volumes/{volume['Atelier']['Id']}")
    assert volumes(engine) == []


def make(engine: EngineDaemon, name: str = "data", tenant: str = "", **fields: object) -> None:
    assert engine.request("POST", "/volumes/create", {"Name": name, **fields}, tenant=tenant).status == 201


def backup(engine: EngineDaemon, name: str = "data", tenant: str = "") -> bytes:
    answer = engine.request("GET", f"/volumes/{name}/archive", tenant=tenant)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-tar"), answer.body
    return answer.body


def restore(engine: EngineDaemon, archive: bytes, name: str = "data", tenant: str = "") -> Answer:
    return engine.request(
        "PUT", f"/volumes/{name}/archive", archive, headers={"Content-Type": "application/x-tar"}, tenant=tenant
    )


def archive_of(*members: tuple[str, dict[str, Any]], mode: str = "w") -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode=mode) as archive:  # type: ignore[call-overload]  # the mode is the table's
        for name, fields in members:
            member(archive, name, **fields)
    return output.getvalue()


def one_file(content: bytes = b"restored") -> bytes:
    return archive_of(("f", {"data": content}))


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> dict[str, Any]:
    return {"kind": kind, "linkname": target}


def content(engine: EngineDaemon, name: str = "data") -> dict[str, bytes]:
    found = data_path(engine, name)
    return {str(path.relative_to(found)): path.read_bytes() for path in found.rglob("*") if path.is_file()}


def nothing_is_left(engine: EngineDaemon) -> bool:
    return not list((engine.data_path / "engine/volumes/staging").iterdir())


def test_all_that_a_file_is_comes_back(clean: EngineDaemon) -> None:
    script = """cd /v; mkdir -p a/b; echo one >a/b/f; chown 7:8 a/b/f; chmod 4751 a/b/f; ln a/b/f hard; ln -s ../nowhere a/link
        mkfifo pipe; truncate -s 5000000 sparse; echo x >.wh.a; touch -d '2001-02-03 04:05:06' a/b; chown 5:6 .; chmod 1770 ."""
    look = "cd /v; find . | sort | xargs stat -c '%n %u:%g %a %F %h %s %Y' | grep -v '^. '; stat -c '%u:%g %a' .; cat hard .wh.a"
    said(clean, "sh", "-c", script, **binds("data:/v"))
    before = said(clean, "sh", "-c", look, **binds("data:/v"))
    archive = backup(clean)
    make(clean, "other")
    assert restore(clean, archive, "other").status == 200
    assert said(clean, "sh", "-c", look, **binds("other:/v")) == before
    assert "4751" in before
    assert backup(clean, "other") == archive
    assert (data_path(clean, "other") / "sparse").stat().st_blocks == 0
    assert nothing_is_left(clean)


def test_the_old_files_are_gone_and_the_volume_is_the_same(clean: EngineDaemon) -> None:
    make(clean, Labels={"a": "b"})
    was = clean.request("GET", "/volumes/data").document
    assert restore(clean, archive_of(("old", {}))).status == 200
    answer = restore(clean, one_file())
    assert (answer.status, answer.document) == (200, was)
    assert content(clean) == {"f": b"restored"}
    assert clean.request("GET", "/volumes/data").document == was


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_packed_archives_are_taken(clean: EngineDaemon, mode: str) -> None:
    make(clean)
    assert restore(clean, archive_of(("f", {"data": b"x"}), mode=mode)).status == 200
    assert content(clean) == {"f": b"x"}


def test_an_empty_volume_comes_back_empty(clean: EngineDaemon) -> None:
    make(clean)
    make(clean, "other")
    archive = backup(clean)
    assert restore(clean, one_file(), "other").status == 200
    assert restore(clean, archive, "other").status == 200
    assert content(clean, "other") == {}


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        ("no archive", b"x" * 2000),
        ("nothing", b""),
        ("a path that climbs", archive_of(("../../../../etc/evil", {"data": b"x"}))),
        ("a path through a link", archive_of(("l", link("/etc")), ("l/evil", {}))),
        ("a hard link to the outside", archive_of(("passwd", link("../../../etc/passwd", tarfile.LNKTYPE)))),
        ("a hard link through a link", archive_of(("l", link("/etc")), ("x", link("l/passwd", tarfile.LNKTYPE)))),
        ("a file in the root's place", archive_of((".", {"data": b"x"}))),
        ("the end missing", one_file(b"y" * 4000)[:2000]),
        ("good ones first", one_file()[:1024] + b"x" * 1024),
        ("an unknown kind", archive_of(("q", {"kind": b"Q"}))),
        ("packed rubbish", b"\x1f\x8b\x08\0" + b"x" * 2000),
    ],
)
def test_a_bad_archive_changes_nothing(clean: EngineDaemon, name: str, archive: bytes) -> None:
    make(clean)
    assert restore(clean, one_file(b"before")).status == 200
    answer = restore(clean, archive)
    assert answer.status == 400, (name, answer.body)
    assert content(clean) == {"f": b"before"}
    assert not Path("/etc/evil").exists()
    assert nothing_is_left(clean)


def test_what_a_volume_cannot_hold_is_left_out_or_made_harmless(clean: EngineDaemon) -> None:
    archive = archive_of(
        ("null", {"kind": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
        ("disk", {"kind": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0}),
        ("/absolute", {"data": b"x"}),
        ("link", link("/etc/passwd")),
        ("stranger", {"data": b"x", "uid": 4_000_000, "gid": 70_000}),
        ("root", {"data": b"x", "mode": 0o4755}),
    )
    make(clean)
    assert restore(clean, archive).status == 200
    look = "cd /v; for f in *; do stat -c '%n %u:%g %a' $f; done; cat link | head -1 | cut -d: -f1"
    shown = said(clean, "sh", "-c", look, **binds("data:/v"))
    assert shown.splitlines() == ["absolute 0:0 644", "link 0:0 777", "root 0:0 4755", "stranger 0:0 644", "root"]


def test_holes_of_an_archive_fill_no_disk(clean: EngineDaemon) -> None:
    """A header tells of a terabyte, and brings one block."""
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "bomb", "GNU.sparse.realsize": str(2**40)}
    extents = b"1\n0\n512\n".ljust(512, b"\0")

    archive = archive_of(("GNUSparseFile.0/bomb", {"data": extents + b"x" * 512, "pax_headers": records}))
    make(clean)
    assert restore(clean, archive).status == 200
    bomb = (data_path(clean, "data") / "bomb").stat()
    assert (bomb.st_size, bomb.st_blocks * 512 < 2**20) == (2**40, True)


def test_another_tenants_volume_cannot_be_had(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    assert restore(clean, one_file(), tenant=ADA).status == 200
    volume_id = volumes(clean)[0]["Atelier"]["Id"]
    for name in ("data", volume_id):
        assert clean.request("GET", f"/volumes/{name}/archive", tenant=BOB).status == 404
        assert restore(clean, one_file(b"evil"), name, tenant=BOB).status == 404
    assert content(clean) == {"f": b"restored"}
    assert b"restored" in backup(clean, tenant=ADA)


def test_a_volume_is_not_replaced_beneath_a_running_container(clean: EngineDaemon) -> None:
    ensure_image(clean, ADA)
    running = clean.run("sleep", "600", tenant=ADA, **binds("data:/v"))
    said(clean, "sh", "-c", "echo before >/v/f", tenant=ADA, **binds("data:/v"))
    answer = restore(clean, one_file(), tenant=ADA)
    assert (answer.status, running[:12] in answer.message) == (409, True)
    clean.request("POST", f"/containers/{running}/pause")
    assert restore(clean, one_file(), tenant=ADA).status == 409
    assert content(clean) == {"f": b"before\n"}
    assert b"before\n" in backup(clean, tenant=ADA)
    clean.request("POST", f"/containers/{running}/unpause")
    clean.request("POST", f"/containers/{running}/stop?t=0")
    assert restore(clean, one_file(b"after"), tenant=ADA).status == 200
    clean.request("POST", f"/containers/{running}/start")
    done = clean.request("POST", f"/containers/{running}/exec", {"Cmd": ["cat", "/v/f"], "AttachStdout": True})
    assert b"after" in clean.request("POST", f"/exec/{done.document['Id']}/start", {}).body


def test_restores_and_starts_at_once_show_one_or_the_other(clean: EngineDaemon) -> None:
    """A container that runs has the files of the volume, never those that have gone."""
    make(clean)
    assert restore(clean, one_file(b"0")).status == 200
    container = clean.create("sh", "-c", "while :; do sleep 0.05; done", **binds("data:/v"))
    ended = threading.Event()

    def restart() -> None:
        while not ended.is_set():
            clean.request("POST", f"/containers/{container}/start")
            clean.request("POST", f"/containers/{container}/stop?t=0")
            ended.wait(0.02)

    starter = threading.Thread(target=restart)
    starter.start()
    statuses = [restore(clean, one_file(str(number).encode())).status for number in range(60)]
    ended.set()
    starter.join()
    assert set(statuses) <= {200, 409}
    last = max((number for number, status in enumerate(statuses) if status == 200), default=0)
    assert content(clean) == {"f": str(last).encode()}
    assert nothing_is_left(clean)


@pytest.mark.parametrize("part", ["a header", "half a file", "all files but not the end", "nothing"])
def test_a_client_that_leaves_changes_nothing(clean: EngineDaemon, part: str) -> None:
    make(clean)
    assert restore(clean, one_file(b"before")).status == 200
    whole = one_file(b"y" * 512 * 1000)
    sent = {"a header": 512, "half a file": 200_000, "all files but not the end": 512 * 1001, "nothing": 0}[part]
    head = f"PUT /volumes/data/archive HTTP/1.1\r\nHost: x\r\nContent-Length: {len(whole)}\r\n\r\n".encode()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_SECONDS)
        client.connect(str(clean.socket_path))
        client.sendall(head + whole[:sent])
        wait_until(lambda: not nothing_is_left(clean), "the restore to begin")
    wait_until(lambda: nothing_is_left(clean), "the restore to end")
    assert content(clean) == {"f": b"before"}


def test_a_killed_daemon_leaves_the_old_files(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    make(engine)
    assert restore(engine, one_file(b"before")).status == 200
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_SECONDS)
        client.connect(str(engine.socket_path))
        client.sendall(b"PUT /volumes/data/archive HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + one_file()[:1024])
        wait_until(lambda: not nothing_is_left(engine), "the restore to begin")
        engine.kill()
    engine.start()
    assert content(engine) == {"f": b"before"}
    assert nothing_is_left(engine)
    assert restore(engine, one_file()).status == 200
    assert content(engine) == {"f": b"restored"}


def test_a_daemon_killed_at_any_moment_leaves_one_or_the_other(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    make(engine)
    assert restore(engine, one_file(b"0")).status == 200
    for _ in range(4):
        restorer = threading.Thread(target=_restore_on, args=(engine,))
        restorer.start()
        changed = content(engine)
        wait_until(partial(_is_changed, engine, changed), "some restores")
        engine.kill()
        restorer.join()
        engine.start()
        (left,) = content(engine).values()
        assert left.isdigit()
        assert names(engine) == ["data"]
        assert nothing_is_left(engine)


def _is_changed(engine: EngineDaemon, was: dict[str, bytes]) -> bool:
    """In the moment in which files change places none may be found."""
    with contextlib.suppress(FileNotFoundError):
        return content(engine) not in ({}, was)
    return False


def _restore_on(engine: EngineDaemon) -> None:
    for number in range(1000):
        try:
            restore(engine, one_file(str(number).encode()))
        except (OSError, ValueError, http.client.HTTPException):  # whatever a dying daemon's half answer provokes
            return


def test_a_reader_that_does_not_read_holds_up_nobody_and_never_takes_half_an_archive_for_a_whole(clean: EngineDaemon) -> None:
    make(clean)
    assert restore(clean, archive_of(*((f"f{n}", {"data": b"x" * 400_000}) for n in range(30)))).status == 200
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_SECONDS)
        client.connect(str(clean.socket_path))
        client.sendall(b"GET /volumes/data/archive HTTP/1.1\r\nHost: x\r\n\r\n")
        read = client.recv(65536)
        assert b"200 OK" in read
        assert len(backup(clean)) > 30 * 400_000
        assert clean.request("DELETE", "/volumes/data").status == 204
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(1 << 20):
                read = read[-10:] + piece
        assert not read.endswith(b"0\r\n\r\n")


def test_volumes_without_files_of_their_own_have_no_archive(clean: EngineDaemon, tmp_path: Path) -> None:
    make(clean, "memory", DriverOpts={"type": "tmpfs", "device": "tmpfs"})
    make(clean, "folder", DriverOpts={"type": "none", "device": str(tmp_path), "o": "bind"})
    for name in ("memory", "folder"):
        assert clean.request("GET", f"/volumes/{name}/archive").status == 409
        assert restore(clean, one_file(), name).status == 409
    assert list(tmp_path.iterdir()) == []
