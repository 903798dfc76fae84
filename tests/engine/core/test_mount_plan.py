"""What a request's binds, mounts and volumes come to."""

import json

import pytest

from engine.core.containers import ContainerRecord
from engine.core.mount_plan import inherit, mount_point, plan_mounts, wants_host_paths
from engine.core.mounts import BIND, TMPFS, VOLUME, MountPoint, MountRequest, clean_path, parse_bind, parse_volumes_from
from engine.core.records import dump_record, parse_record
from engine.errors import InvalidParameter


def shown(point: MountPoint) -> tuple[str, str, str, str, bool, bool]:
    return point.kind, point.name or point.source, point.target, point.mode, point.readonly, point.copies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/x", (VOLUME, "", "/x", "z", False, True)),
        ("/a/../x/", (VOLUME, "", "/x", "z", False, True)),
        ("name:/x", (VOLUME, "name", "/x", "z", False, True)),
        ("name:/x:ro", (VOLUME, "name", "/x", "ro", True, True)),
        ("name:/x:rw,nocopy", (VOLUME, "name", "/x", "rw,nocopy", False, False)),
        ("name:/x:z", (VOLUME, "name", "/x", "z", False, True)),
        ("name:/a/../x//y/", (VOLUME, "name", "/x/y", "z", False, True)),
        ("/etc:/x", (BIND, "/etc", "/x", "", False, False)),
        ("/etc/:/x:ro,Z", (BIND, "/etc", "/x", "ro,Z", True, False)),
        ("/etc:/x:rprivate", (BIND, "/etc", "/x", "rprivate", False, False)),
    ],
)
def test_a_bind_is_a_volume_or_a_path_of_the_host(text: str, expected: tuple[object, ...]) -> None:
    assert shown(parse_bind(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "name",
            "/",
            "./x",
            "/x:ro",
            "/x\0",
            "name:",
            ":/x",
            "a:b:c:d",
            "name:x",
            "name:/",
            "name:/..",
            "name:/x\0",
            "n:/x",
            "a/b:/x",
            "./a:/x",
            "-a:/x",
        ),
        *("name:/x:foo", "name:/x:ro,rw", "name:/x:ro,ro", "name:/x:z,Z", "name:/x:shared", "name:/x:volume-nocopy"),
        *("/etc:/x:nocopy", "/etc:/x:shared", "/etc:/x:rslave", "/etc:/x:private,rprivate"),
    ],
)
def test_a_bind_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_bind(text)


def test_shared_propagation_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidParameter, match="never pass between the host and a container"):
        parse_bind("/etc:/x:rshared")


@pytest.mark.parametrize(("text", "expected"), [("c", ("c", False)), ("c:ro", ("c", True)), ("c:rw", ("c", False))])
def test_volumes_from_names_a_container(text: str, expected: tuple[str, bool]) -> None:
    assert parse_volumes_from(text) == expected


@pytest.mark.parametrize("text", ["", ":ro", "c:zz", "c:ro,rw"])
def test_volumes_from_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_volumes_from(text)


def plan(
    *binds: str,
    mounts: list[MountRequest] | None = None,
    volumes: list[str] | None = None,
    tmpfs: dict[str, str] | None = None,
    inherited: list[MountPoint] | None = None,
) -> list[tuple[str, str]]:
    points = plan_mounts(binds=binds, mounts=mounts or [], volumes=volumes or [], tmpfs=tmpfs or {}, inherited=inherited or [])
    return [(point.target, point.name or point.kind) for point in points]


def test_later_sources_win_over_inherited_mounts_and_volumes_of_the_image() -> None:
    inherited = [MountPoint(VOLUME, "/a", name="theirs"), MountPoint(VOLUME, "/b", name="theirs")]
    assert plan("mine:/a", volumes=["/a", "/b", "/c"], inherited=inherited) == [
        *(("/a", "mine"), ("/b", "theirs"), ("/c", "volume")),
    ]


def test_a_tmpfs_of_the_short_form_covers_what_the_image_declares_and_others_hand_on() -> None:
    inherited = [MountPoint(VOLUME, "/b", name="theirs")]
    tmpfs_mount = MountRequest("tmpfs", "/c")
    assert plan(volumes=["/a"], tmpfs={"/a": "", "/b/": "", "/c": ""}, inherited=inherited, mounts=[tmpfs_mount]) == []


