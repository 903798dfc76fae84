"""Who pays for a layer once its payer needs it no more."""

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.image.payers import new_payers

ADA, BOB, EVE = Tenant("demo", "ada"), Tenant("demo", "bob"), Tenant("other", "eve")
CASES = {
    "the payer still needs it": ({"a": ADA}, [(["a"], [BOB, ADA])], {}),
    "somebody else does": ({"a": ADA}, [(["a"], [BOB])], {"a": BOB}),
    "by another image": ({"a": ADA}, [(["a", "b"], [BOB]), (["a"], [ADA])], {}),
    "administrators pay first": ({"a": ADA}, [(["a"], [EVE, ADMINISTRATOR, BOB])], {"a": ADMINISTRATOR}),
    "nobody does": ({"a": ADA}, [(["a"], [])], {}),
    "no image has it yet": ({"a": ADA}, [], {}),
    "it is not stored": ({}, [(["a"], [BOB])], {}),
}


@pytest.mark.parametrize(("payers", "images", "expected"), CASES.values(), ids=CASES)
def test_a_layer_is_charged_to_one_who_needs_it(
    payers: dict[str, Tenant], images: list[tuple[list[str], list[Tenant]]], expected: dict[str, Tenant]
) -> None:
    assert new_payers(payers, images) == expected
