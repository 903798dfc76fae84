"""Sizes of volumes, and what a tenant's volumes take, on a disk that counts: a limit that is hit hurts nobody else."""

import os
from collections.abc import Iterator

import pytest

from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.test_volume_archive import backup, content, make, one_file, restore
from tests.engine.service.test_volumes import ADA, BOB, binds, data_path, names, said, volumes

pytestmark = pytest.mark.requires_root
MIB = 2**20


@pytest.fixture(scope="module")
def counting() -> Iterator[EngineDaemon]:
    """An engine on a disk of its own that counts."""
    daemon = EngineDaemon()
    daemon.disk = "image"
    try:
        daemon.start().import_busybox()
        for tenant in (ADA, BOB):
            said(daemon, "true", tenant=tenant)  # who never had a container is not known
        yield daemon
    finally:
        daemon.destroy()


@pytest.fixture
def clean(counting: EngineDaemon) -> Iterator[EngineDaemon]:
    """The file's engine without volumes and limits."""
    yield counting
    counting.remove_containers()
    for volume in volumes(counting):
        counting.request("DELETE", f"/volumes/{volume['Atelier']['Id']}")
    for tenant in ("demo", ADA, BOB):
        counting.request("DELETE", f"/tenants/{tenant}")


def limit(engine: EngineDaemon, tenant: str, further_bytes: int) -> None:
    """Let a tenant have so much more than it has."""
    used = engine.request("GET", f"/tenants/{tenant}").document["usage"]["disk"]
    answer = engine.request("PUT", f"/tenants/{tenant}", {"disk": used + further_bytes})
    assert answer.status == 200, answer.body


def fits(engine: EngineDaemon, name: str, mib: int, tenant: str = "", file: str = "f") -> bool:
    """Whether so much can be written to a volume. The container's output says nothing of it: that is stored with the rest."""
    command = f"dd if=/dev/urandom of=/v/{file} bs=1M count={mib} && sync /v; code=$?; rm -f /v/{file}; exit $code"
    container = engine.run("sh", "-c", command, tenant=tenant, **binds(f"{name}:/v"))
    code = engine.wait(container)
    engine.request("DELETE", f"/containers/{container}?v=1")
    return code == 0


def random_file(mib: int) -> bytes:
    return one_file(os.urandom(mib * MIB))


def test_a_size_holds_for_its_volume_alone(clean: EngineDaemon) -> None:
    make(clean, "small", DriverOpts={"size": "10m"})
    make(clean, "other")
    assert clean.request("GET", "/volumes/small").document["Options"] == {"size": "10m"}
    assert not fits(clean, "small", 14)
    assert fits(clean, "small", 8)
    assert fits(clean, "other", 14)


@pytest.mark.parametrize(
    "options",
    [
        "--mount type=volume,src=small,dst=/v,volume-opt=size=10m",
        "--mount type=volume,dst=/v,volume-driver=local,volume-opt=size=10m",
    ],
)
def test_a_size_that_comes_with_a_mount(clean: EngineDaemon, options: str) -> None:
    done = clean.shell(f"$D run --rm {options} busybox dd if=/dev/urandom of=/v/f bs=1M count=14")
    assert done.returncode == 1
    assert b"quota exceeded" in done.stderr


def test_a_size_holds_after_a_restart_and_a_restore(clean: EngineDaemon) -> None:
    make(clean, "small", DriverOpts={"size": "10m"})
    assert restore(clean, one_file(), "small").status == 200
    clean.kill()
    clean.start()
    assert not fits(clean, "small", 14, file="g")
    assert content(clean, "small") == {"f": b"restored"}


def test_a_volume_asked_for_again_keeps_its_size(clean: EngineDaemon) -> None:
    make(clean, "small", DriverOpts={"size": "10m"})
    make(clean, "small", DriverOpts={"size": "100m"})
    assert clean.request("GET", "/volumes/small").document["Options"] == {"size": "10m"}
    assert not fits(clean, "small", 14)


def test_an_archive_that_is_larger_than_the_volume_changes_nothing(clean: EngineDaemon) -> None:
    make(clean, "small", DriverOpts={"size": "10m"})
    assert restore(clean, one_file(b"before"), "small").status == 200
    answer = restore(clean, random_file(14), "small")
    assert (answer.status, answer.document["quota"]["limit"], "small" in answer.message) == (403, 10 * MIB, True), answer.body
    assert content(clean, "small") == {"f": b"before"}
    assert not list((clean.data_path / "engine/volumes/staging").iterdir())


