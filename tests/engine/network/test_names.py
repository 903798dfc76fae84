"""Names and numbers of devices follow from the instance and an address, and fit what the kernel takes."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidParameter
from engine.linux.netlink import INTERFACE_NAME_BYTES
from engine.network.names import bridge_name, check_instance, device_group, device_index, table_name, veth_name

SUBNET = IPv4Network("172.30.1.0/24")


def test_names_show_the_engine_and_the_address() -> None:
    assert bridge_name("3f9a21", SUBNET) == "b3f9a21ac1e0100"
    assert veth_name("3f9a21", SUBNET[2]) == "v3f9a21ac1e0102"
    assert table_name("3f9a21") == "atelier_3f9a21"


@given(st.ip_addresses(v=4), st.integers(0, 0xFFFFFF).map(lambda number: f"{number:06x}"))
def test_names_and_numbers_fit_the_kernels_limits(address: IPv4Address, instance: str) -> None:
    assert len(veth_name(check_instance(instance), address)) <= INTERFACE_NAME_BYTES
    assert 0 < device_index(address) < 1 << 31
    assert 0 < device_group(instance) < 1 << 31


@pytest.mark.parametrize("instance", ["", "3f9a2", "3f9a211", "3F9A21", "3f9a2\n", '"; }#'])
def test_an_instance_that_is_not_6_hexadecimal_digits_is_refused(instance: str) -> None:
    with pytest.raises(InvalidParameter, match="use 6 hexadecimal digits"):
        check_instance(instance)
