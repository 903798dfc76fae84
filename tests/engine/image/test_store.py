"""Images from the first import to the last removal, on a real disk."""

import gzip
import io
import json
import threading
from pathlib import Path

import pytest

from engine.core.digests import sha256_of
from engine.errors import Conflict, Forbidden, InvalidParameter, NotFound
from engine.image.store import Image, ImageStore, ImageUse
from tests.engine.image.conftest import ADA, ADMIN, BOB, OUTSIDER, TEAM, ImportImage, OpenStore, told
from tests.engine.storage.tar_archives import archive, member, names_in

pytestmark = pytest.mark.requires_root


def unused(_image_id: str) -> list[ImageUse]:
    return []


def hexes(path: Path) -> list[str]:
    return [name for name in names_in(path) if len(name) == 64]


def listed(store: ImageStore, tenant: object) -> dict[str, list[str]]:
    return {image.id: tags for image, tags in store.list(tenant)}  # type: ignore[arg-type]  # the cast's tenants


def test_an_imported_archive_becomes_an_image(store: ImageStore) -> None:
    raw = archive([member("bin/sh", b"#!" * 50, mode=0o755)])
    image = store.import_tar(
        io.BytesIO(gzip.compress(raw)),
        tenant=ADA,
        reference="hub.example/library/shell",
        changes=['CMD ["sh"]', "ENV A=1\nUSER ada"],
        message="from the host",
    )
    assert (image.owner, image.size, image.created_ns) == (ADA, 100, 1_700_000_000 * 10**9)
    assert (image.config.cmd, image.config.env, image.config.user) == (("sh",), ("A=1",), "ada")
    assert image.config.diff_ids == (sha256_of(raw),)
    assert image.config.history[0].comment == "from the host"
    assert image.id == sha256_of(store.raw_config(image))
    assert store.get(ADA, "shell") == image
    assert [(path / "bin/sh").read_bytes() for path in store.lowers(image)] == [b"#!" * 50]
    assert store.layer_sizes(image) == [100]
    assert store.tags(image, ADA) == ["shell:latest"]


@pytest.mark.parametrize(
    ("reference", "changes", "raw"),
    [
        ("Bad Name", [], None),
        ("x@sha256:" + "0" * 64, [], None),
        ("x", ["RUN make"], None),
        ("x", [], b"no archive"),
        ("x", [], archive([member("../x", b"")])),
    ],
)
def test_a_refused_import_leaves_nothing(
    store: ImageStore, tmp_path: Path, reference: str, changes: list[str], raw: bytes | None
) -> None:
    stream = io.BytesIO(raw if raw is not None else archive([member("x", b"x")]))
    with pytest.raises(InvalidParameter):
        store.import_tar(stream, tenant=ADA, reference=reference, changes=changes)
    assert (store.list(ADMIN), hexes(tmp_path / "images"), hexes(tmp_path / "layers")) == ([], [], [])


def test_each_tenant_has_its_own_names(store: ImageStore, add: ImportImage) -> None:
    published, adas, bobs = add(ADMIN, "shell", b"1"), add(ADA, "shell", b"2"), add(BOB, "shell", b"3")
    assert [store.get(who, "shell").id for who in (ADA, BOB, OUTSIDER)] == [adas.id, bobs.id, published.id]
    assert listed(store, OUTSIDER) == {published.id: ["shell:latest"]}
    assert listed(store, ADA) == {adas.id: ["shell:latest"], published.id: []}
    assert list(listed(store, TEAM)) == [bobs.id, adas.id, published.id]
    with pytest.raises(NotFound, match="No such image"):
        store.get(OUTSIDER, adas.id)


def test_a_name_moves_to_the_newer_image(store: ImageStore, add: ImportImage) -> None:
    old, new = add(ADA, "shell", b"1"), add(ADA, "shell", b"2")
    assert listed(store, ADA) == {new.id: ["shell:latest"], old.id: []}


def test_a_tag_names_a_published_image_in_one_s_own_scope(store: ImageStore, add: ImportImage) -> None:
    published = add(ADMIN, "shell")
    tagged = store.tag(ADA, "shell", "mine:2")
    assert (tagged.id, tagged.owner) == (published.id, ADA)
    assert store.tags(published, ADA) == ["mine:2", "shell:latest"]
    assert store.tags(published, BOB) == ["shell:latest"]
    with pytest.raises(NotFound, match="No such image"):
        store.get(BOB, "mine:2")
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        store.tag(ADA, "shell", "Mine")


def test_tagging_twice_changes_nothing(store: ImageStore, add: ImportImage) -> None:
    image = add(ADA, "shell")
    store.tag(ADA, "shell", "shell:latest")
    assert listed(store, ADA) == {image.id: ["shell:latest"]}


