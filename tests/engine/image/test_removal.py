"""Docker's rules of removal, and whose images may be removed by whom."""

import pytest

from engine.core.tenants import Tenant
from engine.errors import Conflict, Forbidden
from engine.image.records import ImageRecord
from engine.image.removal import ImageUse, plan_removal_by_id, plan_removal_by_name
from tests.engine.image.conftest import ADA, ADMIN, BOB, TEAM
from tests.engine.image.test_lookup import record

RUNNING, STOPPED = ImageUse("1" * 64, is_running=True), ImageUse("2" * 64, is_running=False)
ONE = record("a", (ADA, ["x:1"]))
TWO_TAGS = record("a", (ADA, ["x:1", "x:2"]))
TWO_NAMES = record("a", (ADA, ["x:1", "y:1"]))
NO_NAME = record("a", (ADA, []))
SHARED = record("a", (ADA, ["x:1"]), (BOB, ["x:1"]))
PUBLISHED = record("a", (ADMIN, ["x:1"]), (ADA, ["mine:1"]))


def holders(one: ImageRecord) -> dict[str, list[str]]:
    return {holding.owner.name: sorted(holding.tags) for holding in one.holdings}


@pytest.mark.parametrize(
    ("before", "tenant", "tag", "force", "uses", "after", "is_deleted"),
    [
        pytest.param(ONE, ADA, "x:1", False, [], {}, True, id="the only name"),
        pytest.param(TWO_TAGS, ADA, "x:1", False, [], {"demo/ada": ["x:2"]}, False, id="one of two names"),
        pytest.param(TWO_TAGS, ADA, "x:1", False, [RUNNING], {"demo/ada": ["x:2"]}, False, id="one of two names while it runs"),
        pytest.param(SHARED, ADA, "x:1", False, [RUNNING], {"demo/bob": ["x:1"]}, True, id="another still holds it"),
        pytest.param(SHARED, TEAM, "x:1", False, [], {"demo/bob": ["x:1"]}, False, id="the team removes a member's"),
        pytest.param(PUBLISHED, ADMIN, "x:1", False, [], {"demo/ada": ["mine:1"]}, False, id="published, a member keeps it"),
        pytest.param(PUBLISHED, ADA, "mine:1", False, [], {"": ["x:1"]}, False, id="own name of a published one"),
        pytest.param(ONE, ADA, "x:1", True, [STOPPED], {}, True, id="forced with a stopped container"),
        pytest.param(ONE, ADA, "x:1", True, [STOPPED, RUNNING], {"demo/ada": []}, False, id="forced while it runs"),
    ],
)
def test_a_name_is_removed(
    before: ImageRecord,
    tenant: Tenant,
    tag: str,
    force: bool,
    uses: list[ImageUse],
    after: dict[str, list[str]],
    is_deleted: bool,
) -> None:
    removal = plan_removal_by_name(before, tenant, tag, force=force, uses=uses)
    assert (holders(removal.record), removal.untagged, removal.is_deleted) == (after, (tag,), is_deleted)


@pytest.mark.parametrize("use", [RUNNING, STOPPED])
def test_the_last_name_of_an_image_in_use_takes_force(use: ImageUse) -> None:
    with pytest.raises(Conflict, match=r'unable to remove repository reference "x:1" \(must force\) - container'):
        plan_removal_by_name(ONE, ADA, "x:1", force=False, uses=[use])


@pytest.mark.parametrize(
    ("before", "tenant", "force", "uses", "after", "untagged", "is_deleted"),
    [
        pytest.param(NO_NAME, ADA, False, [], {}, (), True, id="without a name"),
        pytest.param(ONE, ADA, False, [], {}, ("x:1",), True, id="with one"),
        pytest.param(TWO_TAGS, ADA, True, [], {}, ("x:1", "x:2"), True, id="several tags of one repository by force"),
        pytest.param(TWO_NAMES, ADA, True, [], {}, ("x:1", "y:1"), True, id="several repositories by force"),
        pytest.param(SHARED, ADA, False, [RUNNING], {"demo/bob": ["x:1"]}, ("x:1",), True, id="another still holds it"),
        pytest.param(SHARED, TEAM, False, [], {}, ("x:1",), True, id="a team, all its members'"),
        pytest.param(PUBLISHED, ADMIN, False, [], {"demo/ada": ["mine:1"]}, ("x:1",), False, id="published, a member keeps it"),
        pytest.param(PUBLISHED, ADMIN, True, [], {}, ("mine:1", "x:1"), True, id="published, from all by force"),
        pytest.param(ONE, ADA, True, [STOPPED], {}, ("x:1",), True, id="forced with a stopped container"),
    ],
)
def test_an_image_is_removed_by_its_id(
    before: ImageRecord,
    tenant: Tenant,
    force: bool,
    uses: list[ImageUse],
    after: dict[str, list[str]],
    untagged: tuple[str, ...],
    is_deleted: bool,
) -> None:
    removal = plan_removal_by_id(before, tenant, force=force, uses=uses)
    assert (holders(removal.record), removal.untagged, removal.is_deleted) == (after, untagged, is_deleted)


@pytest.mark.parametrize(
    ("before", "force", "uses", "message"),
    [
        (TWO_TAGS, False, [], r"\(must be forced\) - image is referenced in multiple repositories"),
        (TWO_NAMES, False, [], r"\(must be forced\) - image is referenced in multiple repositories"),
        (ONE, False, [STOPPED], r"\(must be forced\) - image is being used by stopped container 222222222222"),
        (ONE, False, [RUNNING], r"\(cannot be forced\) - image is being used by running container 111111111111"),
        (ONE, True, [STOPPED, RUNNING], r"\(cannot be forced\) - image is being used by running container 111111111111"),
    ],
)
def test_docker_s_conflicts_are_kept(before: ImageRecord, force: bool, uses: list[ImageUse], message: str) -> None:
    with pytest.raises(Conflict, match="conflict: unable to delete a00000000000 " + message):
        plan_removal_by_id(before, ADA, force=force, uses=uses)


@pytest.mark.parametrize("owner", [ADMIN, TEAM])
@pytest.mark.parametrize("force", [False, True])
def test_what_belongs_to_others_may_be_used_but_not_removed(owner: Tenant, force: bool) -> None:
    lent = record("a", (owner, ["x:1"]))
    with pytest.raises(Forbidden, match="only they may remove it"):
        plan_removal_by_name(lent, ADA, "x:1", force=force, uses=[])
    with pytest.raises(Forbidden, match="only they may remove it"):
        plan_removal_by_id(lent, ADA, force=force, uses=[])
