"""Volumes in containers: what is shared, with whom, whose ids stand on disk, and what is left after failures."""

import http.client
import io
import json
import os
import stat
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import EngineDaemon, wait_until

pytestmark = pytest.mark.requires_root
ADA, BOB = "demo/ada", "demo/bob"


@pytest.fixture
def clean(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """The file's engine without volumes."""
    yield engine
    engine.remove_containers()
    for volume in volumes(engine):
        engine.request("DELETE", f"/volumes/{volume['Atelier']['Id']}")
    assert volumes(engine) == []


def volumes(engine: EngineDaemon, tenant: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.request("GET", "/volumes", tenant=tenant).document["Volumes"]
    return found


def names(engine: EngineDaemon, tenant: str = "") -> list[str]:
    return [volume["Name"] for volume in volumes(engine, tenant)]


def data_path(engine: EngineDaemon, name: str) -> Path:
    return Path(next(volume["Mountpoint"] for volume in volumes(engine) if volume["Name"] == name))


def binds(*texts: str, **fields: object) -> dict[str, Any]:
    return {"HostConfig": {"Binds": list(texts), **fields}}


def mounts(**mount: object) -> dict[str, Any]:
    return {"HostConfig": {"Mounts": [mount]}}


def said(engine: EngineDaemon, *command: str, tenant: str = "", **fields: Any) -> str:
    """Run a command to its end; return what it wrote."""
    if tenant:
        ensure_image(engine, tenant)
    container_id = engine.run(*command, tenant=tenant, **fields)
    engine.wait(container_id)
    text = engine.output(container_id).decode()
    engine.request("DELETE", f"/containers/{container_id}?force=1&v=1")
    return text


def ensure_image(engine: EngineDaemon, tenant: str) -> None:
    if engine.request("GET", "/images/busybox/json", tenant=tenant).status == 404:
        engine.import_busybox(tenant=tenant)


def image_with(engine: EngineDaemon, fill: Callable[[tarfile.TarFile], None], *changes: str, name: str = "special") -> str:
    """Import the test's root filesystem with more in it."""
    output = io.BytesIO(busybox_tar())
    with tarfile.open(fileobj=output, mode="a") as archive:
        fill(archive)
    query = urlencode(
        [("fromSrc", "-"), ("repo", name), ("tag", "latest"), ("changes", 'CMD ["sh"]'), *(("changes", c) for c in changes)]
    )
    assert engine.request("POST", f"/images/create?{query}", output.getvalue()).status == 200
    return name


def member(archive: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, *, data: bytes = b"", **fields: Any) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, len(data)
    for field, value in fields.items():
        setattr(entry, field, value)
    archive.addfile(entry, io.BytesIO(data))


def test_files_on_disk_carry_the_containers_ids_and_not_the_hosts(clean: EngineDaemon) -> None:
    script = "echo hi >/v/root; touch /v/ada; chown 1000:50 /v/ada; chmod 4755 /v/ada; mkdir /v/d"
    said(clean, "sh", "-c", script, tenant=ADA, **binds("data:/v"))
    path = data_path(clean, "data")
    assert (path / "root").read_text() == "hi\n"
    assert [(path / name).stat().st_uid for name in ("root", "ada", "d")] == [0, 1000, 0]
    assert ((path / "ada").stat().st_gid, stat.S_IMODE((path / "ada").stat().st_mode)) == (50, 0o4755)
    assert stat.S_IMODE(clean.data_path.joinpath("engine").stat().st_mode) == 0o700  # such files are nothing to users of the host


def test_two_tenants_use_one_name_and_share_nothing(clean: EngineDaemon) -> None:
    said(clean, "sh", "-c", "echo ada >/v/f", tenant=ADA, **binds("data:/v"))
    said(clean, "sh", "-c", "echo bob >/v/g", tenant=BOB, **binds("data:/v"))
    assert said(clean, "ls", "/v", tenant=ADA, **binds("data:/v")) == "f\n"
    assert said(clean, "ls", "/v", tenant=BOB, **binds("data:/v")) == "g\n"
    assert (names(clean, ADA), names(clean, BOB), names(clean)) == (["data"], ["data"], ["data", "data"])


def test_no_verb_reaches_another_tenants_volume(clean: EngineDaemon) -> None:
    made = clean.request("POST", "/volumes/create", {"Name": "secret"}, tenant=ADA).document
    said(clean, "sh", "-c", "echo hers >/v/f", tenant=ADA, **binds("secret:/v"))
    for name in ("secret", made["Atelier"]["Id"]):
        assert clean.request("GET", f"/volumes/{name}", tenant=BOB).status == 404
        assert clean.request("DELETE", f"/volumes/{name}", tenant=BOB).status == 404
    assert clean.request("DELETE", "/volumes/secret?force=1", tenant=BOB).status == 204
    assert clean.request("POST", "/volumes/prune?filters=" + quote('{"all":["1"]}'), tenant=BOB).document["VolumesDeleted"] == []
    assert clean.request("GET", "/volumes", tenant=BOB).document["Volumes"] == []
    # By its id it is just a new name.
    assert said(clean, "ls", "/v", tenant=BOB, **binds(f"{made['Atelier']['Id']}:/v")) == ""
    assert said(clean, "cat", "/v/f", tenant=ADA, **binds("secret:/v")) == "hers\n"


def test_mounts_of_another_tenants_container_cannot_be_taken(clean: EngineDaemon) -> None:
    """A setuid file of one tenant would else stand in another's container, owned by its root."""
    ensure_image(clean, BOB)
    ensure_image(clean, "demo")
    for tenant in (ADA, ""):
        if tenant:
            ensure_image(clean, tenant)
        hers = clean.create("true", tenant=tenant, **binds("data:/v"))
        wanted = {"Image": "busybox", "HostConfig": {"VolumesFrom": [hers]}}
        for other in (BOB, "demo", ""):
            if other != tenant:
                answer = clean.request("POST", "/containers/create", wanted, tenant=other)
                assert answer.status == 400, (tenant, other)
                assert "no such container" in answer.message or "belongs to another tenant" in answer.message
        answer = clean.request("POST", "/containers/create", wanted, tenant=BOB)
        nothing = clean.request(
            "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"VolumesFrom": ["none"]}}, tenant=BOB
        )
        assert answer.message.replace(hers, "none") == nothing.message


@pytest.mark.parametrize("tenant", ["", "demo", BOB])
def test_prune_leaves_volumes_of_others_alone(clean: EngineDaemon, tenant: str) -> None:
    clean.request("POST", "/volumes/create", {"Name": "hers"}, tenant=ADA)
    clean.request("POST", "/volumes/create", {"Name": "mine"}, tenant=tenant)
    pruned = clean.request("POST", "/volumes/prune?filters=" + quote('{"all":["1"]}'), tenant=tenant).document
    assert (pruned["VolumesDeleted"], names(clean, ADA)) == (["mine"], ["hers"])


def test_a_team_sees_its_members_volumes_but_mounts_its_own(clean: EngineDaemon) -> None:
    said(clean, "touch", "/v/ada", tenant=ADA, **binds("data:/v"))
    assert names(clean, "demo") == ["data"]
    assert said(clean, "ls", "/v", tenant="demo", **binds("data:/v")) == ""
    assert names(clean, "demo") == ["data", "data"]


@pytest.mark.parametrize(
    "host",
    [
        {"Binds": ["/etc:/x"]},
        {"Binds": ["/etc:/x:ro"]},
        {"Mounts": [{"Type": "bind", "Source": "/etc", "Target": "/x"}]},
        {"Mounts": [{"Type": "bind", "Source": "/nosuch", "Target": "/x", "BindOptions": {"CreateMountpoint": True}}]},
    ],
)
def test_a_path_of_the_host_is_for_administrators_only(clean: EngineDaemon, host: dict[str, object]) -> None:
    ensure_image(clean, ADA)
    assert clean.request("POST", "/containers/create", {"Image": "busybox", "HostConfig": host}, tenant=ADA).status == 403
    assert not Path("/nosuch").exists()


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"type": "none", "o": "bind", "device": "/etc"}, 403),
        ({"type": "bind", "o": "bind,ro", "device": "/"}, 403),
        ({"device": "/dev/vda"}, 400),
        ({"type": "ext4", "device": "/dev/vda"}, 400),
        ({"type": "nfs", "o": "addr=10.0.0.1"}, 400),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m,lowerdir=/etc"}, 400),
        ({"type": "overlay", "device": "x", "o": "bind,lowerdir=/etc"}, 400),
        ({"o": "size=1g"}, 400),
    ],
)
def test_options_of_a_volume_lead_to_no_path_of_the_host(clean: EngineDaemon, options: dict[str, str], status: int) -> None:
    assert clean.request("POST", "/volumes/create", {"Name": "evil", "DriverOpts": options}, tenant=ADA).status == status
    mount = {"Type": "volume", "Source": "evil", "Target": "/x", "VolumeOptions": {"DriverConfig": {"Options": options}}}
    ensure_image(clean, ADA)
    wanted = {"Image": "busybox", "HostConfig": {"Mounts": [mount]}}
    assert clean.request("POST", "/containers/create", wanted, tenant=ADA).status == status
    assert names(clean) == []


