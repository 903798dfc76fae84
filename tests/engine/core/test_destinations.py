"""Allow lists of places: how they are written, what two have in common, and boxes that are what they say and do not overlap."""

from ipaddress import ip_address, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.destinations import LAST_PORT, Box, Destination, boxes, common, parse_destination, reaches
from engine.errors import InvalidParameter

TCP, UDP, ICMP = 6, 17, 1


@pytest.mark.parametrize(
    ("text", "network", "first", "last", "protocol"),
    [
        ("10.0.0.0/8", "10.0.0.0/8", 0, LAST_PORT, 0),
        ("192.0.2.7", "192.0.2.7/32", 0, LAST_PORT, 0),
        ("192.0.2.7:443", "192.0.2.7/32", 443, 443, 0),
        ("192.0.2.0/24:8000-8010/tcp", "192.0.2.0/24", 8000, 8010, TCP),
        ("192.0.2.0/24/udp", "192.0.2.0/24", 0, LAST_PORT, UDP),
        ("0.0.0.0/0:53", "0.0.0.0/0", 53, 53, 0),
        ("2001:db8::/32", "2001:db8::/32", 0, LAST_PORT, 0),
        ("::/0", "::/0", 0, LAST_PORT, 0),
        ("2001:db8::443", "2001:db8::443/128", 0, LAST_PORT, 0),
        ("2001:db8::1/tcp", "2001:db8::1/128", 0, LAST_PORT, TCP),
        ("[2001:db8::1]:443", "2001:db8::1/128", 443, 443, 0),
        ("[2001:db8::/32]:53-54/udp", "2001:db8::/32", 53, 54, UDP),
        ("[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1/128", 1, 1, 0),
    ],
)
def test_a_place_is_addresses_ports_and_a_protocol(text: str, network: str, first: int, last: int, protocol: int) -> None:
    assert parse_destination(text) == Destination(ip_network(network), first, last, protocol)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "use 10.0.0.0/8"),
        ("example.org", "use 10.0.0.0/8"),
        ("10.0.0.1/8", "has host bits set"),
        ("10.0.0.0/33", "10.0.0.0/33"),
        ("10.0.0:80", "10.0.0"),
        ("192.0.2.7:0", "ports are 1 to 65535"),
        ("192.0.2.7:443-80", "the smaller one first"),
        ("192.0.2.7:65536", "ports are 1 to 65535"),
        ("192.0.2.7:443/sctp", "use 10.0.0.0/8"),
        ("192.0.2.7:443/tcp\n", "use 10.0.0.0/8"),
        ("192.0.2.7:٤٤", "use 10.0.0.0/8"),
        ("[192.0.2.7:80", "use 10.0.0.0/8"),
        ('10.0.0.0/8"; flush ruleset', "use 10.0.0.0/8"),
        ("fe80::1%eth0", "use 10.0.0.0/8"),
    ],
)
def test_what_is_no_place_is_explained(text: str, words: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_destination(text)
    assert "invalid destination" in caught.value.message
    assert words in caught.value.message


def _place(number: int, length: int, ports: tuple[int, int], protocol: int) -> Destination:
    return Destination(ip_network((0x0A000000 | number, length), strict=False), ports[0], ports[1], protocol)


# Small ones, which often lie in each other.
spans = st.tuples(st.integers(1, 6), st.integers(0, 3)).map(lambda span: (span[0], sum(span)))
places = st.builds(
    _place, st.integers(0, 15), st.integers(28, 32), st.just((0, LAST_PORT)) | spans, st.sampled_from((0, TCP, UDP))
)
lists = st.lists(places, max_size=6).map(tuple)
packets = st.tuples(st.integers(0x0A000000, 0x0A00000F), st.sampled_from((TCP, UDP, ICMP)), st.integers(0, 10))


def allows(reach: tuple[Destination, ...], packet: tuple[int, int, int]) -> bool:
    address, protocol, port = packet
    return any(ip_address(address) in one.network and (one.is_whole or _serves(one, protocol, port)) for one in reach)


def _serves(one: Destination, protocol: int, port: int) -> bool:
    return protocol in (TCP, UDP) and one.protocol in (0, protocol) and one.first_port <= port <= one.last_port


def is_in(box: Box, packet: tuple[int, int, int]) -> bool:
    return all(first <= number <= last for number, first, last in zip(packet, box[::2], box[1::2], strict=True))


@given(lists, packets)
def test_boxes_hold_what_the_list_allows(reach: tuple[Destination, ...], packet: tuple[int, int, int]) -> None:
    assert sum(is_in(box, packet) for box in boxes(reach, 4)) == allows(reach, packet)


@given(lists)
def test_boxes_do_not_overlap(reach: tuple[Destination, ...]) -> None:
    def overlap(one: Box, other: Box) -> bool:
        return all(max(one[place], other[place]) <= min(one[place + 1], other[place + 1]) for place in (0, 2, 4))

    assert not any(overlap(one, other) for one, other in combinations(boxes(reach, 4), 2))
    assert boxes(reach, 6) == ()


@given(lists, lists, packets)
def test_what_two_lists_have_in_common_is_what_both_allow(
    one: tuple[Destination, ...], other: tuple[Destination, ...], packet: tuple[int, int, int]
) -> None:
    both = common(one, other)
    assert both is not None
    assert allows(both, packet) == (allows(one, packet) and allows(other, packet))


def test_no_list_allows_everything_and_an_empty_one_nothing() -> None:
    some = (parse_destination("10.0.0.0/8"),)
    assert common(None, None) is None
    assert common(None, some) == common(some, None) == some
    assert common(some, ()) == ()
    assert common(some, (parse_destination("2001:db8::/32"),)) == ()


@pytest.mark.parametrize(
    ("place", "address", "port", "answer"),
    [
        ("10.0.0.0/8", "10.1.2.3", 1, True),
        ("10.0.0.0/8:443", "10.1.2.3", 443, True),
        ("10.0.0.0/8:443/tcp", "10.1.2.3", 80, False),
        ("10.0.0.0/8:443/udp", "10.1.2.3", 443, False),
        ("10.0.0.0/8", "11.0.0.1", 1, False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", 1, True),
        ("::/0", "::ffff:10.0.0.1", 1, False),  # the kernel speaks IPv4 there
        ("2001:db8::/32", "2001:db8::1", 1, True),
    ],
)
def test_a_connection_is_allowed_where_its_address_port_and_protocol_are(
    place: str, address: str, port: int, *, answer: bool
) -> None:
    assert reaches((parse_destination(place),), address, port) is answer
    assert reaches(None, address, port)
    assert not reaches((), address, port)
