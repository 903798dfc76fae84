"""Archives of images that mean harm: refused in words, nothing of another's given, nothing left."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.core import json_parts
from engine.core.digests import hex_of, sha256_of
from engine.core.platforms import Platform
from engine.errors import EngineError, InvalidParameter, NotFound
from engine.image import archive as image_archive
from engine.image import archive_files, archive_read, records
from engine.image.store import ImageStore
from tests.engine.image.conftest import ADA, ADMIN, BOB, ImportImage
from tests.engine.image.image_archives import BASE_LAYER, LAYERS, TOP_LAYER, docker_archive, image_config, oci_archive
from tests.engine.storage.tar_archives import archive, hard_link, member, names_in, symlink

pytestmark = pytest.mark.requires_root
MADE = docker_archive()
MANIFEST = json.loads(MADE.files["manifest.json"])[0]


def load(store: ImageStore, raw: bytes, platform: Platform | None = None) -> list[str]:
    return [one.image.id for one in store.load(io.BytesIO(raw), tenant=ADA, platform=platform)]


def written(files: Iterable[tuple[str, bytes]]) -> bytes:
    return archive([member(name, content) for name, content in files])


def manifest(*items: object) -> bytes:
    return json.dumps(items).encode()


def test_naming_another_tenant_s_layer_gives_no_files(store: ImageStore, add: ImportImage, tmp_path: Path) -> None:
    """By a member of its name that holds something else, by an empty one, by a link, by none."""
    (secret,) = add(BOB, "secret", b"the answers").config.diff_ids
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [secret]}}).encode()
    path = f"blobs/sha256/{hex_of(secret)}"
    table = manifest({"Config": "c.json", "RepoTags": None, "Layers": [path]})
    ends = [member("c.json", config), member("manifest.json", table)]
    for attempt in (
        [member(path, BASE_LAYER)],
        [member(path, b"")],
        [member(path, bytes(1024))],
        [symlink(path, f"../../../../layers/{hex_of(secret)}/diff")],
        [hard_link(path, f"layers/{hex_of(secret)}/layer.json")],
        [],
    ):
        for order in ([*attempt, *ends], [*ends, *attempt]):
            with pytest.raises(InvalidParameter):
                load(store, archive(order))
    assert store.list(ADA) == []
    assert [name for name in names_in(tmp_path / "layers") if len(name) == 64] == [hex_of(secret)]


@pytest.mark.parametrize(
    "target", ["/etc/hostname", "../../../../../../etc/hostname", "manifest.json", "nowhere", "a/../../b"], ids=str
)
@pytest.mark.parametrize("name", ["manifest.json", "index.json"])
def test_a_table_that_is_a_link_leads_nowhere(store: ImageStore, name: str, target: str) -> None:
    with pytest.raises(InvalidParameter):
        load(store, archive([symlink(name, target)]))


def test_links_inside_the_archive_lead_there(store: ImageStore) -> None:
    files = [member(f"real/{name.replace('/', '-')}", content) for name, content in MADE.files.items()]
    links = [symlink(name, f"{'../' * name.count('/')}real/{name.replace('/', '-')}") for name in MADE.files]
    assert load(store, archive([*files, *links])) == [MADE.image_id]
    hard = [hard_link(name, f"real/{name.replace('/', '-')}") for name in MADE.files]
    assert load(store, archive([*files, *hard])) == [MADE.image_id]


def test_of_members_with_one_name_the_last_counts(store: ImageStore, tmp_path: Path) -> None:
    path = MANIFEST["Layers"][0]
    good = [*MADE.files.items()]
    assert load(store, written([(path, TOP_LAYER), ("manifest.json", b"{"), *good])) == [MADE.image_id]
    with pytest.raises(InvalidParameter, match="diff id"):
        load(store, written([*good, (path, TOP_LAYER)]))
    assert len([name for name in names_in(tmp_path / "layers") if len(name) == 64]) == 2


def test_a_configuration_that_is_not_what_its_name_says_is_an_image_of_its_own(store: ImageStore) -> None:
    """As with dockerd, a docker archive's image is what the bytes hash to; an OCI one is refused."""
    other = image_config(author="another")
    raw = written({**MADE.files, MANIFEST["Config"]: other}.items())
    assert load(store, raw) == [sha256_of(other)]
    oci = oci_archive()
    with pytest.raises(InvalidParameter, match="does not have that digest"):
        load(store, written({**oci.files, f"blobs/sha256/{hex_of(oci.image_id)}": other}.items()))


def test_layers_that_no_image_names_are_let_go(store: ImageStore, tmp_path: Path) -> None:
    extra = [(f"{number}/layer.tar", archive([member("x", str(number).encode())])) for number in range(5)]
    assert load(store, written([*extra, *MADE.files.items()])) == [MADE.image_id]
    wanted = sorted(hex_of(sha256_of(layer)) for layer in LAYERS)
    assert sorted(name for name in names_in(tmp_path / "layers") if len(name) == 64) == wanted