def test_tenants_are_told_no_folder_of_the_host(clean: EngineDaemon) -> None:
    ensure_image(clean, ADA)
    made = clean.request("POST", "/volumes/create", {"Name": "data"}, tenant=ADA)
    container = clean.create("true", tenant=ADA, **binds("data:/v"))
    shown = [
        made.body,
        clean.request("GET", "/volumes", tenant=ADA).body,
        clean.request("GET", "/volumes/data", tenant=ADA).body,
        clean.request("GET", "/system/df", tenant=ADA).body,
        json.dumps(clean.request("GET", f"/containers/{container}/json", tenant=ADA).document["Mounts"]).encode(),
        clean.request("DELETE", "/volumes/data", tenant=ADA).body,
    ]
    assert not [text for text in shown if str(clean.root).encode() in text]


def test_a_volume_is_shared_by_running_containers_and_readonly_for_who_asked_so(clean: EngineDaemon) -> None:
    ensure_image(clean, ADA)
    writer = clean.run("sleep", "600", tenant=ADA, **binds("data:/w"))
    reader = clean.run("sleep", "600", tenant=ADA, **binds("data:/r:ro"))
    assert clean.cli("exec", writer, "sh", "-c", "echo shared >/w/f; chown 1000 /w/f").returncode == 0
    assert clean.cli("exec", reader, "sh", "-c", "cat /r/f; stat -c %u /r/f").stdout == b"shared\n1000\n"
    for attempt in ("touch /r/g", "rm /r/f", "mount -o remount,rw /r", "chown 0 /r/f"):
        assert clean.cli("exec", reader, "sh", "-c", attempt).returncode != 0
    shown = {one["Destination"]: one for one in clean.inspect(reader)["Mounts"]}
    assert (shown["/r"]["RW"], shown["/r"]["Name"], shown["/r"]["Driver"], shown["/r"]["Type"]) == (
        False,
        "data",
        "local",
        "volume",
    )


