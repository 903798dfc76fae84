"""Disk quotas: whatever a tenant writes counts, nothing goes past its limit, and nobody else notices."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon, PlainEngine, wait_until
from tests.engine.scripted_registry import scripted_registry
from tests.engine.service.building import build, build_archive, context_of
from tests.engine.service.counted import MIB, CountedEngine, counted_engine
from tests.engine.service.pulling import failure

pytestmark = pytest.mark.requires_root
LIMIT = 24 * MIB
FILL = "dd if=/dev/zero of={} bs=64k count=1600 2>&1"  # 100 MiB
REFUSED = "quota exceeded"


@pytest.fixture(scope="module")
def counted() -> Iterator[CountedEngine]:
    with counted_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def plain() -> Iterator[PlainEngine]:
    engine = PlainEngine()
    try:
        engine.start().import_busybox()
        yield engine
    finally:
        engine.destroy()


def noise(mib: int, name: str = "data") -> bytes:
    """A tar of one file that nothing makes smaller."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = mib * MIB
        archive.addfile(member, io.BytesIO(os.urandom(member.size)))
    return output.getvalue()


def limited(engine: CountedEngine, team: str, limit: int = LIMIT) -> str:
    """A member of a team, both with the limit."""
    engine.limit(team, limit)
    engine.limit(f"{team}/ada", limit)
    return f"{team}/ada"


def settled_use(engine: CountedEngine, tenant: str, most: int) -> None:
    wait_until(lambda: engine.used(tenant) <= most, "the space to come back", hint=lambda: str(engine.used(tenant)))


def assert_nothing_half_made(engine: EngineDaemon) -> None:
    data = engine.data_path / "engine"
    for folder in (data / "builds", data / "layers" / "staging", data / "trash"):
        wait_until(partial(_is_empty, folder), f"{folder.name} to be empty")


def _is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


def test_a_container_fills_its_size_and_no_more(counted: CountedEngine) -> None:
    sized = counted.run("sleep", "600", HostConfig={"StorageOpt": {"size": "12m"}}, tenant="size/ada")
    other = counted.run("sleep", "600", tenant="size/ada")
    assert counted.inspect(sized)["HostConfig"]["StorageOpt"] == {"size": "12m"}
    code, said = counted.script(sized, FILL.format("/big"))
    assert (code, REFUSED in said.lower()) == (1, True), said
    assert 10 * MIB <= counted.used("size") <= 13 * MIB
    assert counted.script(other, "dd if=/dev/zero of=/big bs=1M count=20 && sync")[0] == 0
    assert counted.script(sized, "rm /big && sync; dd if=/dev/zero of=/again bs=1M count=8")[0] == 0
    counted.request("DELETE", f"/containers/{sized}?force=1")
    counted.request("DELETE", f"/containers/{other}?force=1")
    settled_use(counted, "size", 0)


def test_two_containers_share_their_members_limit_and_two_members_their_teams(counted: CountedEngine) -> None:
    counted.limit("share", 30 * MIB)
    counted.limit("share/ada", 20 * MIB)
    first, second = (counted.run("sleep", "600", tenant="share/ada") for _ in range(2))
    third, neighbour = counted.run("sleep", "600", tenant="share/bob"), counted.run("sleep", "600", tenant="calm/eve")
    assert counted.script(first, "dd if=/dev/zero of=/big bs=1M count=12 && sync")[0] == 0
    assert REFUSED in counted.script(second, FILL.format("/big"))[1].lower()
    assert counted.used("share/ada") <= 20 * MIB + MIB // 4
    assert REFUSED in counted.script(third, FILL.format("/big"))[1].lower()
    assert 26 * MIB <= counted.used("share") <= 30 * MIB + MIB // 4
    assert counted.script(neighbour, "dd if=/dev/zero of=/big bs=1M count=40 && sync")[0] == 0
    assert counted.script(first, "rm /big && sync; dd if=/dev/zero of=/next bs=1M count=5")[0] == 0


WAYS_PAST = {
    "files that are open and deleted": "for i in $(seq 8); do exec 5>/f; rm /f; dd if=/dev/zero bs=1M count=8 >&5 & done; wait",
    "names of one file": "dd if=/dev/zero of=/f bs=1M count=16; for i in 1 2 3 4; do ln /f /l$i; cp /l$i /c$i; done",
    "room without content": "for i in 1 2 3 4 5 6; do fallocate -l 8000000 /f$i; done",
    "holes that are filled": "truncate -s 1G /f; dd if=/dev/zero of=/f bs=1M count=100 seek=500 conv=notrunc",
    "many empty files": "i=0; while mkdir /d$i && (cd /d$i; seq 2000 | xargs touch); do i=$((i+1)); [ $i -gt 40 ] && break; done",
    "long links": "i=0; while ln -s $(printf %03900d 0) /l$i; do i=$((i+1)); [ $i -gt 9000 ] && break; done",
    "copies of what lies below": "for i in $(seq 1 40); do cp /bin/busybox /copy$i; done",
    "overwriting again and again": "for i in $(seq 1 10); do dd if=/dev/zero of=/f bs=1M count=15 conv=notrunc; sync; done",
}


