"""The packages ``docker`` and ``aiodocker`` on images: build, pull, push, save, load, tag, remove and prune."""

import io
import tarfile
from pathlib import Path
from typing import Any

import aiodocker
import pytest
from docker.errors import APIError, BuildError, ImageNotFound, NotFound

from tests.engine.conformance.registries import NAME, PASSWORD, Registries

Client = Any  # the stubs of both packages know less than the packages do

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # sockets left for the collector
]

_DOCKERFILE = "FROM busybox\nARG A=a\nLABEL x=y\nCOPY f /f\nRUN echo $A >>/f\nCMD cat /f\n"
_ACCOUNT = {"username": NAME, "password": PASSWORD}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder to build from."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    (folder / "f").write_text("hi\n")
    return folder


def test_an_image_is_built(client: Client, context: Path) -> None:
    image, said = client.images.build(path=str(context), tag="im1", buildargs={"A": "b"}, rm=True, labels={"l": "m"})
    text = "".join(line.get("stream", "") for line in said)
    assert "Step 5/7 : RUN echo $A >>/f" in text
    assert f"Successfully built {image.short_id.removeprefix('sha256:')[:10]}" in text
    assert image.tags == ["im1:latest"]
    assert image.labels == {"x": "y", "l": "m"}
    assert client.containers.run("im1", remove=True) == b"hi\nb\n"
    again, said = client.images.build(path=str(context), tag="im2", buildargs={"A": "b"}, labels={"l": "m"})
    assert again.id == image.id
    assert "".join(line.get("stream", "") for line in said).count("Using cache") == 6


def test_a_build_that_fails_tells_what_was_said(client: Client) -> None:
    with pytest.raises(BuildError) as caught:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN echo before; exit 7\n"), rm=True, forcerm=True)
    assert "returned a non-zero code: 7" in str(caught.value.msg)
    log: Client = caught.value.build_log
    assert "before\n" in [line.get("stream") for line in log]
    with pytest.raises(APIError) as refused:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nFOO\n"))
    assert refused.value.status_code == 400
    assert client.containers.list(all=True) == []


def test_images_are_pushed_and_pulled(client: Client, registries: Registries) -> None:
    repository = f"{registries.open}/sdk"
    client.images.get("busybox").tag(repository, "v1")
    lines = list(client.images.push(repository, "v1", stream=True, decode=True))
    assert lines[0] == {"status": f"The push refers to repository [{repository}]"}
    assert lines[-1]["aux"]["Tag"] == "v1"
    digest = lines[-1]["aux"]["Digest"]
    client.images.remove(f"{repository}:v1")
    image = client.images.pull(repository, "v1")
    assert sorted(image.tags) == sorted(["busybox:latest", f"{repository}:v1"])
    assert image.attrs["RepoDigests"] == [f"{repository}@{digest}"]
    assert {one.tags[0] for one in client.images.pull(f"{registries.open}/there", all_tags=True)} == {
        f"{registries.open}/there:{tag}" for tag in ("v1", "v2")
    }
    with pytest.raises(NotFound):
        client.images.pull(f"{registries.open}/nosuch", "v1")


def test_a_registry_asks_for_an_account(client: Client, registries: Registries) -> None:
    with pytest.raises(APIError):
        client.login(NAME, "wrong", registry=registries.locked)
    with pytest.raises(APIError):
        client.images.pull(f"{registries.locked}/there", "v1", auth_config={"username": NAME, "password": "wrong"})
    assert client.images.pull(f"{registries.locked}/there", "v1", auth_config=_ACCOUNT).labels == {"tag": "v1"}
    client.images.get("busybox").tag(f"{registries.locked}/sdk")
    told = client.images.push(
        f"{registries.locked}/sdk", auth_config={"username": NAME, "password": "wrong"}, decode=True, stream=True
    )
    assert "error" in list(told)[-1]
    told = client.images.push(f"{registries.locked}/sdk", auth_config=_ACCOUNT, decode=True, stream=True)
    assert "aux" in list(told)[-1]


