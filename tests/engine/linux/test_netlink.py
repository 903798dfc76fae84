"""Messages do what they say, and a refusal carries the kernel's own words."""

import errno
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from engine.linux import netlink
from engine.linux.host_routes import Link, mtu_of, read_links, read_routes
from tests.engine.network.sandboxes import ip, private_host

pytestmark = pytest.mark.requires_root

SUBNET = IPv4Network("10.88.0.0/24")
MAC = "02:42:0a:58:00:01"
GROUP = 0x6100_0000


@pytest.fixture
def rtnetlink() -> Iterator[netlink.Rtnetlink]:
    with private_host():
        connection = netlink.Rtnetlink()
        yield connection
        connection.close()


def bridge(name: str, index: int) -> bytes:
    return netlink.bridge_message(name, index=index, mac=MAC, mtu=1400, group=GROUP)


def test_a_bridge_gets_its_number_mtu_group_and_address(rtnetlink: netlink.Rtnetlink) -> None:
    rtnetlink.request(bridge("br", 5000), netlink.address_message(5000, SUBNET[1], SUBNET), netlink.link_up_message(5000))
    assert Link("br", 5000, GROUP, 1400) in read_links(rtnetlink.dump)
    assert "inet 10.88.0.1/24 brd 10.88.0.255" in ip("addr show dev br")
    assert SUBNET in [route.subnet() for route in read_routes(rtnetlink.dump, socket.AF_INET) if route.prefix]
    assert mtu_of(5000) == 1400


def test_ipv6_addresses_are_used_at_once(rtnetlink: netlink.Rtnetlink) -> None:
    subnet = IPv6Network("fd00:88::/64")
    rtnetlink.request(bridge("br", 5000), netlink.no_ipv6_address_message(5000), netlink.link_up_message(5000))
    rtnetlink.request(netlink.address6_message(5000, subnet[1], subnet), netlink.default_route_message(5000, subnet[2]))
    shown = ip("-6 addr show dev br")
    assert "inet6 fd00:88::1/64 scope global nodad" in shown
    assert "tentative" not in shown
    routes = read_routes(rtnetlink.dump, socket.AF_INET6)
    assert subnet in [route.subnet6() for route in routes if route.device == 5000 and route.prefix]
    assert [route.device for route in routes if route.is_main and not route.prefix] == [5000]


def test_a_device_is_found_by_its_second_name_which_no_other_can_have(rtnetlink: netlink.Rtnetlink) -> None:
    rtnetlink.request(bridge("br", 5000), netlink.second_name_message(5000, "lab-bridge"))
    assert socket.if_nametoindex("lab-bridge") == 5000
    rtnetlink.request(bridge("other", 5001))
    for taken in ("lab-bridge", "br"):
        with pytest.raises(FileExistsError):
            rtnetlink.request(netlink.second_name_message(5001, taken))


def test_a_list_that_cannot_be_had_is_an_error(rtnetlink: netlink.Rtnetlink) -> None:
    unknown = netlink.link_up_message(5000)[:4] + (4000).to_bytes(2, "little") + netlink.link_up_message(5000)[6:]
    with pytest.raises(OSError, match="not supported"):
        list(rtnetlink.dump(unknown))


def test_devices_without_an_ipv6_address_stay_so_when_they_come_up(rtnetlink: netlink.Rtnetlink) -> None:
    rtnetlink.request(bridge("br", 5000), netlink.no_ipv6_address_message(5000), netlink.link_up_message(5000))
    assert "addrgenmode none" in ip("-details link show dev br")


def test_the_first_refusal_is_raised_with_the_kernels_words(rtnetlink: netlink.Rtnetlink) -> None:
    with pytest.raises(OSError, match="No such device") as caught:
        rtnetlink.request(netlink.link_up_message(4711), bridge("br", 5000))
    assert caught.value.errno == errno.ENODEV
    assert "br" in [link.name for link in read_links(rtnetlink.dump)]
    with pytest.raises(OSError, match=r"\(.+\)"):
        rtnetlink.request(netlink.default_route_message(5000, IPv4Address("10.99.0.1")))


def test_a_name_that_exists_is_a_file_exists_error(rtnetlink: netlink.Rtnetlink) -> None:
    rtnetlink.request(bridge("br", 5000))
    with pytest.raises(FileExistsError):
        rtnetlink.request(bridge("br", 5001))
    with pytest.raises(FileExistsError):
        rtnetlink.request(bridge("other", 5000))


def test_a_group_is_deleted_whole_and_nothing_else(rtnetlink: netlink.Rtnetlink) -> None:
    rtnetlink.request(bridge("one", 5000), bridge("two", 5001))
    ip("link add mine type bridge")
    rtnetlink.request(netlink.delete_group_message(GROUP))
    left = {link.name for link in read_links(rtnetlink.dump)}
    assert {"lo", "mine"} <= left
    assert not {"one", "two"} & left
    with pytest.raises(OSError, match="No such device"):
        rtnetlink.request(netlink.delete_group_message(GROUP))


def test_a_device_is_deleted_by_name(rtnetlink: netlink.Rtnetlink) -> None:
    rtnetlink.request(bridge("one", 5000), netlink.delete_link_message("one"))
    assert "one" not in {link.name for link in read_links(rtnetlink.dump)}
    with pytest.raises(OSError, match="No such device"):
        rtnetlink.request(netlink.delete_link_message("one"))


def test_the_default_route_names_its_device(rtnetlink: netlink.Rtnetlink) -> None:
    def ways_out() -> list[int]:
        return [route.device for route in read_routes(rtnetlink.dump, socket.AF_INET) if route.is_main and not route.prefix]

    assert ways_out() == []
    rtnetlink.request(bridge("br", 5000), netlink.address_message(5000, SUBNET[1], SUBNET), netlink.link_up_message(5000))
    rtnetlink.request(netlink.default_route_message(5000, SUBNET[2]))
    assert ways_out() == [5000]
