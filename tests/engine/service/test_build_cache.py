"""The build cache: what is taken again, what is not, and whose it is."""

from typing import Any

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.building import build

pytestmark = pytest.mark.requires_root

TENANT, OTHER = "cachers/ada", "cachers/bob"
DOCKERFILE = """
FROM busybox
ARG WHO=nobody
ENV A=1
WORKDIR /made
COPY file /made/
RUN echo $WHO >/who
RUN ["sh", "-c", "date +%N >/when"]
CMD ["true"]
"""


def image_ids(engine: EngineDaemon, tenant: str = "") -> list[str]:
    return sorted(image["Id"] for image in engine.request("GET", "/images/json?all=1", tenant=tenant).document)


def test_a_second_build_makes_no_container_and_no_image(engine: EngineDaemon) -> None:
    first = build(engine, DOCKERFILE, {"file": "same"})
    images = image_ids(engine)
    since = engine.request("GET", "/info").document["SystemTime"]
    second = build(engine, DOCKERFILE, {"file": "same"})
    assert (second.image_id, second.cached) == (first.image_id, 7)
    assert second.text.count("CACHED") == 7
    assert image_ids(engine) == images
    assert since


CHANGES = {
    "nothing": (DOCKERFILE, {"file": "same"}, {}, 7),
    "a comment": (DOCKERFILE.replace("ENV", "# why\nENV"), {"file": "same"}, {}, 7),
    "a file that is not copied": (DOCKERFILE, {"file": "same", "other": "x"}, {}, 7),
    "a copied file": (DOCKERFILE, {"file": "other"}, {}, 3),
    "an instruction in the middle": (DOCKERFILE.replace("A=1", "A=2"), {"file": "same"}, {}, 1),
    "an argument that a command sees": (DOCKERFILE, {"file": "same"}, {"buildargs": {"WHO": "me"}}, 4),
    "an argument that nobody sees": (DOCKERFILE, {"file": "same"}, {"buildargs": {"NONE": "me"}}, 7),
    "an argument with its default": (DOCKERFILE, {"file": "same"}, {"buildargs": {"WHO": "nobody"}}, 7),
    "the cache is not wanted": (DOCKERFILE, {"file": "same"}, {"nocache": 1}, 0),
    "a label at the end": (DOCKERFILE, {"file": "same"}, {"labels": {"a": "b"}}, 7),
}


@pytest.mark.parametrize(("dockerfile", "files", "query", "cached"), CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_made_anew(
    engine: EngineDaemon, dockerfile: str, files: dict[str, str], query: dict[str, Any], cached: int
) -> None:
    assert build(engine, DOCKERFILE, {"file": "same"}).error == ""
    built = build(engine, dockerfile, files, **query)
    assert (built.error, built.cached) == ("", cached), built.text


def test_the_cache_is_each_tenants_own(engine: EngineDaemon) -> None:
    for tenant in (TENANT, OTHER):
        engine.import_busybox("busybox:latest", tenant=tenant)
    first = build(engine, "FROM busybox\nRUN echo secret >/s\n", tenant=TENANT)
    assert first.error == ""
    assert build(engine, "FROM busybox\nRUN echo secret >/s\n", tenant=OTHER).cached == 0
    assert build(engine, "FROM busybox\nRUN echo secret >/s\n", tenant=OTHER, cachefrom=f'["{first.image_id}"]').cached == 0
    assert build(engine, "FROM busybox\nRUN echo secret >/s\n", tenant=TENANT).cached == 1
    assert build(engine, f"FROM {first.image_id}\n", tenant=OTHER).error != ""


def test_an_image_can_be_named_as_cache(engine: EngineDaemon) -> None:
    dockerfile = "FROM busybox\nENV A=1\nRUN date +%N >/when\nCMD true\n"
    built = build(engine, dockerfile, nocache=1, t="cached:1")
    archive = engine.cli("save", "cached:1").stdout
    for tag in ("cached:1",):
        engine.request("DELETE", f"/images/{tag}?force=1")
    engine.cli("load", stdin=archive)
    again = build(engine, dockerfile, cachefrom='["cached:1"]')
    assert (again.error, again.cached) == ("", 3), again.text
    assert again.image_id == built.image_id


def test_names_move_with_each_build(engine: EngineDaemon) -> None:
    first = build(engine, "FROM busybox\nENV A=1\n", t=["moved:1", "moved:2"])
    second = build(engine, "FROM busybox\nENV A=2\n", t="moved:1")
    tags = {image["Id"]: image["RepoTags"] for image in engine.request("GET", "/images/json").document}
    assert (tags[first.image_id], tags[second.image_id]) == (["moved:2"], ["moved:1"])


def test_a_base_alone_gets_the_names(engine: EngineDaemon) -> None:
    base = engine.request("GET", "/images/busybox/json").document["Id"]
    assert build(engine, "FROM busybox\n", t="just:base").image_id == base
    assert engine.request("GET", "/images/just:base/json").document["Id"] == base