def test_the_files_of_its_networks_are_no_way_past_the_limit(counted: CountedEngine) -> None:
    container_id = counted.run("sleep", "600", tenant=limited(counted, "etc"))
    folder = counted.data_path / "engine" / "containers" / container_id / "etc"
    for name in ("hosts", "hostname", "resolv.conf"):
        code, said = counted.script(container_id, f"dd if=/dev/zero of=/etc/{name} bs=64k count=400 conv=notrunc")
        assert (code, REFUSED in said.lower()) == (1, True), said
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5 * MIB
    assert counted.request("POST", f"/containers/{container_id}/restart?t=0").status == 204
    assert counted.script(container_id, "cat /etc/hostname") == (0, f"{container_id[:12]}\n")


@pytest.mark.parametrize("script", WAYS_PAST.values(), ids=WAYS_PAST)
def test_no_way_of_writing_goes_past_the_limit(counted: CountedEngine, script: str) -> None:
    tenant = limited(counted, "past")
    container_id = counted.run("sleep", "600", tenant=tenant)
    counted.script(container_id, f"({script}) >/dev/null 2>&1; sync")
    assert counted.used(tenant) <= LIMIT + MIB // 4
    assert counted.request("DELETE", f"/containers/{container_id}?force=1").status == 204
    settled_use(counted, tenant, 0)


def test_what_a_program_says_counts_and_a_full_log_holds_nobody_up(counted: CountedEngine) -> None:
    tenant = limited(counted, "loud")
    container_id = counted.run("sh", "-c", "yes | head -c 60000000; sleep 600", tenant=tenant)
    wait_until(lambda: counted.used(tenant) > LIMIT - 2 * MIB, "the quota to be used up")
    assert counted.script(container_id, "echo alive")[1] == "alive\n"
    assert counted.used(tenant) <= LIMIT + MIB // 4
    assert counted.output(container_id)[:8] == b"y\ny\ny\ny\n"
    assert counted.inspect(container_id)["State"]["Running"] is True
    assert counted.request("POST", f"/containers/{container_id}/stop?t=0").status == 204
    assert counted.inspect(container_id)["State"]["ExitCode"] == 137
    assert counted.request("DELETE", f"/containers/{container_id}").status == 204
    settled_use(counted, tenant, 0)


def test_output_that_was_lost_is_told_of_once_there_is_room(counted: CountedEngine) -> None:
    tenant = limited(counted, "told")
    loop = "while :; do cat /proc/self/status; sleep 0.02; done"
    container_id = counted.run("sh", "-c", loop, tenant=tenant)
    assert REFUSED in counted.script(container_id, FILL.format("/big"))[1].lower()
    counted.script(container_id, "i=0; while [ $i -lt 100 ] && echo >/x$i; do i=$((i+1)); done; dd if=/dev/zero of=/y bs=512")
    log = counted.data_path / "engine" / "containers" / container_id / "disk" / "logs"

    def written() -> int:
        return sum(path.stat().st_size for path in log.iterdir())

    def stands_still() -> bool:
        before = written()
        return counted.script(container_id, "sleep 1")[0] == 0 and written() == before

    wait_until(stands_still, "the log to be full")
    assert counted.script(container_id, "rm /big && sync")[0] == 0
    before = written()
    wait_until(lambda: written() > before, "the log to go on")
    # Until then the log shows what was spilled in its place.
    assert counted.request("POST", f"/containers/{container_id}/restart?t=0").status == 204
    assert b"bytes of output were lost here" in counted.output(container_id)


def test_a_container_with_a_full_disk_can_be_looked_at_cleared_started_and_removed(counted: CountedEngine) -> None:
    tenant = limited(counted, "full")
    container_id = counted.run("sleep", "600", tenant=tenant)
    assert REFUSED in counted.script(container_id, FILL.format("/big") + "; dd if=/dev/zero of=/y bs=512")[1].lower()
    assert counted.script(container_id, "ls /big") == (0, "/big\n")
    assert counted.request("POST", f"/containers/{container_id}/stop?t=0").status == 204
    assert counted.inspect(container_id)["State"]["Status"] == "exited"
    assert counted.request("POST", f"/containers/{container_id}/start").status == 204
    assert counted.cli("cp", f"{container_id}:/etc/passwd", "-").returncode == 0
    assert counted.script(container_id, "rm /big && echo gone") == (0, "gone\n")
    assert counted.script(container_id, "dd if=/dev/zero of=/big bs=1M count=10")[0] == 0
    assert counted.request("DELETE", f"/containers/{container_id}?force=1").status == 204
    settled_use(counted, tenant, 0)


