"""Ranges of ports, taken together before they are counted out. Pure.

Thousands of ranges that overlap are as little work as the few that they come to: whoever writes them would else have the engine
count for minutes.
"""

from collections.abc import Iterable, Iterator

Range = tuple[str, int, int]  # protocol, first and last


def merge_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Return ranges that hold the same ports, each port in one of them only, by protocol and number."""
    merged: list[Range] = []
    for protocol, first, last in sorted(ranges):
        if merged and merged[-1][0] == protocol and first <= merged[-1][2] + 1:
            merged[-1] = (protocol, merged[-1][1], max(last, merged[-1][2]))
        else:
            merged.append((protocol, first, last))
    return merged


def count_ports(merged: Iterable[Range]) -> int:
    """Return how many ports merged ranges hold."""
    return sum(last - first + 1 for _, first, last in merged)


def ports_of(merged: Iterable[Range]) -> Iterator[tuple[int, str]]:
    """Count merged ranges out, each port with its protocol."""
    for protocol, first, last in merged:
        for number in range(first, last + 1):
            yield number, protocol
