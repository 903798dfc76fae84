"""What of images counts for whom."""

from collections.abc import Callable

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.image.records import Holding, ImageRecord
from engine.image.shares import HeldImage, admit_change, count_all, count_images, layers_of

TEAM, ADA, BOB, RED = Tenant("demo"), Tenant("demo", "ada"), Tenant("demo", "bob"), Tenant("red", "ada")
SIZES = {"base": 100, "tools": 10, "own": 1, "other": 1000}


def image(name: str, layers: str, *owners: Tenant, tags: bool = True, parent: str = "") -> HeldImage:
    holdings = tuple(Holding(owner, {f"{name}:1": 1} if tags else {}, parent) for owner in owners)
    return HeldImage(ImageRecord(name, 0, 0, holdings), tuple(layers.split()))


PUBLISHED = image("public", "base", ADMINISTRATOR)
ADAS = image("adas", "base tools", ADA)
BOTH = image("both", "tools own", ADA, BOB)
REDS = image("reds", "other own", RED)
ALL = [PUBLISHED, ADAS, BOTH, REDS]


@pytest.mark.parametrize(
    ("tenant", "count", "size"), [(ADA, 2, 11), (BOB, 1, 11), (TEAM, 2, 11), (RED, 1, 1001), (Tenant("red"), 1, 1001)]
)
def test_layers_count_once_and_published_ones_not_at_all(tenant: Tenant, count: int, size: int) -> None:
    assert count_images(ALL, tenant) == count
    assert sum(SIZES[layer] for layer in layers_of(ALL, tenant)) == size
    assert count_all(ALL, size_of=SIZES.__getitem__)[tenant] == (count, size)


def test_administrators_have_no_share() -> None:
    assert set(count_all(ALL, size_of=SIZES.__getitem__)) == {ADA, BOB, TEAM, RED, Tenant("red")}


def test_nameless_steps_that_others_were_made_from_do_not_count() -> None:
    steps = [
        image("one", "base", ADA, tags=False),
        image("two", "base tools", ADA, tags=False, parent="one"),
        image("made", "base tools own", ADA, parent="two"),
    ]
    assert count_images(steps, ADA) == 1
    assert count_images([*steps[:1], image("two", "base tools", ADA, parent="one"), steps[2]], ADA) == 2
    assert count_images(steps[:2], ADA) == 1


def test_a_name_of_ones_own_for_what_is_published_takes_nothing() -> None:
    named = image("public", "base", ADMINISTRATOR, ADA)
    assert count_images([named], ADA) == 0
    assert layers_of([named], ADA) == set()


def asked_for(before: list[HeldImage], changed: HeldImage, owner: Tenant, scope: Tenant) -> dict[str, tuple[float, float]]:
    """What admission is asked for a scope: what is there, and how much more."""
    asked: dict[str, tuple[float, float]] = {}

    def admit(_: Tenant, resource: str, *, requested: float | Callable[[Tenant], float], used: Callable[[Tenant], float]) -> None:
        asked[resource] = (used(scope), requested(scope) if callable(requested) else requested)

    admit_change(admit, lambda: before, changed, owner=owner, size_of=SIZES.__getitem__)
    return asked


def test_what_a_new_image_adds_may_differ_for_member_and_team() -> None:
    new = image("new", "tools other", BOB)
    assert asked_for([PUBLISHED, ADAS], new, BOB, BOB) == {"images": (0, 1), "image_bytes": (0, 1010)}
    assert asked_for([PUBLISHED, ADAS], new, BOB, TEAM) == {"images": (1, 1), "image_bytes": (10, 1000)}


def test_another_name_for_an_own_image_adds_nothing() -> None:
    renamed = HeldImage(ImageRecord("adas", 0, 0, (Holding(ADA, {"adas:1": 1, "more:1": 2}),)), ADAS.diff_ids)
    assert asked_for([PUBLISHED, ADAS], renamed, ADA, ADA) == {"images": (1, 0), "image_bytes": (10, 0)}


def test_a_step_on_top_of_a_step_adds_its_layer_only() -> None:
    first = image("one", "tools", ADA, tags=False)
    second = image("two", "tools own", ADA, tags=False, parent="one")
    assert asked_for([first], second, ADA, ADA) == {"images": (1, 0), "image_bytes": (10, 1)}