def test_an_archive_beyond_the_tenants_quota_changes_nothing(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    assert restore(clean, one_file(b"before"), tenant=ADA).status == 200
    used = _used(clean)
    limit(clean, ADA, 10 * MIB)
    answer = restore(clean, random_file(20), tenant=ADA)
    assert (answer.status, answer.document["quota"]["tenant"]) == (403, ADA), answer.body
    assert content(clean) == {"f": b"before"}
    wait_until(lambda: _used(clean) - used < MIB, "the room to come back")
    assert fits(clean, "data", 5, ADA)


def test_a_copy_of_the_image_that_does_not_fit_leaves_nothing(clean: EngineDaemon) -> None:
    script = "head -c 14000000 /dev/urandom >/big/f"
    done = clean.shell(f"$D run --name c1 busybox sh -c 'mkdir /big; {script}' && $D commit c1 big && $D rm c1")
    assert done.returncode == 0, done
    done = clean.shell("$D create --mount type=volume,src=small,dst=/big,volume-opt=size=10m big true")
    assert (done.returncode, b"small is full" in done.stderr) == (1, True), done
    assert names(clean) == []
    make(clean, "small", DriverOpts={"size": "10m"})
    done = clean.shell("$D create -v small:/big big true")
    assert done.returncode == 1
    assert content(clean, "small") == {}
    assert fits(clean, "small", 8)
    clean.shell("$D rmi big")


def test_who_fills_a_volume_hurts_nobody_else(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    make(clean, tenant=BOB)
    used = _used(clean)
    limit(clean, ADA, 10 * MIB)
    assert not fits(clean, "data", 20, ADA)
    full = clean.run("sh", "-c", "dd if=/dev/urandom of=/v/f bs=1M count=20; sleep 600", tenant=ADA, **binds("data:/v"))
    wait_until(lambda: _used(clean) - used > 9 * MIB, "the volume to be full", hint=lambda: str(_used(clean) - used))
    assert fits(clean, "data", 14, BOB)
    assert clean.request("POST", "/volumes/create", {"Name": "more"}, tenant=BOB).status == 201
    assert clean.request("DELETE", f"/containers/{full}?force=1", tenant=ADA).status == 204
    assert clean.request("DELETE", "/volumes/data", tenant=ADA).status == 204
    wait_until(lambda: _used(clean) - used < MIB, "the room to come back")
    make(clean, "again", tenant=ADA)
    assert fits(clean, "again", 5, ADA)


def test_a_teams_volumes_share_its_quota(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    make(clean, tenant=BOB)
    limit(clean, "demo", 20 * MIB)
    running = clean.run(
        "sh", "-c", "dd if=/dev/urandom of=/v/f bs=1M count=15; sync /v; echo done; sleep 600", tenant=ADA, **binds("data:/v")
    )
    wait_until(lambda: b"done" in clean.output(running), "ada's volume to be filled")
    assert not fits(clean, "data", 15, BOB)


def test_what_is_told_is_what_the_kernel_counts(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    used = _used(clean)
    assert restore(clean, random_file(8), tenant=ADA).status == 200
    (told,) = clean.request("GET", "/system/df?type=volume", tenant=ADA).document["Volumes"]
    assert 8 * MIB <= told["UsageData"]["Size"] < 9 * MIB
    wait_until(
        lambda: 8 * MIB <= _used(clean) - used < 9 * MIB, "the tenant's account to tell of it", hint=lambda: str(_used(clean))
    )
    pruned = clean.request("POST", '/volumes/prune?filters={"all":["1"]}', tenant=ADA).document
    assert 8 * MIB <= pruned["SpaceReclaimed"] < 9 * MIB
    wait_until(lambda: _used(clean) <= used, "the room to come back", hint=lambda: str(_used(clean)))


def _used(engine: EngineDaemon) -> int:
    return int(engine.request("GET", f"/tenants/{ADA}").document["usage"]["disk"])


def test_many_restores_leave_no_room_taken(clean: EngineDaemon) -> None:
    make(clean, tenant=ADA)
    used = _used(clean)
    for _ in range(10):
        assert restore(clean, random_file(3), tenant=ADA).status == 200
    wait_until(lambda: _used(clean) - used < 5 * MIB, "old files to be given back", hint=lambda: str(_used(clean) - used))
    assert len(backup(clean, tenant=ADA)) > 3 * MIB
    assert data_path(clean, "data").stat().st_mode & 0o7777 == 0o755