def test_images_are_saved_loaded_and_removed(client: Client, context: Path) -> None:
    image, _ = client.images.build(path=str(context), tag="im1:v1", rm=True)
    saved = b"".join(image.save(named="im1:v1"))
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        assert "manifest.json" in archive.getnames()
    client.images.remove("im1:v1")
    with pytest.raises(ImageNotFound):
        client.images.get("im1:v1")
    loaded = client.images.load(saved)
    assert [one.id for one in loaded] == [image.id]
    assert loaded[0].history()[0]["CreatedBy"] == '/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "cat /f"]'


def test_images_are_listed_tagged_and_pruned(client: Client, context: Path) -> None:
    first, _ = client.images.build(path=str(context), tag="im1", rm=True)
    second, _ = client.images.build(path=str(context), tag="im1", rm=True, buildargs={"A": "z"})
    assert [one.id for one in client.images.list(filters={"dangling": True})] == [first.id]
    assert [one.id for one in client.images.list(name="im1")] == [second.id]
    assert second.tag("other/im1", "v1")
    pruned = client.images.prune(filters={"dangling": True})
    assert {"Deleted": first.id} in pruned["ImagesDeleted"]
    assert {one.id for one in client.images.list()} == {second.id, client.images.get("busybox").id}
    client.images.remove(second.id, force=True)
    assert [one.tags for one in client.images.list()] == [["busybox:latest"]]


def test_the_use_of_the_disk_is_told(client: Client, context: Path) -> None:
    client.images.build(path=str(context), tag="im1", rm=True)
    used = client.df()
    assert {tag for image in used["Images"] for tag in image["RepoTags"]} == {"busybox:latest", "im1:latest"}
    assert used["LayersSize"] > 1_000_000
    assert {image["SharedSize"] > 1_000_000 for image in used["Images"]} == {True}


async def test_aiodocker_builds_tags_and_removes(async_client: Client, context: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(context, arcname=".")
    packed.seek(0)
    said = await async_client.images.build(fileobj=packed, encoding="gzip", tag="im1:v1", rm=True)
    assert said[-1] == {"stream": "Successfully tagged im1:v1\n"}
    await async_client.images.tag("im1:v1", repo="im2", tag="v2")
    assert sorted((await async_client.images.inspect("im2:v2"))["RepoTags"]) == ["im1:v1", "im2:v2"]
    assert (await async_client.images.history("im1:v1"))[1]["CreatedBy"].startswith("|1 A=a /bin/sh -c echo $A")
    await async_client.images.delete("im1:v1")
    removed = await async_client.images.delete("im2:v2")
    assert removed[0] == {"Untagged": "im2:v2"}
    with pytest.raises(aiodocker.DockerError) as caught:
        await async_client.images.inspect("im2:v2")
    assert caught.value.status == 404


async def test_aiodocker_pulls_pushes_saves_and_loads(async_client: Client, registries: Registries) -> None:
    name = f"{registries.open}/there"
    said = [line async for line in async_client.images.pull(name, tag="v1", stream=True)]
    assert said[-1] == {"status": f"Status: Downloaded newer image for {name}:v1"}
    pushed = f"{registries.open}/aio"
    await async_client.images.tag(f"{name}:v1", repo=pushed, tag="v1")
    said = [line async for line in async_client.images.push(pushed, tag="v1", stream=True)]
    assert said[-1]["aux"]["Tag"] == "v1"
    async with async_client.images.export_image(f"{name}:v1") as stream:
        saved = b"".join([chunk async for chunk in stream.iter_chunked(65536)])
    await async_client.images.delete(f"{name}:v1", force=True)
    loaded = await async_client.images.import_image(saved)
    assert loaded[-1] == {"stream": f"Loaded image: {name}:v1\n"}
    await async_client.images.pull(f"{registries.locked}/there", tag="v2", auth=_ACCOUNT)
    with pytest.raises(aiodocker.DockerError):
        await async_client.images.pull(f"{registries.locked}/there", tag="v1")
