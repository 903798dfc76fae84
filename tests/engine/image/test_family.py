"""Images made of images: steps of builds, what goes with a last child, and what of it other tenants learn."""

import io
from pathlib import Path

import pytest

from engine.core.digests import sha256_of
from engine.core.image_config import HistoryEntry, ImageConfig
from engine.core.tenants import Tenant
from engine.errors import Conflict, InvalidParameter, NotFound
from engine.image.removal import ImageUse
from engine.image.store import Image, ImageStore
from tests.engine.image.conftest import ADA, ADMIN, BOB, OUTSIDER, TEAM, ImportImage, OpenStore, told
from tests.engine.image.image_archives import BASE_LAYER, LAYERS, docker_archive, image_config
from tests.engine.storage.tar_archives import archive, member, names_in

pytestmark = pytest.mark.requires_root
DIGEST = "sha256:" + "d" * 64


def unused(_image_id: str) -> list[ImageUse]:
    return []


def layer(content: bytes) -> io.BytesIO:
    return io.BytesIO(archive([member("step", content)]))


def build(store: ImageStore, base: Image | None, step: str, content: bytes = b"", *, tenant: Tenant = ADA) -> Image:
    config = base.config if base else ImageConfig(architecture="amd64")
    made = store.layers.unpack(layer(content)) if content else None
    entry = HistoryEntry(created_by=step)
    return store.build_step(base, tenant=tenant, config=config, entry=entry, layer=made, step=step)


def hexes(path: Path) -> list[str]:
    return [name for name in names_in(path) if len(name) == 64]


def test_a_step_is_an_image_on_top_of_another(store: ImageStore, add: ImportImage) -> None:
    base = add(ADMIN, "shell")
    first = build(store, base, "RUN a", b"a")
    second = build(store, first, "ENV x=y")
    assert (first.parent, second.parent) == (base.id, first.id)
    assert second.config.diff_ids == first.config.diff_ids == (*base.config.diff_ids, sha256_of(layer(b"a").read()))
    assert [entry.created_by for entry in second.config.history[-2:]] == ["RUN a", "ENV x=y"]
    assert [entry.empty_layer for entry in second.config.history[-2:]] == [False, True]
    assert (
        store.build_step(
            None, tenant=ADA, config=ImageConfig("amd64"), entry=HistoryEntry(), layer=None, step="FROM scratch"
        ).config.diff_ids
        == ()
    )


def test_a_step_is_found_by_its_parent_and_text_among_ones_own(store: ImageStore, add: ImportImage) -> None:
    base = add(ADMIN, "shell")
    older, newer = build(store, base, "RUN a", b"1"), build(store, base, "RUN a", b"2")
    assert older.id != newer.id
    found = store.find_step(ADA, base.id, "RUN a")
    assert found is not None
    assert found.id == newer.id
    assert store.find_step(ADA, base.id, "RUN b") is store.find_step(ADA, newer.id, "RUN a") is None
    assert store.find_step(BOB, base.id, "RUN a") is store.find_step(TEAM, base.id, "RUN a") is None
    assert store.find_step(ADA, "", "") is None


def test_what_was_made_of_what_survives_a_restart(store: ImageStore, open_store: OpenStore, add: ImportImage) -> None:
    made = build(store, add(ADA, "shell"), "RUN a", b"a")
    again = open_store()
    found = again.find_step(ADA, made.parent, "RUN a")
    assert found is not None
    assert (found.id, found.parent) == (made.id, made.parent)


def test_the_last_child_takes_its_nameless_parents_along(store: ImageStore, add: ImportImage, tmp_path: Path) -> None:
    base = add(ADA, "shell")
    middle = build(store, build(store, base, "RUN a", b"a"), "ENV x=y")
    top = build(store, middle, "RUN b", b"b")
    store.tag(ADA, top.id, "built")
    removed = told(store.remove(ADA, "built", force=False, in_use=unused))
    assert [item.get("Deleted") for item in removed if item.get("Deleted") in (top.id, middle.id, middle.parent, base.id)] == [
        top.id,
        middle.id,
        middle.parent,
    ]
    assert removed[0] == {"Untagged": "built:latest"}
    assert len(removed) == 1 + 3 + 2  # names, images, layers
    assert hexes(tmp_path / "images") == [base.id[7:]]
    assert hexes(tmp_path / "layers") == [base.config.diff_ids[0][7:]]