def test_the_last_removal_takes_records_and_layers(store: ImageStore, add: ImportImage, tmp_path: Path) -> None:
    image = add(ADA, "shell")
    store.tag(ADA, "shell", "again")
    assert told(store.remove(ADA, "again", force=False, in_use=unused)) == [{"Untagged": "again:latest"}]
    assert told(store.remove(ADA, "shell", force=False, in_use=unused)) == [
        {"Untagged": "shell:latest"},
        {"Deleted": image.id},
        {"Deleted": image.config.diff_ids[0]},
    ]
    assert hexes(tmp_path / "images") == hexes(tmp_path / "layers") == []
    with pytest.raises(NotFound):
        store.lowers(image)


@pytest.mark.parametrize("form", ["{id}", "{hex}", "{short}", "sha256:{short}"])
def test_an_image_is_removed_by_any_form_of_its_id(store: ImageStore, add: ImportImage, form: str) -> None:
    image = add(ADA, "shell:3")
    name = form.format(id=image.id, hex=image.id[7:], short=image.id[7:19])
    assert told(store.remove(ADA, name, force=False, in_use=unused))[:2] == [{"Untagged": "shell:3"}, {"Deleted": image.id}]
    assert store.list(ADMIN) == []


def test_a_layer_stays_while_any_image_has_it(store: ImageStore, add: ImportImage, tmp_path: Path) -> None:
    add(ADA, "one", b"same")
    other = add(BOB, "two", b"same", "USER bob")
    assert len(hexes(tmp_path / "layers")) == 1
    store.remove(ADA, "one", force=False, in_use=unused)
    assert (store.lowers(other)[0] / "file").read_bytes() == b"same"


def test_what_is_not_one_s_own_cannot_be_removed(store: ImageStore, add: ImportImage) -> None:
    published = add(ADMIN, "shell")
    for name in ("shell", published.id):
        with pytest.raises(Forbidden, match="belongs to the administrators"):
            store.remove(ADA, name, force=True, in_use=unused)
    with pytest.raises(NotFound):
        store.remove(OUTSIDER, add(ADA, "mine", b"2").id, force=True, in_use=unused)


def test_an_image_in_use_is_kept_for_its_containers_and_collected_after_them(
    store: ImageStore, open_store: OpenStore, add: ImportImage, tmp_path: Path
) -> None:
    image = add(ADA, "shell")
    asked: list[str] = []

    def stopped(image_id: str) -> list[ImageUse]:
        asked.append(image_id)
        return [ImageUse("c" * 64, is_running=False)]

    with pytest.raises(Conflict, match="must force"):
        store.remove(ADA, "shell", force=False, in_use=stopped)
    removed = store.remove(ADA, "shell", force=True, in_use=stopped)
    assert told(removed) == [{"Untagged": "shell:latest"}, {"Deleted": image.id}]
    assert asked == [image.id] * 2
    assert store.list(ADMIN) == []
    store = open_store()
    assert store.lowers(store.by_id(image.id))[0].is_dir()
    assert store.collect(lambda: {image.id}) == []
    assert store.collect(set) == [image.id]
    assert hexes(tmp_path / "images") == hexes(tmp_path / "layers") == []
    with pytest.raises(NotFound, match="No such image"):
        store.by_id(image.id)


def test_a_removed_image_can_be_imported_again_while_containers_keep_it(store: ImageStore, add: ImportImage) -> None:
    image = add(ADA, "shell")
    raw = store.raw_config(image)
    store.remove(ADA, "shell", force=True, in_use=lambda _: [ImageUse("c" * 64, is_running=False)])
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["shell:latest"], "Layers": ["l.tar"]}]).encode()
    layer = archive([member("file", b"x")])
    saved = archive([member("c.json", raw), member("l.tar", layer), member("manifest.json", manifest)])
    store.load(io.BytesIO(saved), tenant=ADA)
    assert listed(store, ADA) == {image.id: ["shell:latest"]}


def test_an_image_without_layers_still_has_a_lower_folder(store: ImageStore) -> None:
    config = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": None}]).encode()
    (loaded,) = store.load(io.BytesIO(archive([member("c.json", config), member("manifest.json", manifest)])), tenant=ADA)
    (lower,) = store.lowers(loaded.image)
    assert names_in(lower) == []
    assert loaded.image.created_ns == 0


def test_many_threads_import_tag_and_remove_at_once(store: ImageStore, add: ImportImage, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                name = f"n{number}-{turn}"
                image: Image = add(ADA, name, b"%d" % turn)
                store.tag(ADA, name, f"{name}:again")
                assert store.get(ADA, name).id == image.id
                store.list(ADMIN)
                store.remove(ADA, image.id, force=True, in_use=unused)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (store.list(ADMIN), hexes(tmp_path / "images"), hexes(tmp_path / "layers")) == ([], [], [])
