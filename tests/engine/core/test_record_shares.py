"""What records of a tenant may weigh."""

import pytest

from engine.core.record_shares import RecordShares
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import QuotaExceeded

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")


@pytest.fixture
def shares() -> RecordShares:
    """Ada has 900 of 1000 bytes."""
    shares = RecordShares("volumes", 1000)
    shares.put("one", ADA, 400)
    shares.put("two", ADA, 500)
    return shares


def test_a_tenant_has_as_much_as_there_is_and_no_more(shares: RecordShares) -> None:
    shares.check("three", ADA, 100)
    with pytest.raises(QuotaExceeded, match="records of volumes of demo/ada") as caught:
        shares.check("three", ADA, 101)
    assert (caught.value.limit, caught.value.used, caught.value.requested) == (1000, 900, 101)


def test_others_and_administrators_have_their_own(shares: RecordShares) -> None:
    shares.check("three", BOB, 1000)
    shares.check("three", ADMINISTRATOR, 5000)


def test_a_record_that_changes_counts_once_and_one_that_is_gone_no_more(shares: RecordShares) -> None:
    shares.check("one", ADA, 500)
    shares.put("one", ADA, 500)
    with pytest.raises(QuotaExceeded):
        shares.check("one", ADA, 501)
    shares.drop("two")
    shares.drop("unknown")
    shares.check("one", ADA, 1000)


def test_a_record_may_shrink_whatever_there_is(shares: RecordShares) -> None:
    shares.put("three", ADA, 5000)
    shares.check("one", ADA, 300)
