"""Manifests and indexes: what is read, what is chosen, what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.manifests import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    choose,
    format_manifest,
    manifest_type,
    parse_manifest,
)
from engine.core.platforms import Platform
from engine.errors import EngineError, InvalidParameter, NotFound

DIGEST = "sha256:" + "a" * 64


def entry(media_type: str = DOCKER_LAYER, **fields: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": DIGEST, "size": 10, **fields}


def image(**fields: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": entry(DOCKER_CONFIG),
        "layers": [entry()],
        **fields,
    }


def index(*platforms: str | None) -> Index:
    entries = [
        entry(DOCKER_MANIFEST, digest=f"sha256:{number:064}", **({"platform": described(text)} if text else {}))
        for number, text in enumerate(platforms)
    ]
    parsed = parse_manifest(json.dumps({"schemaVersion": 2, "manifests": entries}).encode(), DOCKER_INDEX)
    assert isinstance(parsed, Index)
    return parsed


def described(text: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


@pytest.mark.parametrize("oci", [False, True])
def test_what_is_written_is_read(oci: bool) -> None:
    config = Descriptor(OCI_CONFIG if oci else DOCKER_CONFIG, DIGEST, 10)
    layers = tuple(Descriptor(OCI_LAYER if oci else DOCKER_LAYER, f"sha256:{number:064}", number) for number in range(3))
    raw = format_manifest(config, layers, oci=oci)
    assert parse_manifest(raw, OCI_MANIFEST if oci else DOCKER_MANIFEST) == Manifest(config, layers)


@pytest.mark.parametrize(
    ("document", "served_as", "kind"),
    [
        (image(), DOCKER_MANIFEST, DOCKER_MANIFEST),
        (image(), f"{DOCKER_MANIFEST}; charset=utf-8", DOCKER_MANIFEST),
        (image(), "application/octet-stream", DOCKER_MANIFEST),
        (image(mediaType=""), OCI_MANIFEST, OCI_MANIFEST),
        (image(mediaType=""), "application/json", OCI_MANIFEST),
        ({"schemaVersion": 2, "manifests": []}, "", OCI_INDEX),
        ({"schemaVersion": 2, "manifests": []}, DOCKER_INDEX, DOCKER_INDEX),
    ],
)
def test_the_kind_of_a_document_is_what_it_is_served_as_or_says(document: dict[str, Any], served_as: str, kind: str) -> None:
    assert manifest_type(json.dumps(document).encode(), served_as) == kind


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "no JSON object"),
        (image(schemaVersion=1), "the old schema 1"),
        (image(schemaVersion=3), "schemaVersion is '3'"),
        (image(mediaType=OCI_INDEX), "says itself"),
        (image(manifests=[]), "its content is not that of"),
        (image(layers="x"), "layers is no list"),
        (image(layers=[entry()] * 128), "layers has 128 entries, at most 127"),
        (image(layers=["x"]), "is no object"),
        (image(layers=[entry(size=-1)]), "no size of a blob"),
        (image(layers=[entry(size=True)]), "no size of a blob"),
        (image(layers=[entry(size=1.5)]), "no size of a blob"),
        (image(layers=[entry(size=10**30)]), "no size of a blob"),
        (image(layers=[entry(digest="sha512:" + "a" * 128)]), "is not sha256"),
        (image(layers=[entry(digest="../../etc/passwd")]), "is not sha256"),
        (image(layers=[entry("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")]), "kept outside the registry"),
        (image(layers=[entry(urls=["http://169.254.169.254/"])]), "kept outside the registry"),
        (image(layers=[entry("application/vnd.oci.image.layer.nondistributable.v1.tar")]), "kept outside the registry"),
        (image(layers=[entry("application/x-helm")]), "which is no layer"),
        (image(layers=[entry("text/\x1b[2J")]), "is no text"),
        (image(config=entry("application/vnd.cncf.helm.config.v1+json")), "this is something else"),
        (image(config=entry(DOCKER_CONFIG, size=9 * 2**20)), "configuration is too long"),
        (image(config=None), "is no object"),
    ],
)
def test_what_is_no_manifest_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(InvalidParameter, match=reason):
        parse_manifest(json.dumps(document).encode(), DOCKER_MANIFEST)


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[" * 100_000, b'{"schemaVersion":', b" " * (4 * 2**20 + 1), b'{"size": 1' + b"0" * 9999 + b"}"]
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidParameter):
        parse_manifest(raw, DOCKER_MANIFEST)


@pytest.mark.parametrize(
    ("platforms", "wanted", "chosen"),
    [
        (["linux/arm64", "linux/amd64"], Platform("linux", "amd64"), 1),
        (["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"], Platform("linux", "arm", "v6"), 2),
        (["linux/arm/v5", "linux/arm/v7"], Platform("linux", "arm", "v6"), 0),
        (["linux/amd64", "linux/amd64"], Platform("linux", "amd64"), 0),
        ([None, "linux/amd64"], Platform("linux", "amd64"), 1),
        ([None, "linux/arm64"], Platform("linux", "amd64"), 0),
        (["windows/amd64", "unknown/unknown", "linux/amd64"], Platform("linux", "amd64"), 2),
        (["linux/arm64"], Platform("linux"), 0),
    ],
)
def test_the_best_fit_is_chosen(platforms: list[str | None], wanted: Platform, chosen: int) -> None:
    assert choose(index(*platforms), wanted).digest == f"sha256:{chosen:064}"


def test_no_fit_is_said_with_what_there_is() -> None:
    with pytest.raises(
        NotFound, match="no matching manifest for linux/s390x in the manifest list entries: there are linux/amd64"
    ):
        choose(index("linux/amd64", "windows/amd64"), Platform("linux", "s390x"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from([DIGEST, DOCKER_LAYER, DOCKER_MANIFEST]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["config", "layers", "manifests", "mediaType", "size", "digest", "platform", "urls"]), inner
        )
    ),
    max_leaves=20,
)


@given(_JSON, st.sampled_from([DOCKER_MANIFEST, OCI_INDEX, ""]))
def test_any_document_is_read_or_refused(document: Any, media_type: str) -> None:
    if isinstance(document, dict):
        document["schemaVersion"] = 2
    try:
        parsed = parse_manifest(json.dumps(document).encode(), media_type)
        if isinstance(parsed, Index):
            choose(parsed, Platform("linux", "amd64"))
    except EngineError as error:
        assert error.message