def test_parents_stay_where_that_is_wished_or_something_needs_them(store: ImageStore, add: ImportImage) -> None:
    base = add(ADA, "shell")
    parent = build(store, base, "RUN a", b"a")
    one, two, three = (build(store, parent, f"RUN {name}", name.encode()) for name in ("one", "two", "three"))
    store.remove(ADA, one.id, force=False, in_use=unused)
    assert store.get(ADA, parent.id).id == parent.id
    store.remove(ADA, two.id, force=False, in_use=unused, prunes=False)
    store.remove(ADA, three.id, force=False, in_use=lambda image_id: [ImageUse("c" * 64, False)] if image_id == parent.id else [])
    assert store.get(ADA, parent.id).id == parent.id


@pytest.mark.parametrize("force", [False, True])
def test_an_image_with_children_cannot_be_removed_but_loses_its_name(store: ImageStore, add: ImportImage, force: bool) -> None:
    base = add(ADA, "shell")
    child = build(store, base, "RUN a", b"a")
    with pytest.raises(Conflict, match=r"\(cannot be forced\) - image has dependent child images"):
        store.remove(ADA, base.id, force=force, in_use=unused)
    assert told(store.remove(ADA, "shell", force=force, in_use=unused)) == [{"Untagged": "shell:latest"}]
    assert store.get(ADA, base.id).id == base.id
    store.remove(ADA, child.id, force=False, in_use=unused)
    with pytest.raises(NotFound):
        store.get(ADA, base.id)


def test_children_of_others_keep_nobody_from_removing_and_are_whole_without(store: ImageStore, add: ImportImage) -> None:
    base = add(ADMIN, "shell")
    child = build(store, base, "RUN a", b"a", tenant=ADA)
    assert told(store.remove(ADMIN, base.id, force=False, in_use=unused))[1] == {"Deleted": base.id}
    left = store.get(ADA, child.id)
    assert left.parent == ""
    assert (store.lowers(left)[0] / "file").read_bytes() == b"x"


def test_nobody_learns_from_an_image_what_another_made_it_from(store: ImageStore, add: ImportImage) -> None:
    base = add(ADA, "secret-base")
    made = build(store, base, "RUN secret", b"a")
    store.tag(ADA, made.id, "given")
    archive_of = store.open_archive(ADA, ["given"])
    raw = b"".join(iter(archive_of.next_block, b""))
    archive_of.close()
    (loaded,) = store.load(io.BytesIO(raw), tenant=BOB)
    assert loaded.image.id == made.id
    assert store.get(BOB, "given").parent == ""
    assert store.get(ADA, "given").parent == base.id
    assert store.find_step(BOB, base.id, "RUN secret") is None
    store.remove(ADA, "given", force=False, in_use=unused)
    assert store.get(BOB, "given").id == made.id


def test_digests_of_a_repository_are_their_holder_s_own(store: ImageStore) -> None:
    raw = image_config()
    for tenant, name in ((ADA, "shell"), (BOB, "host:5000/secret/name")):
        held = [store.layers.unpack(io.BytesIO(one)).diff_id for one in LAYERS]
        store.add_image(raw, tenant=tenant, held=held, tags=[f"{name}:1"], repo_digests=[f"{name}@{DIGEST}"])
    assert store.get(ADA, f"shell@{DIGEST}").repo_digests == (f"shell@{DIGEST}",)
    with pytest.raises(NotFound):
        store.get(ADA, f"host:5000/secret/name@{DIGEST}")
    assert store.get(TEAM, f"shell@{DIGEST}").repo_digests == (f"host:5000/secret/name@{DIGEST}", f"shell@{DIGEST}")
    assert told(store.remove(ADA, "shell:1", force=False, in_use=unused))[:3] == [
        {"Untagged": "shell:1"},
        {"Untagged": f"shell@{DIGEST}"},
        {"Deleted": sha256_of(raw)},
    ]


def test_a_digest_is_a_name_that_can_be_removed(store: ImageStore) -> None:
    held = [store.layers.unpack(io.BytesIO(one)).diff_id for one in LAYERS]
    image = store.add_image(image_config(), tenant=ADA, held=held, repo_digests=[f"shell@{DIGEST}", f"other@{DIGEST}"])
    assert told(store.remove(ADA, f"shell@{DIGEST}", force=False, in_use=unused)) == [{"Untagged": f"shell@{DIGEST}"}]
    assert told(store.remove(ADA, f"other@{DIGEST}", force=False, in_use=unused))[:2] == [
        {"Untagged": f"other@{DIGEST}"},
        {"Deleted": image.id},
    ]