def test_a_damaged_layer_that_nobody_names_harms_nobody(store: ImageStore) -> None:
    bad = [("x/layer.tar", TOP_LAYER[:600]), ("y.gz", b"\x1f\x8b" + b"no gzip" * 100), ("z", bytes(512))]
    assert load(store, written([*bad, *MADE.files.items()])) == [MADE.image_id]


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [("_MOST_MEMBERS", 3, "more than 3 members"), ("_MOST_LAYERS", 1, "more than 1 layers")],
)
def test_too_much_of_anything_is_refused(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    monkeypatch.setattr(archive_read, limit, value)
    with pytest.raises(InvalidParameter, match=message):
        load(store, MADE.tar)
    assert store.list(ADMIN) == []


def test_documents_are_bounded_one_by_one_and_in_all(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    unnamed = [("huge.json", b" " * (5 << 20))]
    assert load(store, written([*unnamed, *MADE.files.items()])) == [MADE.image_id]
    monkeypatch.setattr(archive_files, "_MOST_BYTES", 1 << 20)
    many = [(f"{number}.json", b"[" + b" " * (1 << 18)) for number in range(5)]
    with pytest.raises(InvalidParameter, match="in all"):
        load(store, written(many))


@pytest.mark.parametrize(
    ("limit", "items"), [("_MOST_IMAGES", [MANIFEST] * 3), ("_MOST_NAMES", [{**MANIFEST, "RepoTags": ["a:1", "a:2", "a:3"]}])]
)
def test_a_table_of_contents_is_bounded(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch, limit: str, items: list[dict[str, object]]
) -> None:
    files = written({**MADE.files, "manifest.json": manifest(*items)}.items())
    monkeypatch.setattr(image_archive, limit, 3)
    assert set(load(store, files)) == {MADE.image_id}
    monkeypatch.setattr(image_archive, limit, 2)
    with pytest.raises(InvalidParameter, match="load them from several archives"):
        load(store, files)


def test_an_image_has_so_many_names_only(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is written anew with every further one. What an image is called already it may be called again."""
    monkeypatch.setattr(records, "MOST_NAMES", 3)
    (image_id,) = load(
        store, written({**MADE.files, "manifest.json": manifest({**MANIFEST, "RepoTags": ["a:1", "a:2"]})}.items())
    )
    for name in ("a:3", "a:3", "a:1"):
        store.tag(ADA, image_id, name)
    with pytest.raises(InvalidParameter, match="would have 4 names"):
        store.tag(ADA, image_id, "a:4")
    assert len(store.tags(store.get(ADA, image_id), ADA)) == 3


@pytest.mark.parametrize("name", ["manifest.json", MANIFEST["Config"]])
def test_documents_of_very_many_parts_are_not_read(store: ImageStore, name: str) -> None:
    """Their reader lets nothing else of the engine run, neighbours' requests among it."""
    text = b"[" + b"[]," * json_parts.MOST_PARTS + b"[]]"
    with pytest.raises(InvalidParameter, match="too many parts"):
        load(store, written({**MADE.files, name: text}.items()))


def test_a_sparse_member_of_petabytes_costs_nothing(store: ImageStore) -> None:
    info = tarfile.TarInfo("hole.json")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "hole.json",
        "GNU.sparse.realsize": str(2**50),
    }
    content = b"1\n0\n1\n".ljust(512, b"\0") + b"{".ljust(1, b"\0")
    info.size = len(content)
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as opened:
        opened.addfile(info, io.BytesIO(content))
    raw = output.getvalue()[: -len(output.getvalue()) % 512 or None].rstrip(b"\0")
    raw += bytes(-len(raw) % 512)
    assert load(store, raw + MADE.tar) == [MADE.image_id]


def test_indexes_in_indexes_have_an_end(store: ImageStore) -> None:
    raw: dict[str, bytes] = {}
    digest = ""
    for depth in range(8):
        inner = [{"digest": digest}] if digest else [{"digest": "sha256:" + "0" * 64}]
        blob = json.dumps({"manifests": inner, "depth": depth}).encode()
        digest = sha256_of(blob)
        raw[f"blobs/sha256/{hex_of(digest)}"] = blob
    raw["index.json"] = json.dumps({"manifests": [{"digest": digest}]}).encode()
    with pytest.raises(InvalidParameter, match="no image for linux"):
        load(store, written(raw.items()))


def test_what_is_no_image_is_left_out(store: ImageStore) -> None:
    """Signatures and the like stand in indexes beside images."""
    made = oci_archive()
    blob = json.dumps(
        {"config": {"digest": "sha256:" + "0" * 64, "mediaType": "application/vnd.oci.empty.v1+json"}, "layers": []}
    )
    index = json.loads(made.files["index.json"])
    index["manifests"].append({"digest": sha256_of(blob)})
    files = {**made.files, "index.json": json.dumps(index).encode(), f"blobs/sha256/{hex_of(sha256_of(blob))}": blob.encode()}
    assert load(store, written(files.items())) == [made.image_id]


@pytest.mark.parametrize("made", [MADE, oci_archive()], ids=["docker", "oci"])
def test_a_platform_that_is_not_there_is_an_error(store: ImageStore, made: object) -> None:
    assert hasattr(made, "tar")
    with pytest.raises(EngineError, match=r"arm64") as caught:
        load(store, made.tar, platform=Platform("linux", "arm64"))
    assert isinstance(caught.value, InvalidParameter | NotFound)
    assert store.list(ADMIN) == []
    assert len(load(store, made.tar, platform=Platform("linux", "amd64"))) == 1
