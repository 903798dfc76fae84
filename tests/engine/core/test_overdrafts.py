"""Whose sockets keep too much: the rule as a table."""

import pytest

from engine.core.overdrafts import Account, Keeper, choose_overdrawn
from engine.core.tenants import Tenant

MIB = 2**20
BLUE, ADA, BOB = Tenant("blue"), Tenant("blue", "ada"), Tenant("blue", "bob")


def keeper(name: str, kept: int, used: int = 0, limit: int | None = None, tenant: Tenant = ADA) -> Keeper:
    return Keeper(name, tenant, kept * MIB, used * MIB, None if limit is None else limit * MIB)


def account(used: int, limit: int) -> Account:
    return Account(used * MIB, limit * MIB)


@pytest.mark.parametrize(
    ("keepers", "accounts", "expected"),
    [
        pytest.param([], {}, [], id="nobody keeps anything"),
        pytest.param([keeper("a", 20, 11, 32)], {}, [], id="together with what is used it is less than the limit"),
        pytest.param([keeper("a", 22, 11, 32)], {}, ["a"], id="more"),
        pytest.param([keeper("a", 500, 11)], {}, [], id="without a limit"),
        pytest.param([keeper("a", 1, 32, 32)], {}, [], id="so little is nobody's end"),
        pytest.param([keeper("a", 3), keeper("b", 9)], {ADA: account(24, 32)}, ["b"], id="the largest of a tenant"),
        pytest.param([keeper("a", 3), keeper("b", 4)], {ADA: account(24, 32)}, [], id="a tenant within its limit"),
        pytest.param([keeper("a", 1), keeper("b", 1)], {ADA: account(31, 32)}, [], id="many with little"),
        pytest.param(
            [keeper("a", 3, tenant=ADA), keeper("b", 9, tenant=BOB)], {BLUE: account(24, 32)}, ["b"], id="members of a team"
        ),
        pytest.param([keeper("a", 3), keeper("b", 9, tenant=BOB)], {ADA: account(24, 32)}, [], id="what others keep"),
        pytest.param(
            [keeper("a", 30, 8, 32), keeper("b", 9)], {ADA: account(20, 32)}, ["a"], id="when one goes the others may stay"
        ),
        pytest.param(
            [keeper("a", 30), keeper("b", 40, tenant=BOB)],
            {BLUE: account(10, 32), ADA: account(10, 32)},
            ["b", "a"],
            id="past the limits of both",
        ),
    ],
)
def test_who_is_chosen(keepers: list[Keeper], accounts: dict[Tenant, Account], expected: list[str]) -> None:
    assert [one.container_id for one in choose_overdrawn(keepers, accounts)] == expected