def test_a_create_at_the_limit_is_refused_with_its_figures_and_leaves_nothing(counted: CountedEngine) -> None:
    tenant = limited(counted, "stuck")
    holder = counted.run("sleep", "600", tenant=tenant)
    counted.script(holder, FILL.format("/big") + "; dd if=/dev/zero of=/y bs=512")
    containers = counted.data_path / "engine" / "containers"
    before = sorted(containers.iterdir())
    answer = counted.request("POST", "/containers/create?name=wanted", {"Image": "busybox"}, tenant=tenant)
    assert (answer.status, "disk quota of" in answer.message) == (403, True), answer.body
    assert answer.document["quota"]["resource"] == "disk"
    assert answer.document["quota"]["limit"] == LIMIT
    assert sorted(containers.iterdir()) == before
    counted.request("DELETE", f"/containers/{holder}?force=1")
    settled_use(counted, tenant, 0)
    assert counted.request("POST", "/containers/create?name=wanted", {"Image": "busybox"}, tenant=tenant).status == 201


def _import(engine: CountedEngine, tenant: str) -> str:
    answer = engine.request("POST", "/images/create?fromSrc=-&repo=own", noise(40), tenant=tenant)
    return answer.message if answer.status != 200 else ""


def _load(engine: CountedEngine, tenant: str) -> str:
    assert engine.request("POST", "/images/create?fromSrc=-&repo=heavy", noise(40)).status == 200
    archive = engine.request("GET", "/images/heavy/get").body
    assert engine.request("DELETE", "/images/heavy").status == 200
    answer = engine.request("POST", "/images/load", archive, tenant=tenant)
    return answer.body.decode() if b"quota" in answer.body else ""


def _build_run(engine: CountedEngine, tenant: str) -> str:
    built = build(engine, f"FROM busybox\nRUN {FILL.format('/big')}", tenant=tenant)
    return f"{built.text} {built.error}" if built.code else ""


def _build_copy(engine: CountedEngine, tenant: str) -> str:
    return build(engine, "FROM busybox\nCOPY data /data", {"data": os.urandom(40 * MIB)}, tenant=tenant).error


def _build_copies(engine: CountedEngine, tenant: str) -> str:
    text = "FROM busybox\n" + "".join(f"COPY data /data{number}\n" for number in range(6))
    return build(engine, text, {"data": os.urandom(7 * MIB)}, tenant=tenant).error


def _build_add(engine: CountedEngine, tenant: str) -> str:
    ones = io.BytesIO()
    with tarfile.open(fileobj=ones, mode="w:gz") as archive:
        member = tarfile.TarInfo("ones")
        member.size = 60 * MIB
        archive.addfile(member, io.BytesIO(b"1" * member.size))
    return build(engine, "FROM busybox\nADD a.tar.gz /", {"a.tar.gz": ones.getvalue()}, tenant=tenant).error


def _build_context(engine: CountedEngine, tenant: str) -> str:
    return build_archive(engine, context_of({"Dockerfile": "FROM busybox", "x": os.urandom(40 * MIB)}), tenant=tenant).error


def _commit(engine: CountedEngine, tenant: str) -> str:
    container_id = engine.run("sh", "-c", "dd if=/dev/urandom of=/f bs=1M count=14; sync", tenant=tenant)
    assert engine.wait(container_id) == 0
    answer = engine.request("POST", f"/commit?container={container_id}&repo=own", tenant=tenant)
    engine.request("DELETE", f"/containers/{container_id}?force=1")
    return answer.message if answer.status != 201 else ""


def _copy_in(engine: CountedEngine, tenant: str) -> str:
    container_id = engine.create("true", tenant=tenant)
    answer = engine.request("PUT", f"/containers/{container_id}/archive?path=/", noise(40), tenant=tenant)
    engine.request("DELETE", f"/containers/{container_id}?force=1")
    return answer.message if answer.status != 200 else ""


def _copy_up(engine: CountedEngine, tenant: str) -> str:
    built = build(engine, "FROM busybox\nCOPY data /v/data\nVOLUME /v", {"data": os.urandom(30 * MIB)}, t="stuffed")
    assert not built.error
    answer = engine.request("POST", "/containers/create", {"Image": "stuffed", "Cmd": ["true"]}, tenant=tenant)
    return answer.message if answer.status != 201 else ""