@pytest.mark.parametrize(
    ("binds", "mounts", "tmpfs"),
    [
        (["one:/x", "two:/x"], [], {}),
        (["one:/x/", "two:/./x"], [], {}),
        (["one:/x"], [MountRequest("volume", "/x", source="two")], {}),
        (["one:/x"], [MountRequest("tmpfs", "/x")], {}),
        (["one:/x"], [], {"/x": ""}),
        ([], [MountRequest("bind", "/x", source="/etc")], {"/x": ""}),
    ],
)
def test_no_target_may_be_asked_for_twice(binds: list[str], mounts: list[MountRequest], tmpfs: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter, match="duplicate mount point: /x"):
        plan(*binds, mounts=mounts, tmpfs=tmpfs)


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (MountRequest("npipe", "/x"), "unknown"),
        (MountRequest("bind", "/x"), "Source must not be empty"),
        (MountRequest("bind", "/x", source="rel"), "must be absolute"),
        (MountRequest("bind", "/x", source="/etc", propagation="rshared"), "use rprivate"),
        (MountRequest("bind", "/x", source="/etc", propagation="odd"), "use rprivate"),
        (MountRequest("bind", "/x", source="/etc", no_copy=True), "VolumeOptions"),
        (MountRequest("bind", "/", source="/etc"), "destination"),
        (MountRequest("volume", "x"), "absolute"),
        (MountRequest("volume", "/x", source="/abs"), "invalid characters"),
        (MountRequest("volume", "/x", propagation="rprivate"), "BindOptions"),
        (MountRequest("volume", "/x", driver="nfs"), "not found"),
        (MountRequest("volume", "/x", driver_options={"device": ":/etc", "o": "addr=h", "type": "nfs"}), "not supported"),
        (MountRequest("volume", "/x", driver_options={"o": "size=1m"}), "device"),
        (MountRequest("volume", "/x", source="vv", subpath="../y"), "subpath"),
        (MountRequest("volume", "/x", source="vv", subpath="/y"), "subpath"),
        (MountRequest("volume", "/x", subpath="y"), "anonymous"),
        (MountRequest("tmpfs", "/x", source="a"), "Source must not"),
        (MountRequest("tmpfs", "/x", tmpfs_bytes=-1), "tmpfs"),
        (MountRequest("tmpfs", "/x", tmpfs_mode=0o10000), "tmpfs"),
    ],
)
def test_a_mount_that_cannot_be_is_refused_with_the_reason(request_: MountRequest, complaint: str) -> None:
    with pytest.raises(InvalidParameter, match=complaint):
        mount_point(request_)


def test_a_mount_says_what_it_is() -> None:
    volume = mount_point(MountRequest("volume", "/x", source="data", readonly=True, no_copy=True, subpath="a/b/"))
    assert (shown(volume), volume.subpath, volume.is_anonymous) == ((VOLUME, "data", "/x", "z", True, False), "a/b", False)
    assert mount_point(MountRequest("volume", "/x")).is_anonymous
    tmpfs = mount_point(MountRequest("tmpfs", "/t", tmpfs_bytes=65536, tmpfs_mode=0o700))
    assert (tmpfs.kind, tmpfs.options) == (TMPFS, "size=65536,mode=700")
    assert not mount_point(MountRequest("bind", "/x", source="/etc", non_recursive=True)).is_recursive


def test_mounts_are_handed_on_without_memory_and_at_most_as_writable() -> None:
    points = [MountPoint(VOLUME, "/a", mode="z", copies=True), MountPoint(BIND, "/b", readonly=True), MountPoint(TMPFS, "/c")]
    assert [(one.target, one.mode, one.copies, one.readonly) for one in inherit(points, readonly=False)] == [
        *(("/a", "", False, False), ("/b", "", False, True)),
    ]
    assert all(one.readonly for one in inherit(points, readonly=True))


def test_host_paths_are_found_in_both_forms() -> None:
    assert not wants_host_paths(["name:/x"], [MountRequest("volume", "/y"), MountRequest("tmpfs", "/z")])
    assert wants_host_paths(["name:/x", "/etc:/y"], [])
    assert wants_host_paths([], [MountRequest("bind", "/y", source="/etc")])


@pytest.mark.parametrize(("path", "cleaned"), [("/a/./b//c/", "/a/b/c"), ("//a", "/a"), ("/../a", "/a"), ("/", "/")])
def test_paths_are_cleaned_as_text(path: str, cleaned: str) -> None:
    assert clean_path(path) == cleaned


def test_a_record_of_before_volumes_keeps_its_binds() -> None:
    older = {
        "container_id": "c", "name": "n", "tenant": {}, "created_ns": 1, "image_id": "i",
        "config": {"image": "busybox", "hostname": "h"},
        "host": {"binds": [{"source": "/etc", "target": "/x", "readonly": True}]},
    }  # fmt: skip
    record = parse_record(ContainerRecord, json.dumps(older).encode())
    assert record.mount_points == (MountPoint(BIND, "/x", source="/etc", readonly=True),)
    assert parse_record(ContainerRecord, dump_record(record)) == record
