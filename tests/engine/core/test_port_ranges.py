"""Ranges of ports that overlap are as little work as what they come to."""

import pytest

from engine.core.port_ranges import Range, count_ports, merge_ranges, ports_of
from engine.core.ports import MOST_EXPOSED, Port, exposed_ports, parse_exposed
from engine.errors import InvalidParameter


@pytest.mark.parametrize(
    ("ranges", "merged"),
    [
        ([], []),
        ([("tcp", 80, 80)], [("tcp", 80, 80)]),
        ([("tcp", 81, 90), ("tcp", 80, 80)], [("tcp", 80, 90)]),
        ([("tcp", 1, 100), ("tcp", 5, 6)], [("tcp", 1, 100)]),
        ([("tcp", 1, 3), ("tcp", 5, 6)], [("tcp", 1, 3), ("tcp", 5, 6)]),
        ([("udp", 1, 3), ("tcp", 2, 4)], [("tcp", 2, 4), ("udp", 1, 3)]),
    ],
)
def test_each_port_is_in_one_range_only(ranges: list[Range], merged: list[Range]) -> None:
    assert merge_ranges(ranges) == merged
    assert count_ports(merged) == len(set(ports_of(ranges))) == len(list(ports_of(merged)))


def test_a_request_exposes_so_many_and_an_image_no_more() -> None:
    assert parse_exposed(["7001-7002", "7000-7001/tcp"]) == [Port(7000), Port(7001), Port(7002)]
    assert len(parse_exposed([f"1-{MOST_EXPOSED}"])) == MOST_EXPOSED
    with pytest.raises(InvalidParameter, match="too many exposed ports: 65535, a container may have 16384"):
        parse_exposed([f"{first}-65535" for first in range(1, 65_000)])
    assert len(exposed_ports([f"{first}-65535" for first in range(1, 65_000)])) == MOST_EXPOSED