DOORS = (_import, _load, _build_run, _build_copy, _build_copies, _build_add, _build_context, _commit, _copy_in, _copy_up)


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__.strip("_") for door in DOORS])
def test_no_door_leads_past_the_limit(counted: CountedEngine, door: Callable[[CountedEngine, str], str]) -> None:
    tenant = limited(counted, "door")
    said = door(counted, tenant)
    assert "quota" in said, said
    assert counted.used(tenant) <= LIMIT + MIB // 4
    counted.request("POST", "/build/prune?all=1", tenant=tenant)
    settled_use(counted, tenant, 64 * 1024)
    assert_nothing_half_made(counted)


def test_a_pull_past_the_limit_fails_and_one_within_it_counts(counted: CountedEngine) -> None:
    tenant = limited(counted, "puller")
    with scripted_registry() as registry:
        registry.put_image("course/big", "1", [noise(10, "a"), noise(30, "b")])
        registry.put_image("course/small", "1", [noise(9, "c")])
        assert "disk quota of" in failure(counted, f"{registry.address}/course/big", tenant=tenant)
        assert counted.used(tenant) <= LIMIT + MIB // 4
        name = f"{registry.address}/course/small:1"
        settled_use(counted, tenant, 11 * MIB)  # a layer that came whole is kept for a day
        pulled = counted.request("POST", f"/images/create?fromImage={name}", tenant=tenant)
        assert (pulled.status, b"error" in pulled.body) == (200, False), pulled.body
    assert counted.used(tenant) >= 9 * MIB
    assert_nothing_half_made(counted)


def test_a_layer_is_paid_by_whoever_still_needs_it(counted: CountedEngine) -> None:
    shared, ada, bob, eve = noise(6), "payer/ada", "payer/bob", "other/eve"
    for tenant in (ada, bob, eve):
        counted.limit(tenant, 1 << 30)
    for tenant in (ada, bob):
        assert counted.request("POST", "/images/create?fromSrc=-&repo=own&changes=CMD%20x", shared, tenant=tenant).status == 200
    wait_until(lambda: counted.used(ada) >= 6 * MIB, "the first to pay")
    settled_use(counted, bob, MIB)
    assert counted.request("DELETE", "/images/own", tenant=ada).status == 200
    assert (counted.used(ada), counted.used(bob) >= 6 * MIB) == (0, True)
    counted.kill()
    counted.start()
    assert (counted.used(ada), counted.used(bob) >= 6 * MIB) == (0, True)
    container_id = counted.request("POST", "/containers/create", {"Image": "own"}, tenant=bob).document["Id"]
    assert counted.request("DELETE", "/images/own?force=1", tenant=bob).status == 200
    assert counted.used(bob) >= 6 * MIB  # a container of it is a need too, with or without a name
    assert counted.request("POST", "/images/create?fromSrc=-&repo=own", shared, tenant=eve).status == 200
    counted.request("DELETE", f"/containers/{container_id}")
    wait_until(lambda: counted.used(eve) >= 6 * MIB, "the last to pay")
    settled_use(counted, bob, 0)


def test_a_container_of_an_earlier_version_still_works(plain: PlainEngine) -> None:
    """Data of earlier versions are never in an image."""
    engine = plain
    container_id = engine.create("sh", "-c", "cat /kept; echo more >>/kept")
    folder = engine.data_path / "engine" / "containers" / container_id
    (folder / "disk").rename(folder / "rootfs")
    (folder / "rootfs" / "logs").rename(folder / "logs")
    (folder / "rootfs" / "upper" / "kept").write_text("old\n")
    for expected in (b"old\n", b"old\nold\nmore\n"):
        assert engine.request("POST", f"/containers/{container_id}/start").status == 204
        assert engine.wait(container_id) == 0
        assert engine.output(container_id) == expected
    assert not (folder / "disk").exists()
    assert engine.request("DELETE", f"/containers/{container_id}").status == 204


def test_options_of_storage_are_checked(counted: CountedEngine) -> None:
    for options, reason in (
        ({"size": "lots"}, "invalid storage option size"),
        ({"size": "1m"}, "the least is 4m"),
        ({"bogus": "1"}, "unknown storage option"),
    ):
        answer = counted.request("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"StorageOpt": options}})
        assert (answer.status, reason in answer.message) == (400, True), answer.body


def test_sizes_are_refused_where_nobody_counts(plain: PlainEngine) -> None:
    body = {"Image": "busybox", "HostConfig": {"StorageOpt": {"size": "1T"}}}
    for tenant in ("", "blue/ada"):
        answer = plain.request("POST", "/containers/create", body, tenant=tenant)
        assert (answer.status, "storage options" in answer.message, "sets no limits" in answer.message) == (400, True, True)
        assert plain.request("GET", "/containers/json?all=1", tenant=tenant).document == []
    done = plain.cli("volume", "create", "-o", "size=10m", "v1")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"quota size requested but no quota support" in done.stderr
    (warning,) = plain.request("GET", "/info").document["DriverStatus"][2:]
    assert warning == ["Disk quotas", "none"]
