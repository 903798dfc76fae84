"""What a name means to whom."""

import pytest

from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, NotFound
from engine.image.lookup import find, nearest_names, tags_for
from engine.image.records import Holding, ImageRecord
from tests.engine.image.conftest import ADA, ADMIN, BOB, OUTSIDER, TEAM

DIGEST = "sha256:" + "d" * 64


def record(digit: str, *holdings: tuple[Tenant, list[str]], digests: tuple[str, ...] = ()) -> ImageRecord:
    held = tuple(Holding(owner, dict.fromkeys(tags, 1), repo_digests=digests) for owner, tags in holdings)
    return ImageRecord(f"sha256:{digit}{'0' * 63}", 0, 0, held)


PUBLISHED = record("a", (ADMIN, ["shell:latest", "debian:12", "hub:1"]), digests=(f"debian@{DIGEST}",))
TEAMS = record("b", (TEAM, ["shell:latest", "team/tool:latest"]))
ADAS = record("c", (ADA, ["shell:latest", "mine:1"]))
BOBS = record("d1", (BOB, ["mine:1"]))
BOBS_OTHER = record("d2", (BOB, ["only-bobs:latest"]))
NOBODYS = record("e")
RECORDS = [PUBLISHED, TEAMS, ADAS, BOBS, BOBS_OTHER, NOBODYS]


@pytest.mark.parametrize(
    ("tenant", "name", "found"),
    [
        pytest.param(ADA, "shell", ADAS, id="own before all"),
        pytest.param(BOB, "shell:latest", TEAMS, id="the team's before published"),
        pytest.param(OUTSIDER, "shell", PUBLISHED, id="published for all"),
        pytest.param(ADMIN, "shell", PUBLISHED, id="published are the administrators' own"),
        pytest.param(TEAM, "shell", TEAMS, id="own name of a team before its members'"),
        pytest.param(ADA, "debian:12", PUBLISHED, id="published to a member"),
        pytest.param(BOB, "team/tool", TEAMS, id="team's to a member"),
        pytest.param(TEAM, "only-bobs", BOBS_OTHER, id="a member's to the team"),
        pytest.param(ADMIN, "only-bobs", BOBS_OTHER, id="a member's to an administrator"),
        pytest.param(ADA, ADAS.image_id, ADAS, id="whole id"),
        pytest.param(ADA, ADAS.image_id[7:], ADAS, id="whole id without its algorithm"),
        pytest.param(ADA, "c0", ADAS, id="beginning of an id"),
        pytest.param(ADA, "sha256:c0", ADAS, id="beginning with its algorithm"),
        pytest.param(ADMIN, "d1", BOBS, id="beginning that is clear"),
        pytest.param(ADA, f"debian@{DIGEST}", PUBLISHED, id="digest of a manifest"),
        pytest.param(ADA, f"debian:12@{PUBLISHED.image_id}", PUBLISHED, id="digest that is the id"),
    ],
)
def test_a_name_means_the_nearest_image(tenant: Tenant, name: str, found: ImageRecord) -> None:
    assert find(RECORDS, tenant, name) == found


@pytest.mark.parametrize(
    ("tenant", "name"),
    [
        pytest.param(OUTSIDER, "mine:1", id="another's name"),
        pytest.param(OUTSIDER, "team/tool", id="another team's name"),
        pytest.param(OUTSIDER, ADAS.image_id, id="another's id"),
        pytest.param(OUTSIDER, "c0", id="beginning of another's id"),
        pytest.param(BOB, ADAS.image_id, id="a fellow member's id"),
        pytest.param(ADMIN, NOBODYS.image_id, id="kept for containers only"),
        pytest.param(ADA, "shell:2", id="another tag"),
        pytest.param(ADA, f"other@{DIGEST}", id="right digest, wrong name"),
        pytest.param(BOB, f"mine@{ADAS.image_id}", id="digest of a fellow member's"),
        pytest.param(ADA, "fff", id="beginning of nothing"),
    ],
)
def test_what_a_tenant_does_not_see_does_not_exist(tenant: Tenant, name: str) -> None:
    with pytest.raises(NotFound, match=f"No such image: {name}"):
        find(RECORDS, tenant, name)


@pytest.mark.parametrize("name", ["mine:1", "d"])
def test_a_name_that_several_members_use_is_not_guessed(name: str) -> None:
    with pytest.raises(InvalidParameter, match="ambiguous"):
        find(RECORDS, TEAM, name)


def test_a_malformed_name_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        find(RECORDS, ADA, "Not A Name")


@pytest.mark.parametrize(
    ("tenant", "shown", "tags"),
    [
        pytest.param(ADA, ADAS, ["mine:1", "shell:latest"], id="own"),
        pytest.param(ADA, PUBLISHED, ["debian:12", "hub:1"], id="without the name that means an own image"),
        pytest.param(ADA, TEAMS, ["team/tool:latest"], id="the team's without it too"),
        pytest.param(OUTSIDER, PUBLISHED, ["debian:12", "hub:1", "shell:latest"], id="published"),
        pytest.param(OUTSIDER, ADAS, [], id="another's"),
        pytest.param(TEAM, ADAS, ["mine:1", "shell:latest"], id="as the member calls it"),
    ],
)
def test_only_names_that_lead_back_are_shown(tenant: Tenant, shown: ImageRecord, tags: list[str]) -> None:
    assert tags_for(nearest_names(RECORDS, tenant), shown, tenant) == tags
