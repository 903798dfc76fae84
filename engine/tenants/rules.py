"""The rules of a tenant: what its people may do at all, whatever there is room for. Values only; who asks is told elsewhere.

A team's and a member's rules hold both: ``combine`` says what is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import get_type_hints

from engine.core.destinations import MOST_DESTINATIONS, Reach, common, parse_destination
from engine.core.image_patterns import MOST_PATTERNS, check_pattern, fits, reaches_registry
from engine.core.references import Reference
from engine.errors import InvalidParameter

FIRST_COMMON_PORT, LAST_PORT = 1024, 65_535


@dataclass(frozen=True, slots=True)
class TenantRules:
    """None: no rule of its own. Texts are as an administrator wrote them.

    ``images`` are patterns of names, ``port_range`` is ``20000-29999``, ``outside_to`` are places as ``CIDR[:port][/tcp|/udp]``.
    """

    images: tuple[str, ...] | None = None
    pull: bool | None = None
    build: bool | None = None
    push: bool | None = None
    publish: bool | None = None
    port_range: str | None = None
    outside: bool | None = None
    outside_to: tuple[str, ...] | None = None


NO_RULES = TenantRules()
RULE_NAMES = tuple(field.name for field in fields(TenantRules))
_ARE_LISTS = frozenset(name for name, hint in get_type_hints(TenantRules).items() if hint == tuple[str, ...] | None)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a tenant may do by all rules that hold for it.

    ``images``: lists of patterns of which each has to have one that fits; ``ports``: what of the host it may ask for by number;
    ``draws_ports``: where a port that was not asked for by number comes from, None for wherever the kernel draws its own.
    """

    images: tuple[tuple[str, ...], ...] = ()
    pull: bool = True
    build: bool = True
    push: bool = True
    publish: bool = True
    ports: range = range(FIRST_COMMON_PORT, LAST_PORT + 1)
    draws_ports: range | None = None
    reach: Reach = None

    def allows_image(self, reference: Reference) -> bool:
        """Whether a name, as a registry or an administrator has given it, is one that may be used."""
        return all(any(fits(pattern, reference) for pattern in patterns) for patterns in self.images)

    def allows_registry(self, domain: str) -> bool:
        """Whether names in a registry may be among those that may be used."""
        return all(any(reaches_registry(pattern, domain) for pattern in patterns) for patterns in self.images)

    def allows_port(self, number: int) -> bool:
        """Whether this port of the host may be published."""
        return self.publish and number in self.ports


EVERYTHING = Permissions(ports=range(1, LAST_PORT + 1))  # of administrators


def combine(*rules: TenantRules) -> Permissions:
    """Return what all of these allow."""
    reach: Reach = None
    for one in rules:
        reach = common(reach, _reach_of(one))
    drawn = None
    for one in rules:
        if one.port_range is not None:
            drawn = _intersect(drawn, _parse_range(one.port_range))
    return Permissions(
        images=tuple(one.images for one in rules if one.images is not None),
        pull=all(one.pull is not False for one in rules),
        build=all(one.build is not False for one in rules),
        push=all(one.push is not False for one in rules),
        publish=all(one.publish is not False for one in rules),
        ports=Permissions().ports if drawn is None else drawn,
        draws_ports=drawn,
        reach=reach,
    )


def _intersect(one: range | None, other: range) -> range:
    return other if one is None else range(max(one.start, other.start), max(min(one.stop, other.stop), one.start, other.start))


def _reach_of(rules: TenantRules) -> Reach:
    if rules.outside is False:
        return ()
    return None if rules.outside_to is None else tuple(map(parse_destination, rules.outside_to))


def parse_tenant_rules(values: Mapping[str, object]) -> TenantRules:
    """Read rules as JSON has them, a null counting as absent. Raises InvalidParameter with field, value and way out."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if name not in RULE_NAMES:
            raise InvalidParameter(f"unknown rule {name[:60]!r}: use {', '.join(RULE_NAMES)}")
        if value is not None:
            found[name] = _checked(name, value)
    return TenantRules(**found)  # type: ignore[arg-type] # each was checked against its field


def _checked(name: str, value: object) -> object:
    if name in _ARE_LISTS:
        return _texts(name, value)
    if name == "port_range":
        if not isinstance(value, str):
            raise _invalid(name, value, "a text such as 20000-29999")
        _parse_range(value)
        return value
    if not isinstance(value, bool):
        raise _invalid(name, value, "true or false")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _invalid(name, value, "a list of texts")
    most, check = (MOST_PATTERNS, check_pattern) if name == "images" else (MOST_DESTINATIONS, parse_destination)
    if len(value) > most:
        raise _invalid(name, f"of {len(value)} entries", f"at most {most}")
    for item in value:
        try:
            check(item)
        except InvalidParameter as error:
            raise InvalidParameter(f"invalid rule {name}: {error.message}") from None
    return tuple(dict.fromkeys(value))


def _parse_range(text: str) -> range:
    first, dash, last = text.partition("-")
    numbers = [
        int(part) if part.isascii() and part.isdigit() and len(part) < 6 else 0 for part in (first, last if dash else first)
    ]
    if not 0 < numbers[0] <= numbers[1] <= LAST_PORT:
        raise _invalid("port_range", text, f"20000-29999: ports are 1 to {LAST_PORT}, the smaller one first")
    return range(numbers[0], numbers[1] + 1)


def _invalid(name: str, value: object, use: str) -> InvalidParameter:
    return InvalidParameter(f"invalid rule {name} {str(value)[:60]!r}: use {use}, or null for no rule")