def test_volumes_allow_setuid_as_with_docker_but_no_devices(clean: EngineDaemon) -> None:
    """The owner of such a file is the container's root and nobody of the host."""
    flags = said(clean, "sh", "-c", "grep ' /v ' /proc/mounts", tenant=ADA, **binds("data:/v")).split()[3].split(",")
    assert ("nodev" in flags, "nosuid" in flags, "noexec" in flags) == (True, False, False)
    null = data_path(clean, "data") / "null"
    os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert "denied" in said(clean, "sh", "-c", "cat /v/null 2>&1", tenant=ADA, **binds("data:/v"))


def test_an_images_folder_fills_a_new_volume_once(clean: EngineDaemon) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        member(archive, "srv", tarfile.DIRTYPE, mode=0o2770, uid=1000, gid=50)
        member(archive, "srv/file", data=b"first", mode=0o640, uid=33, gid=44)
        member(archive, "srv/link", tarfile.SYMTYPE, linkname="/etc/shadow")

    image = image_with(clean, fill, "VOLUME /srv")
    script = "stat -c '%u %g %a' /srv /srv/file; readlink /srv/link; echo mine >/srv/file"
    expected = "1000 50 2770\n33 44 640\n/etc/shadow\n"
    assert said(clean, "sh", "-c", script, Image=image, **binds("data:/srv")) == expected
    assert said(clean, "cat", "/srv/file", Image=image, **binds("data:/srv")) == "mine\n"
    assert said(clean, "sh", "-c", script, Image=image) == expected  # the image's own volume, fresh each time
    assert said(clean, "sh", "-c", "ls /srv; stat -c %a /srv", Image=image, **binds("bare:/srv:nocopy")) == "755\n"
    assert names(clean) == ["bare", "data"]