def test_an_image_takes_only_layers_that_came_with_it(store: ImageStore, add: ImportImage, tmp_path: Path) -> None:
    secret = add(BOB, "secret", b"the answers")
    held = [store.layers.unpack(io.BytesIO(BASE_LAYER)).diff_id]
    with pytest.raises(InvalidParameter, match="did not come with it"):
        store.add_image(store.raw_config(secret), tenant=OUTSIDER, held=held)
    assert store.list(OUTSIDER) == []
    assert hexes(tmp_path / "layers") == [secret.config.diff_ids[0][7:]]  # what was held is given back


def test_a_layer_is_seen_by_who_sees_an_image_with_it(store: ImageStore, add: ImportImage) -> None:
    (own,) = add(ADA, "own", b"1").config.diff_ids
    (published,) = add(ADMIN, "published", b"2").config.diff_ids
    assert [store.sees_layer(tenant, own) for tenant in (ADA, TEAM, ADMIN, BOB, OUTSIDER)] == [True, True, True, False, False]
    assert [store.sees_layer(tenant, published) for tenant in (ADA, OUTSIDER)] == [True, True]
    assert not store.sees_layer(ADMIN, DIGEST)


def wanted(_image: Image) -> bool:
    return True


def test_prune_takes_ones_own_images_that_nothing_needs(store: ImageStore, add: ImportImage) -> None:
    named, nameless = add(ADA, "named", b"1"), add(ADA, None, b"22")
    others = [add(BOB, None, b"3"), add(ADMIN, None, b"4")]
    parent = build(store, named, "RUN a", b"a")
    store.tag(ADA, build(store, parent, "RUN b", b"b").id, "built")
    removed = store.prune(ADA, dangling_only=True, is_wanted=wanted, in_use=unused)
    assert [item["Deleted"] for item in told(removed)] == [nameless.id, *nameless.config.diff_ids]
    assert removed.freed_bytes == 2
    for image in others:
        assert store.by_id(image.id).id == image.id
    busy = ImageUse("c" * 64, is_running=False)
    removed = store.prune(
        ADA, dangling_only=False, is_wanted=wanted, in_use=lambda image_id: [busy] if image_id == named.id else []
    )
    assert {item.image.id for item in removed.items if item.image and item.deleted}.isdisjoint({named.id})
    assert [tags for image, tags in store.list(ADA) if image.owner == ADA] == [["named:latest"]]


def test_prune_keeps_what_own_containers_were_made_from_though_others_hold_it_too(store: ImageStore, add: ImportImage) -> None:
    image = add(ADA, "shell")
    archived = docker_archive(layers=[BASE_LAYER], tags=["shared:1"])
    for tenant in (ADA, BOB):
        store.load(io.BytesIO(archived.tar), tenant=tenant)
    own = ImageUse("c" * 64, is_running=False, owner=ADA)
    store.prune(ADA, dangling_only=False, is_wanted=wanted, in_use=lambda _: [own])
    assert sorted(found.id for found, _ in store.list(ADA)) == sorted([image.id, archived.image_id])
    store.prune(BOB, dangling_only=False, is_wanted=wanted, in_use=lambda _: [own])
    assert store.list(BOB) == []


def test_what_builds_left_goes_and_what_a_name_descends_from_stays(store: ImageStore, add: ImportImage) -> None:
    base = add(ADA, "shell")
    kept = build(store, base, "RUN a", b"a")
    store.tag(ADA, build(store, kept, "RUN b", b"b").id, "built")
    given_up = build(store, build(store, base, "RUN c", b"ccc"), "RUN d", b"dddd")
    removed = store.prune_builds(ADA, is_wanted=wanted, in_use=unused)
    assert [item.deleted for item in removed.items if item.image] == [given_up.id, given_up.parent]
    assert removed.freed_bytes == 7
    assert [image.id for image in store.built(ADA)] == [kept.id]
    assert told(store.prune_builds(ADA, is_wanted=wanted, in_use=unused)) == []
