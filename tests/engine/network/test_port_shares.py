"""How many ports of the host a tenant has, and asks for."""

import pytest

from engine.core.ports import Port, PortBinding, PublishedPort
from engine.core.tenants import Tenant
from engine.errors import QuotaExceeded
from engine.network.port_shares import check_share, count_ports, count_wanted

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")
WEB = Port(80, "tcp")
PUBLISHED = {
    "a": (PublishedPort(WEB, "0.0.0.0", 8080), PublishedPort(WEB, "::", 8080)),
    "b": (PublishedPort(WEB, "0.0.0.0", 9000), PublishedPort(Port(53, "udp"), "0.0.0.0", 9000)),
    "gone": (PublishedPort(WEB, "0.0.0.0", 7000),),
}
OWNERS = {"a": ADA, "b": BOB}


@pytest.mark.parametrize(("tenant", "count"), [(ADA, 1), (BOB, 2), (Tenant("demo"), 3), (Tenant("red"), 0)])
def test_one_port_on_several_addresses_is_one(tenant: Tenant, count: int) -> None:
    assert count_ports(PUBLISHED, OWNERS.get, tenant) == count


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ([PortBinding(WEB)], 1),
        ([PortBinding(WEB), PortBinding(WEB)], 2),
        ([PortBinding(WEB, "", 8080, 8080)], 1),
        ([PortBinding(WEB, "127.0.0.1", 8080, 8080), PortBinding(WEB, "10.0.0.1", 8080, 8080)], 1),
        ([PortBinding(WEB, "", 8080, 8080), PortBinding(Port(80, "udp"), "", 8080, 8080)], 2),
        ([PortBinding(WEB, "", 8000, 8010), PortBinding(Port(81, "tcp"), "", 9000, 9000)], 2),
    ],
)
def test_bindings_of_the_same_port_ask_for_one(wanted: list[PortBinding], count: int) -> None:
    assert count_wanted(wanted) == count


def test_there_is_a_most_that_nobodys_quota_lifts() -> None:
    many = {"a": tuple(PublishedPort(WEB, "0.0.0.0", number) for number in range(2000))}
    check_share(many, OWNERS.get, BOB, 1)
    check_share(many, lambda _: Tenant(), Tenant(), 1)
    with pytest.raises(QuotaExceeded, match="demo/ada has 2000 of 2000, 1 more are wanted; stop containers"):
        check_share(many, OWNERS.get, ADA, 1)