def test_a_link_of_an_image_fills_a_volume_from_inside_only(clean: EngineDaemon, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the host's")

    def fill(archive: tarfile.TarFile) -> None:
        member(archive, "out", tarfile.SYMTYPE, linkname=str(tmp_path))
        member(archive, "up", tarfile.SYMTYPE, linkname=f"../../../../../..{tmp_path}")
        member(archive, "proc-link", tarfile.SYMTYPE, linkname="/proc/self/root")

    image = image_with(clean, fill, name="hostile")
    for target in ("/out", "/up"):
        assert said(clean, "ls", target, Image=image, **binds(f"v{target[1:]}:{target}")) == ""
    assert not list(data_path(clean, "vout").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    answer = clean.request("POST", "/containers/create", {"Image": image, "Cmd": ["true"], **binds("vp:/proc-link")})
    if answer.status == 201:  # there is no such folder in the image, so it is the start that finds /proc
        assert clean.request("POST", f"/containers/{answer.document['Id']}/start").status in (400, 500)


def test_a_link_at_a_mount_target_leads_inside_only(clean: EngineDaemon, tmp_path: Path) -> None:
    """The target is a link on a volume that another container made."""
    said(clean, "sh", "-c", f"ln -s {tmp_path} /v/out; ln -s ../../../../{tmp_path} /v/up; ln -s /tmp /v/in", **binds("outer:/v"))
    for name in ("out", "up", "in"):
        said(clean, "sh", "-c", f"echo x >/v/{name}/f", **binds("outer:/v", f"inner:/v/{name}"))
    assert list(tmp_path.iterdir()) == []
    assert (data_path(clean, "inner") / "f").exists()


def test_nothing_can_be_mounted_over_proc_by_a_link_that_changes_meanwhile(clean: EngineDaemon) -> None:
    """What the kernel says must be true: a container swaps a folder for a link to /proc while another starts."""
    ensure_image(clean, ADA)
    script = "cd /v; mkdir d; while :; do mv d e; ln -s /proc d; rm d; mv e d; done"
    clean.run("sh", "-c", script, tenant=ADA, **binds("outer:/v"))
    outcomes = set()
    for _ in range(15):
        container = clean.create("sh", "-c", "grep -c /proc/sys /proc/mounts; test -f /proc/f && echo covered", tenant=ADA,
                                 **binds("outer:/v", "inner:/v/d/sys"))  # fmt: skip
        status = clean.request("POST", f"/containers/{container}/start", tenant=ADA).status
        if status == 204:
            clean.wait(container)
            outcomes.add(clean.output(container).decode())
        clean.request("DELETE", f"/containers/{container}?force=1", tenant=ADA)
    assert not any("covered" in text for text in outcomes)
    assert outcomes <= {"1\n"}, outcomes


@pytest.mark.parametrize(("subpath", "expected"), [("in", "inside\n"), ("rel", "inside\n"), ("in/deep/..", None), ("abs", None),
                                                   ("up", None), ("proc", None), ("gone", None)])  # fmt: skip
def test_a_subpath_stays_in_its_volume(clean: EngineDaemon, subpath: str, expected: str | None) -> None:
    script = (
        "cd /v; mkdir -p in/deep; echo inside >in/f; ln -s in rel; ln -s / abs; ln -s ../../../.. up; ln -s /proc/self/root proc"
    )
    said(clean, "sh", "-c", script, tenant=ADA, **binds("data:/v"))
    mount = {"Type": "volume", "Source": "data", "Target": "/s", "VolumeOptions": {"Subpath": subpath}}
    wanted = {"Image": "busybox", "Cmd": ["cat", "/s/f"], "HostConfig": {"Mounts": [mount]}}
    if expected is None:
        answer = clean.request("POST", "/containers/create", wanted, tenant=ADA)
        assert (answer.status, str(clean.root) in answer.message) == (400, False)
    else:
        assert said(clean, "cat", "/s/f", tenant=ADA, HostConfig=wanted["HostConfig"]) == expected


def test_a_subpath_that_becomes_a_link_out_fails_at_the_start(clean: EngineDaemon) -> None:
    ensure_image(clean, ADA)
    said(clean, "mkdir", "/v/part", tenant=ADA, **binds("data:/v"))
    mount = {"Type": "volume", "Source": "data", "Target": "/s", "VolumeOptions": {"Subpath": "part", "NoCopy": True}}
    container = clean.create("ls", "/s", tenant=ADA, HostConfig={"Mounts": [mount]})
    said(clean, "sh", "-c", "rmdir /v/part; ln -s /etc /v/part", tenant=ADA, **binds("data:/v"))
    answer = clean.request("POST", f"/containers/{container}/start", tenant=ADA)
    assert (answer.status, "subpath" in answer.message, str(clean.root) in answer.message) == (500, True, False)


def test_anonymous_volumes_go_with_their_container_where_asked_and_named_ones_never(clean: EngineDaemon) -> None:
    fields = {"Volumes": {"/anonymous": {}}, **binds("named:/named")}
    kept = clean.create("true", **fields)
    mine = next(one["Name"] for one in clean.inspect(kept)["Mounts"] if one["Destination"] == "/anonymous")
    clean.request("DELETE", f"/containers/{kept}")
    assert names(clean) == sorted([mine, "named"])
    gone = clean.create("true", **fields)
    clean.request("DELETE", f"/containers/{gone}?v=1")
    assert names(clean) == sorted([mine, "named"])
    clean.run("true", HostConfig={"AutoRemove": True, "Binds": ["named:/named"]}, Volumes={"/anonymous": {}})
    wait_until(lambda: not clean.request("GET", "/containers/json?all=1").document, "the container to remove itself")
    assert names(clean) == sorted([mine, "named"])


def test_a_volume_handed_on_lives_until_its_last_container(clean: EngineDaemon) -> None:
    first = clean.create("true", Volumes={"/a": {}}, **binds("named:/b:ro"))
    second = clean.create("touch", "/a/f", HostConfig={"VolumesFrom": [first]})
    third = clean.create("touch", "/a/f", HostConfig={"VolumesFrom": [f"{second}:ro"]})
    assert {(one["Destination"], one["RW"]) for one in clean.inspect(second)["Mounts"]} == {("/a", True), ("/b", False)}
    assert not any(one["RW"] for one in clean.inspect(third)["Mounts"])
    clean.request("POST", f"/containers/{third}/start")
    assert clean.wait(third) == 1
    clean.request("DELETE", f"/containers/{first}?v=1")
    assert len(names(clean)) == 2
    clean.request("POST", f"/containers/{second}/start")
    assert clean.wait(second) == 0
    clean.request("DELETE", f"/containers/{second}?v=1")
    clean.request("DELETE", f"/containers/{third}?v=1")
    assert names(clean) == ["named"]


def test_a_create_that_fails_leaves_no_volume(clean: EngineDaemon) -> None:
    image = image_with(clean, lambda archive: member(archive, "zz", data=b"a file"), name="withfile")
    fields = {"Image": image, "Volumes": {"/a": {}}, **binds("new:/b", "other:/zz")}
    assert clean.request("POST", "/containers/create", fields).status == 400
    assert clean.request("POST", "/containers/create?name=bad%20name", {**fields, **binds("new:/b")}).status == 400
    clean.create("true", name="taken")
    assert clean.request("POST", "/containers/create?name=taken", {**fields, **binds("new:/b")}).status == 409
    assert names(clean) == []
    assert len(clean.request("GET", "/containers/json?all=1").document) == 1


def test_what_is_mounted_below_a_volume_and_over_it_is_kept_apart(clean: EngineDaemon) -> None:
    host = {"Binds": ["outer:/v", "inner:/v/in"], "Tmpfs": {"/v/tmp": "size=64k"}}
    said(clean, "sh", "-c", "touch /v/o /v/in/i /v/tmp/t", HostConfig=host)
    assert sorted(path.name for path in data_path(clean, "outer").iterdir()) == ["in", "o", "tmp"]
    assert [path.name for path in data_path(clean, "inner").iterdir()] == ["i"]
    assert not list((data_path(clean, "outer") / "tmp").iterdir())


def test_a_volume_removed_while_containers_are_created_with_it_is_there_or_new(clean: EngineDaemon) -> None:
    """50 rounds: each container that was created has the volume that its name shows, and no other is left."""
    stop = threading.Event()

    def remove() -> None:
        while not stop.is_set():
            clean.request("DELETE", "/volumes/race")

    def create(_: int) -> str | None:
        answer = clean.request("POST", "/containers/create", {"Image": "busybox", "Cmd": ["touch", "/v/f"], **binds("race:/v")})
        assert answer.status == 201, answer.body
        container = str(answer.document["Id"])
        started = clean.request("POST", f"/containers/{container}/start").status
        clean.request("DELETE", f"/containers/{container}?force=1&v=1")
        return None if started == 204 else f"start {started}"

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            assert [failure for failure in pool.map(create, range(50)) if failure] == []
    finally:
        stop.set()
        remover.join()
    assert len(names(clean)) <= 1
    folders = [path for path in (clean.data_path / "engine/volumes").iterdir() if path.name != "staging"]
    assert len(folders) == len(names(clean))


def test_backup_and_restore_as_with_docker(clean: EngineDaemon, tmp_path: Path) -> None:
    script = f"""set -e
        $D run --name app -v /data busybox sh -c 'echo precious >/data/f; chown 1000:50 /data/f; ln -s f /data/l'
        $D run --rm --volumes-from app -v {tmp_path}:/backup busybox tar cf /backup/data.tar -C /data .
        $D run --name new -v /data busybox true
        $D run --rm --volumes-from new -v {tmp_path}:/backup busybox tar xf /backup/data.tar -C /data
        $D run --rm --volumes-from new busybox sh -c 'cat /data/l; stat -c "%u %g" /data/f'
        $D rm -v app new
    """
    done = clean.shell(script)
    assert (done.returncode, done.stdout) == (0, b"precious\n1000 50\napp\nnew\n"), done
    assert (tmp_path / "data.tar").stat().st_uid == 0
    assert names(clean) == []


def test_binds_of_administrators_show_the_mounts_below(clean: EngineDaemon, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "below"], check=True)
    try:
        (tmp_path / "below/file").touch()
        assert said(clean, "ls", "/b/below", **binds(f"{tmp_path}:/b")) == "file\n"
        alone = mounts(Type="bind", Source=str(tmp_path), Target="/b", BindOptions={"NonRecursive": True})
        assert said(clean, "ls", "/b/below", **alone) == ""
        assert "Read-only" in said(clean, "sh", "-c", "touch /b/below/x 2>&1", **binds(f"{tmp_path}:/b:ro"))
        assert said(clean, "ls", "/b", **binds("/:/b")) != ""  # /proc and others below cannot be id-mapped: / comes alone
    finally:
        subprocess.run(["umount", "-l", tmp_path / "below"], check=True)


def test_what_takes_no_id_map_is_bound_with_the_owners_of_the_host_and_no_right_over_it(clean: EngineDaemon) -> None:
    place = "/p/sys/kernel/core_pattern"
    shown = said(clean, "sh", "-c", f"stat -c %u /p/1 {place}; echo x 2>&1 >{place}", **binds("/proc:/p"))
    assert shown.splitlines()[:2] == ["65534", "65534"]
    assert "ermission denied" in shown
    assert "ermission denied" in said(clean, "sh", "-c", "echo x 2>&1 >/d/null", **binds("/dev:/d"))  # devices there are none
    assert "Read-only" in said(clean, "sh", "-c", "echo x 2>&1 >/p/self/comm", **binds("/proc:/p:ro"))


@pytest.mark.parametrize("moment", ["create", "remove"])
def test_a_daemon_killed_at_work_leaves_volumes_that_the_next_one_puts_right(
    start_engine: Callable[..., EngineDaemon], moment: str
) -> None:
    engine = start_engine()
    said(engine, "touch", "/v/f", **binds("kept:/v"))
    threads = [threading.Thread(target=_work, args=(engine, moment)) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(names(engine)) > 2, "some volumes")
    engine.kill()
    for thread in threads:
        thread.join()
    engine.start()
    held = {
        mount["Name"]
        for one in engine.request("GET", "/containers/json?all=1").document
        for mount in one["Mounts"]
        if "Name" in mount
    }
    assert set(names(engine)) == held | {"kept"}
    assert not list((engine.data_path / "engine/volumes/staging").iterdir())
    engine.remove_containers()
    engine.request("POST", "/volumes/prune?filters=" + quote('{"all":["1"]}'))
    assert names(engine) == []


def _work(engine: EngineDaemon, moment: str) -> None:
    """Create containers with anonymous volumes, and remove them, until nobody answers."""
    for _ in range(400):
        try:
            answer = engine.request("POST", "/containers/create", {"Image": "busybox", "Volumes": {"/etc": {}, "/home": {}}})
            if moment == "remove" and answer.status == 201:
                engine.request("DELETE", f"/containers/{answer.document['Id']}?v=1")
        except (OSError, ValueError, http.client.HTTPException):  # whatever a dying daemon's half answer provokes
            return


@pytest.mark.parametrize("disk", ["none", "image"])
def test_a_daemon_killed_while_volumes_are_made_pruned_and_restored_leaves_whole_ones(
    start_engine: Callable[..., EngineDaemon], monkeypatch: pytest.MonkeyPatch, disk: str
) -> None:
    monkeypatch.setattr(EngineDaemon, "disk", disk)
    engine = start_engine()
    said(engine, "touch", "/v/f", **binds("kept:/v"))
    holder = engine.create("true", **binds("kept:/v"))
    for _ in range(3):
        threads = [threading.Thread(target=_churn, args=(engine, name)) for name in ("one", "two", "three")]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(names(engine)) > 2, "some volumes")
        engine.kill()
        for thread in threads:
            thread.join()
        engine.start()
        folders = {path.name for path in (engine.data_path / "engine/volumes").iterdir()} - {"staging"}
        assert folders == {volume["Atelier"]["Id"] for volume in volumes(engine)}
        assert not list((engine.data_path / "engine/volumes/staging").iterdir())
        for name in set(names(engine)) - {"kept"}:
            assert {path.name for path in data_path(engine, name).iterdir()} <= {"whole"}
    assert (data_path(engine, "kept") / "f").exists()
    assert engine.request("DELETE", "/volumes/kept").status == 409
    engine.request("DELETE", f"/containers/{holder}")
    engine.request("POST", "/volumes/prune?filters=" + quote('{"all":["1"]}'))
    assert names(engine) == []


