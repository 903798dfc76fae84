"""Ports as clients write them, and what a start publishes of them."""

import pytest

from engine.core.ports import (
    MOST_BINDINGS,
    Port,
    PortBinding,
    exposed_ports,
    host_ports,
    parse_binding,
    parse_port,
    parse_ports,
    wanted_bindings,
)
from engine.errors import InvalidParameter

WEB, DNS = Port(80), Port(53, "udp")


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", (WEB,)),
        ("80/tcp", (WEB,)),
        ("80/TCP", (WEB,)),
        ("53/udp", (DNS,)),
        ("65535", (Port(65_535),)),
        ("80-82/udp", (Port(80, "udp"), Port(81, "udp"), Port(82, "udp"))),
    ],
)
def test_exposed_ports_are_read(text: str, ports: tuple[Port, ...]) -> None:
    assert parse_ports(text) == ports


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "82-80", "80/sctp", "80/xyz", "80/", "-80", "8 0", "80-", "٨٠", "foo", "99999999"]
)
def test_what_is_no_port_is_refused_in_dockerds_words(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^invalid port specification: "):
        parse_ports(text)


def test_a_range_is_no_port_to_be_published() -> None:
    with pytest.raises(InvalidParameter, match="name each port"):
        parse_port("80-81/tcp")


@pytest.mark.parametrize(
    ("host_address", "host_port", "binding", "text"),
    [
        ("", "", PortBinding(WEB), ""),
        ("", "0", PortBinding(WEB), ""),
        ("", "8080", PortBinding(WEB, "", 8080, 8080), "8080"),
        ("127.0.0.1", "8000-8010", PortBinding(WEB, "127.0.0.1", 8000, 8010), "8000-8010"),
        ("FD00::0001", "1", PortBinding(WEB, "fd00::1", 1, 1), "1"),
        ("::", "1", PortBinding(WEB, "::", 1, 1), "1"),
    ],
)
def test_bindings_are_read_and_written(host_address: str, host_port: str, binding: PortBinding, text: str) -> None:
    assert parse_binding(WEB, host_address=host_address, host_port=host_port) == binding
    assert binding.host_port_text == text


@pytest.mark.parametrize(
    ("host_address", "host_port", "words"),
    [
        ("nonsense", "80", "invalid IP address 'nonsense'"),
        ("10.0.0.1/8", "80", "invalid IP address"),
        ("::1", "80", "use 127.0.0.1"),
        ("fe80::1", "80", "leads nothing on from there"),
        ("", "65536", "invalid port specification: '65536'"),
        ("", "80-79", "invalid port specification"),
        ("", "80/tcp", "invalid port specification"),
        ("", "0-5", "invalid port specification"),
        ("", "a", "invalid port specification"),
    ],
)
def test_bindings_that_cannot_be_are_refused(host_address: str, host_port: str, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        parse_binding(WEB, host_address=host_address, host_port=host_port)


def test_what_an_old_image_exposes_and_nobody_can_read_is_left_out() -> None:
    assert exposed_ports(["80/tcp", "x/y", "7000-7001", "80", "5/sctp"]) == [WEB, Port(7000), Port(7001)]


def test_named_ports_come_before_ranges_and_those_before_any() -> None:
    bindings = (PortBinding(WEB), PortBinding(DNS, "", 8000, 8010), PortBinding(Port(443), "", 8000, 8000))
    assert wanted_bindings([WEB], bindings, publishes_all=False) == (bindings[2], bindings[1], bindings[0])


def test_publishing_all_adds_the_exposed_ports_that_have_no_binding() -> None:
    bindings = (PortBinding(WEB, "", 8080, 8080),)
    assert wanted_bindings([WEB, DNS], bindings, publishes_all=False) == bindings
    assert wanted_bindings([WEB, DNS], bindings, publishes_all=True) == (*bindings, PortBinding(DNS))


def test_a_container_publishes_so_many_ports_only() -> None:
    exposed = [Port(number) for number in range(1, MOST_BINDINGS + 2)]
    assert len(wanted_bindings(exposed[1:], (), publishes_all=True)) == MOST_BINDINGS
    with pytest.raises(InvalidParameter, match="too many published ports: 1001, a container may have 1000"):
        wanted_bindings(exposed, (), publishes_all=True)


@pytest.mark.parametrize(
    ("binding", "after", "tried"),
    [
        (PortBinding(WEB, "", 80, 80), 0, [80]),
        (PortBinding(WEB, "", 80, 82), 0, [80, 81, 82]),
        (PortBinding(WEB), 0, [100, 101, 102]),
        (PortBinding(WEB), 100, [101, 102, 100]),
        (PortBinding(WEB), 102, [100, 101, 102]),
    ],
)
def test_ports_of_the_host_are_tried_in_turn(binding: PortBinding, after: int, tried: list[int]) -> None:
    assert list(host_ports(binding, range(100, 103), after=after)) == tried
