"""What may be asked of a network: names, options and subnets, as tables."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest

from engine.core.networks import (
    Ipam,
    check_aliases,
    check_host_options,
    check_ipam,
    check_network_name,
    check_not_around_host,
    check_options,
    parse_address6,
    parse_subnet,
)
from engine.errors import Forbidden, InvalidParameter


@pytest.mark.parametrize("name", ["a", "p_default", "_p_default", "My.net-2", "x" * 128])
def test_usual_names_are_taken(name: str) -> None:
    assert check_network_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "..", "a\n", "x" * 129, "é"])
def test_names_that_could_confuse_are_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid network name"):
        check_network_name(name)


@pytest.mark.parametrize("name", ["bridge", "host", "none", "default"])
def test_names_of_what_is_there_anyway_are_refused(name: str) -> None:
    with pytest.raises(Forbidden, match="predefined"):
        check_network_name(name)


@pytest.mark.parametrize(
    "subnet",
    [
        "127.0.0.0/16",
        "169.254.169.0/24",
        "224.0.0.0/16",
        "8.8.8.0/24",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "172.20.0.0/31",
        "100.64.0.0/16",
    ],
)
def test_a_tenant_gets_no_subnet_that_catches_what_is_for_others(subnet: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid subnet"):
        check_ipam(Ipam(IPv4Network(subnet)), any_subnet=False)


@pytest.mark.parametrize("subnet", ["10.1.0.0/16", "172.20.0.0/16", "172.50.0.0/16", "192.168.7.0/30"])
def test_a_tenant_may_choose_a_private_subnet(subnet: str) -> None:
    check_ipam(Ipam(IPv4Network(subnet)), any_subnet=False)


def test_an_administrator_may_choose_others_but_not_the_hosts_own() -> None:
    check_ipam(Ipam(IPv4Network("8.8.8.0/24")), any_subnet=True)
    with pytest.raises(InvalidParameter, match="no container can have"):
        check_ipam(Ipam(IPv4Network("127.5.0.0/24")), any_subnet=True)


@pytest.mark.parametrize(
    ("ipam", "words"),
    [
        (Ipam(gateway=IPv4Address("10.1.0.1")), "takes a subnet"),
        (Ipam(IPv4Network("10.1.0.0/24"), IPv4Address("10.1.1.1")), "invalid gateway"),
        (Ipam(IPv4Network("10.1.0.0/24"), IPv4Address("10.1.0.0")), "invalid gateway"),
        (Ipam(IPv4Network("10.1.0.0/24"), IPv4Address("10.1.0.255")), "invalid gateway"),
        (Ipam(IPv4Network("10.1.0.0/24"), ip_range=IPv4Network("10.1.1.0/25")), "invalid ip-range"),
        (Ipam(IPv4Network("10.1.0.0/24"), auxiliary={"a": IPv4Address("10.2.0.9")}), "invalid auxiliary"),
        (Ipam(IPv4Network("10.1.0.0/24"), auxiliary={"a": IPv4Address("10.1.0.1")}), "the gateway's"),
    ],
)
def test_addresses_that_do_not_fit_the_subnet_are_refused(ipam: Ipam, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        check_ipam(ipam, any_subnet=True)


@pytest.mark.parametrize("text", ["", "10.1.0.0", "10.1.0.1/24", "fd00::/64", "10.1.0.0/33", "x/8", "10.1.0.0/24 "])
def test_a_subnet_that_is_none_is_refused(text: str) -> None:
    if text == "10.1.0.0":
        with pytest.raises(InvalidParameter, match="prefix of"):
            check_ipam(Ipam(parse_subnet(text)), any_subnet=True)
        return
    with pytest.raises(InvalidParameter, match="invalid subnet"):
        parse_subnet(text)


@pytest.mark.parametrize(
    "options",
    [
        {"com.docker.network.bridge.name": "a/b"},
        {"com.docker.network.bridge.name": "sixteen-letters-"},
        {"com.docker.network.driver.mtu": "70000"},
        {"com.docker.network.driver.mtu": "x"},
        {"com.docker.network.bridge.enable_icc": "maybe"},
        {"com.docker.network.bridge.enable_ip_masquerade": "perhaps"},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter, match="network option"):
        check_options(options)


def test_unknown_options_draw_a_warning() -> None:
    assert check_options({"colour": "red", "com.docker.network.driver.mtu": "1400"}) == ["network option colour has no effect"]


def test_aliases_are_names_and_not_too_many() -> None:
    assert check_aliases(["db", "db", "my_db.lab", "--web-"]) == ("db", "my_db.lab", "--web-")
    for aliases in (["a b"], [".a"], ["a."], ["a\n1.2.3.4 host"], [""], [f"a{number}" for number in range(65)]):
        with pytest.raises(InvalidParameter):
            check_aliases(aliases)


@pytest.mark.parametrize("subnet", ["fd12:3456:789a::/64", "fd00::/48", "fdff::/112"])
def test_a_tenant_may_choose_unique_local_subnets_of_ipv6(subnet: str) -> None:
    check_ipam(Ipam(subnet6=IPv6Network(subnet)), any_subnet=False)


@pytest.mark.parametrize(
    "subnet", ["2001:4860:4860::/64", "fe80::/64", "ff02::/64", "::/64", "fd00::/47", "fd00::/113", "fc00::/64"]
)
def test_a_tenant_gets_no_subnet_of_ipv6_that_catches_what_is_for_others(subnet: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid subnet"):
        check_ipam(Ipam(subnet6=IPv6Network(subnet)), any_subnet=False)


def test_an_administrator_may_choose_a_public_subnet_of_ipv6_but_no_link_local_one() -> None:
    check_ipam(Ipam(subnet6=IPv6Network("2001:4860:4860::/64")), any_subnet=True)
    with pytest.raises(InvalidParameter, match="no container can have"):
        check_ipam(Ipam(subnet6=IPv6Network("fe80::/64")), any_subnet=True)


@pytest.mark.parametrize(
    ("ipam", "words"),
    [
        (Ipam(subnet6=IPv6Network("fd00:1::/64"), gateway6=IPv6Address("fd00:2::1")), "invalid gateway"),
        (Ipam(subnet6=IPv6Network("fd00:1::/64"), ip_range6=IPv6Network("fd00:2::/80")), "invalid ip-range"),
        (Ipam(subnet6=IPv6Network("fd00:1::/64"), auxiliary6={"a": IPv6Address("fd00:1::")}), "invalid auxiliary"),
        (Ipam(subnet6=IPv6Network("fd00:1::/64"), auxiliary6={"a": IPv6Address("fd00:1::1")}), "it is the gateway's"),
    ],
)
def test_addresses_of_ipv6_that_contradict_each_other_are_refused(ipam: Ipam, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        check_ipam(ipam, any_subnet=True)


@pytest.mark.parametrize("text", ["fd00::1%eth0", "10.0.0.1", "fd00::/64", ""])
def test_an_address_of_ipv6_stands_for_itself_alone(text: str) -> None:
    with pytest.raises(InvalidParameter, match="IPv6 address"):
        parse_address6(text, name="IPv6 address")


@pytest.mark.parametrize(
    ("subnet", "beside"),
    [
        ("10.77.0.0/16", "10.1.2.0/24"),
        ("192.168.200.0/24", "192.168.1.0/24"),
        ("172.20.0.0/16", "172.31.16.0/20"),
        ("fd00:1:2:3::/64", "fd00:1:2::/64"),
    ],
)
def test_a_subnet_that_is_only_reached_by_the_default_route_is_not_free(subnet: str, beside: str) -> None:
    with pytest.raises(Forbidden, match="may be in use around this host"):
        check_not_around_host(ip_network(subnet), [ip_network(beside)])


@pytest.mark.parametrize(
    ("subnet", "beside"),
    [
        ("10.77.0.0/16", "192.168.1.0/24"),
        ("172.50.0.0/16", "172.31.16.0/20"),
        ("10.77.0.0/16", "8.8.8.0/24"),
        ("fd00:1:2:3::/64", "fd00:7::/64"),
        ("fd00:1:2:3::/64", "2001:db8::/64"),
        ("10.77.0.0/16", "fd00::/64"),
    ],
)
def test_a_subnet_of_another_range_than_the_hosts_is_free(subnet: str, beside: str) -> None:
    check_not_around_host(ip_network(subnet), [ip_network(beside)])


@pytest.mark.parametrize(
    "option", [{"com.docker.network.bridge.name": "br0"}, {"com.docker.network.bridge.enable_ip_masquerade": "0"}]
)
def test_what_touches_the_hosts_own_network_is_for_administrators(option: dict[str, str]) -> None:
    check_options(option)
    check_host_options(option, is_administrator=True)
    with pytest.raises(Forbidden, match="for administrators"):
        check_host_options(option, is_administrator=False)