def _churn(engine: EngineDaemon, name: str) -> None:
    """Make a volume, restore it and prune all, until nobody answers."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as output:
        member(output, "whole", data=b"x" * 100_000)
    for number in range(400):
        try:
            engine.request("POST", "/volumes/create", {"Name": name})
            engine.request("PUT", f"/volumes/{name}/archive", archive.getvalue(), headers={"Content-Type": "application/x-tar"})
            if number % 3 == 2:
                engine.request("POST", "/volumes/prune?filters=" + quote('{"all":["1"]}'))
        except (OSError, ValueError, http.client.HTTPException):  # whatever a dying daemon's half answer provokes
            return


def test_a_restarted_engine_knows_its_volumes_and_sets_a_damaged_one_aside(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    holder = engine.create("cat", "/v/f", Volumes={"/w": {}}, **binds("data:/v"))
    said(engine, "sh", "-c", "echo still >/v/f", **binds("data:/v"))
    victim = engine.create("true", **binds("bad:/v"))
    damaged = data_path(engine, "bad").parent / "volume.json"
    engine.stop()
    with engine.data_at_rest():
        damaged.write_bytes(b"{")
    engine.start()
    assert "data" in names(engine)
    assert "bad" not in names(engine)
    assert f"volume {damaged.parent.name} is left out" in engine.log_path.read_text()
    assert engine.request("DELETE", "/volumes/data").status == 409
    assert engine.request("POST", f"/containers/{holder}/start").status == 204
    engine.wait(holder)
    assert engine.output(holder) == b"still\n"
    answer = engine.request("POST", f"/containers/{victim}/start")
    assert (answer.status, "volume bad of the container cannot be read" in answer.message) == (409, True)
    assert engine.request("DELETE", f"/containers/{victim}?v=1").status == 204
    assert (damaged.parent / "data").is_dir()
    engine.request("DELETE", f"/containers/{holder}?v=1")
    assert names(engine) == ["data"]
