"""How links are written, and what a container is told of another that it has linked."""

import pytest

from engine.core.links import Link, Linked, hosts_line, link_environment, parse_link, parse_links
from engine.core.ports import Port
from engine.errors import InvalidParameter

LINKED = Linked(
    link_name="/web/data-base",
    alias="data-base",
    address="172.17.0.2",
    name="db",
    hostname="0123456789ab",
    ports=(Port(80), Port(53, "udp"), Port(53)),
    env=("A=1", "PATH=/bin", "HOME=/root", "BARE"),
)


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("db", Link("db", "db")),
        ("db:base", Link("db", "base")),
        ("/db:/web/base", Link("db", "base")),
        ("/db", Link("db", "db")),
    ],
)
def test_a_link_names_a_container_and_what_it_is_called(text: str, link: Link) -> None:
    assert parse_link(text) == link


@pytest.mark.parametrize("text", ["", ":", ":base", "db:", "db:a:b", "db:a b", "db:a\n127.0.0.1 evil", "/", "db:" + "a" * 300])
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_link(text)


def test_links_count_once_and_are_limited_in_number() -> None:
    assert parse_links(["db", "db:db", "db:x"]) == (Link("db", "db"), Link("db", "x"))
    with pytest.raises(InvalidParameter):
        parse_links([f"db:a{number}" for number in range(65)])


def test_the_line_of_hosts_has_alias_hostname_and_name() -> None:
    assert hosts_line(LINKED) == "172.17.0.2\tdata-base 0123456789ab db"
    assert hosts_line(LINKED._replace(alias="db")) == "172.17.0.2\tdb 0123456789ab"


def test_the_environment_tells_of_ports_name_and_variables_as_dockerd_does() -> None:
    lines = link_environment(LINKED)
    assert lines[0] == "DATA_BASE_PORT=tcp://172.17.0.2:53"
    assert lines[1:5] == [
        "DATA_BASE_PORT_53_TCP=tcp://172.17.0.2:53",
        "DATA_BASE_PORT_53_TCP_ADDR=172.17.0.2",
        "DATA_BASE_PORT_53_TCP_PORT=53",
        "DATA_BASE_PORT_53_TCP_PROTO=tcp",
    ]
    assert [line for line in lines if "_UDP=" in line or "_80_TCP=" in line] == [
        "DATA_BASE_PORT_53_UDP=udp://172.17.0.2:53",
        "DATA_BASE_PORT_80_TCP=tcp://172.17.0.2:80",
    ]
    assert lines[-2:] == ["DATA_BASE_NAME=/web/data-base", "DATA_BASE_ENV_A=1"]
