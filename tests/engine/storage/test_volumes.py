"""The store of volumes: names, holders, and what a daemon that ended anywhere leaves."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.core.volumes import VolumeRecord, check_volume_name
from engine.errors import Conflict, Fault, InvalidParameter, NotFound
from engine.storage.areas import Areas
from engine.storage.trash import Trash
from engine.storage.volumes import VolumeStore

ADA, BOB, TEAM = Tenant("demo", "ada"), Tenant("demo", "bob"), Tenant("demo")


@pytest.fixture
def trash(tmp_path: Path) -> Trash:
    return Trash(tmp_path / "trash")


@pytest.fixture
def store(tmp_path: Path, trash: Trash) -> VolumeStore:
    return VolumeStore(tmp_path / "volumes", trash, Areas())


def reopened(store: VolumeStore, tmp_path: Path, held: dict[str, list[str]] | None = None) -> VolumeStore:
    """What the next daemon finds, whose containers hold volumes as told."""
    trash = Trash(tmp_path / "trash")
    found = VolumeStore(tmp_path / "volumes", trash, Areas())
    found.restore(held or {})
    trash.empty()
    return found


def test_a_name_is_made_once_and_survives_a_restart(store: VolumeStore, tmp_path: Path) -> None:
    made, is_new = store.ensure(ADA, "data", labels={"a": "b"})
    assert (is_new, store.ensure(ADA, "data", labels={"c": "d"})) == (True, (made, False))
    assert reopened(store, tmp_path).visible(ADA) == [made]
    assert store.data_path(made.volume_id).stat().st_mode & 0o7777 == 0o755
    assert made.labels == {"a": "b"}


def test_each_tenant_has_its_own_names(store: VolumeStore) -> None:
    adas, _ = store.ensure(ADA, "data")
    bobs, _ = store.ensure(BOB, "data")
    assert adas.volume_id != bobs.volume_id
    assert (store.find(ADA, "data"), store.find(BOB, "data")) == (adas, bobs)
    assert store.visible(ADA) == [adas]
    with pytest.raises(NotFound):
        store.find(ADA, bobs.volume_id)
    assert store.own(TEAM, "data") is None  # a team looks at its members' volumes, but mounts its own
    with pytest.raises(Conflict, match="several tenants"):
        store.find(TEAM, "data")
    assert store.find(TEAM, bobs.volume_id) == bobs
    assert store.find(ADMINISTRATOR, adas.volume_id) == adas


def test_a_volume_without_a_name_is_anonymous_and_named_by_its_id(store: VolumeStore) -> None:
    made, _ = store.ensure(ADA)
    assert made.is_anonymous
    assert made.name == made.volume_id
    assert not store.ensure(ADA, "data")[0].is_anonymous


def test_a_held_volume_cannot_be_removed_and_its_holders_are_named(store: VolumeStore, trash: Trash) -> None:
    made, _ = store.ensure(ADA, "data", holder="c1")
    store.hold(made.volume_id, "c2")
    with pytest.raises(Conflict, match=r"remove data: volume is in use - \[c1, c2\]"):
        store.remove(made.volume_id)
    store.settle("c1", exists=True)
    store.settle("c1", exists=False)
    store.settle("c2", exists=False)
    path = store.data_path(made.volume_id)
    store.remove(made.volume_id)
    trash.empty()
    assert not path.exists()
    with pytest.raises(NotFound):
        store.find(ADA, "data")


def test_a_container_that_does_not_come_to_be_takes_its_new_volumes_with_it(store: VolumeStore) -> None:
    old, _ = store.ensure(ADA, "old")
    store.hold(old.volume_id, "c1")
    new, _ = store.ensure(ADA, "new", holder="c1")
    shared, _ = store.ensure(ADA, "shared", holder="c1")
    store.hold(shared.volume_id, "c2")
    assert store.settle("c1", exists=False) == [new]
    assert store.visible(ADA) == [old, shared]


@pytest.mark.parametrize(("has_container", "left"), [(True, ["anonymous", "named", "old"]), (False, ["old"])])
def test_a_daemon_killed_in_a_create_leaves_volumes_with_the_container_only(
    store: VolumeStore, tmp_path: Path, has_container: bool, left: list[str]
) -> None:
    names = {
        store.ensure(ADA, "old")[0].volume_id: "old",
        store.ensure(ADA, "named", holder="c1")[0].volume_id: "named",
        store.ensure(ADA, holder="c1")[0].volume_id: "anonymous",
    }
    held = {"c1": [*names]} if has_container else {}
    found = reopened(store, tmp_path, held)
    assert sorted(names[volume.volume_id] for volume in found.visible(ADA)) == left
    again = reopened(found, tmp_path)  # by then the container is gone, without its volumes
    assert sorted(names[volume.volume_id] for volume in again.visible(ADA)) == left


@pytest.mark.parametrize(("has_container", "is_left"), [(True, True), (False, False)])
def test_a_daemon_killed_in_a_removal_leaves_the_volume_with_the_container_only(
    store: VolumeStore, tmp_path: Path, has_container: bool, is_left: bool
) -> None:
    made, _ = store.ensure(ADA, holder="c1")
    store.settle("c1", exists=True)
    store.expect([made.volume_id], "c1")
    found = reopened(store, tmp_path, {"c1": [made.volume_id]} if has_container else {})
    assert bool(found.visible(ADA)) == is_left


def test_volumes_that_go_with_a_container_stay_while_another_has_them(store: VolumeStore) -> None:
    made, _ = store.ensure(ADA, holder="c1")
    store.settle("c1", exists=True)
    store.hold(made.volume_id, "c2")
    store.expect([made.volume_id], "c1")
    assert store.settle("c1", exists=False) == []
    store.expect([made.volume_id], "c2")
    assert store.settle("c2", exists=False) == [made]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"volume_id": 3}', b"\xff\xfe"])
def test_a_damaged_record_is_set_aside_with_a_message_and_its_files_stay(
    store: VolumeStore, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    sound, _ = store.ensure(ADA, "sound")
    bad, _ = store.ensure(ADA, "bad", holder="c1")
    file = store.data_path(bad.volume_id) / "file"
    file.touch()
    (file.parents[1] / "volume.json").write_bytes(content)
    found = reopened(store, tmp_path, {"c1": [bad.volume_id]})
    assert found.visible(ADA) == [sound]
    assert f"volume {bad.volume_id} is left out" in caplog.text
    assert file.exists()
    with pytest.raises(NotFound):
        found.data_path(bad.volume_id)


def test_a_record_of_another_volume_is_not_believed(store: VolumeStore, tmp_path: Path) -> None:
    one, _ = store.ensure(ADA, "one")
    two, _ = store.ensure(BOB, "two")
    root = tmp_path / "volumes"
    (root / one.volume_id / "volume.json").write_bytes((root / two.volume_id / "volume.json").read_bytes())
    assert reopened(store, tmp_path).visible(ADMINISTRATOR) == [two]


def test_half_made_volumes_go(store: VolumeStore, tmp_path: Path) -> None:
    staged = tmp_path / "volumes/staging/ab"
    (staged / "data").mkdir(parents=True)
    assert reopened(store, tmp_path).visible(ADMINISTRATOR) == []
    assert not staged.exists()


def test_a_disk_that_refuses_leaves_nothing(store: VolumeStore, tmp_path: Path) -> None:
    (tmp_path / "volumes/staging").rmdir()
    with pytest.raises(Fault, match="cannot make volume data"):
        store.ensure(ADA, "data", holder="c1")
    assert (store.visible(ADA), store.held_by("c1")) == ([], frozenset())


def test_a_name_asked_for_by_many_at_once_is_one_volume(store: VolumeStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: store.ensure(ADA, "data", holder=f"c{number}"), range(40)))
    assert len({record.volume_id for record, _ in made}) == 1
    assert [is_new for _, is_new in made].count(True) == 1
    assert len(store.holders(made[0][0].volume_id)) == 40


def test_size_counts_each_file_once_and_follows_no_link(store: VolumeStore) -> None:
    made, _ = store.ensure(ADA, "data")
    path = store.data_path(made.volume_id)
    (path / "file").write_bytes(bytes(range(256)) * 40)
    os.link(path / "file", path / "again")
    (path / "out").symlink_to("/")
    assert store.size_bytes(made.volume_id) == 10_240 + (path / "out").lstat().st_blocks * 512
    store.remove(made.volume_id)
    assert store.size_bytes(made.volume_id) == 0


@pytest.mark.parametrize("name", ["", "a", "-ab", ".ab", "a/b", "../a", "a b", "ab\n", "a" * 256, "ä" * 3])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(InvalidParameter):
        check_volume_name(name)


@pytest.mark.parametrize("name", ["ab", "0_", "A.b-c_d", "a" * 255])
def test_names_of_dockerd_are_taken(name: str) -> None:
    check_volume_name(name)


def test_records_of_before_options_load(store: VolumeStore, tmp_path: Path) -> None:
    made, _ = store.ensure(ADA, "data")
    record = tmp_path / "volumes" / made.volume_id / "volume.json"
    record.write_text(
        f'{{"volume_id": "{made.volume_id}", "name": "data", "tenant": {{"team": "demo", "member": "ada"}}, "created_ns": 1}}'
    )
    assert reopened(store, tmp_path).visible(ADA) == [VolumeRecord(made.volume_id, "data", ADA, 1)]


def test_a_filling_that_fails_leaves_the_volume_empty(store: VolumeStore) -> None:
    made, _ = store.ensure(ADA, "data")
    store.hold(made.volume_id, "c1")
    with pytest.raises(OSError, match="full"), store.filling(made.volume_id):
        (store.data_path(made.volume_id) / "half").touch()
        raise OSError("the disk is full")
    assert list(store.data_path(made.volume_id).iterdir()) == []


@pytest.mark.parametrize(("held", "left"), [({}, []), ({"c2": True}, ["half"])])
def test_a_daemon_killed_in_a_filling_leaves_the_volume_empty_unless_somebody_else_has_it(
    store: VolumeStore, tmp_path: Path, held: dict[str, bool], left: list[str]
) -> None:
    made, _ = store.ensure(ADA, "data")
    store.hold(made.volume_id, "c1")
    filling = store.filling(made.volume_id)
    filling.__enter__()  # and never left
    (store.data_path(made.volume_id) / "half").touch()
    found = reopened(store, tmp_path, {holder: [made.volume_id] for holder in held})
    assert [path.name for path in found.data_path(made.volume_id).iterdir()] == left
    again = reopened(found, tmp_path)
    assert [path.name for path in again.data_path(made.volume_id).iterdir()] == left


def test_a_shared_volume_is_not_emptied_when_filling_it_fails(store: VolumeStore) -> None:
    made, _ = store.ensure(ADA, "data")
    store.hold(made.volume_id, "c1")
    store.hold(made.volume_id, "c2")
    with pytest.raises(OSError, match="full"), store.filling(made.volume_id):
        (store.data_path(made.volume_id) / "theirs").touch()
        raise OSError("the disk is full")
    assert [path.name for path in store.data_path(made.volume_id).iterdir()] == ["theirs"]
