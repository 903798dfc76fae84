"""Rules of tenants: how they are read, what a team's and a member's leave together, and that they are kept beside the limits."""

import json
from pathlib import Path

import pytest

from engine.core.destinations import parse_destination
from engine.core.references import parse_reference
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import InvalidParameter
from engine.tenants.limits import NO_LIMITS, TenantLimits
from engine.tenants.rules import NO_RULES, RULE_NAMES, TenantRules, combine, parse_tenant_rules
from engine.tenants.store import TenantStore

TEAM, ADA, BOB = Tenant("blue"), Tenant("blue", "ada"), Tenant("red", "bob")


def test_a_null_counts_as_absent_and_an_empty_list_does_not() -> None:
    values: dict[str, object] = {"images": [], "pull": None, "build": False, "outside_to": None}
    assert parse_tenant_rules(values) == TenantRules(images=(), build=False)
    assert parse_tenant_rules(dict.fromkeys(RULE_NAMES)) == NO_RULES


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Images", ["a"], "unknown rule 'Images': use images, pull"),
        ("images", "a", "invalid rule images 'a': use a list of texts, or null for no rule"),
        ("images", [1], "use a list of texts"),
        ("images", ["a b"], "invalid rule images: invalid image pattern 'a b'"),
        ("images", ["a"] * 201, "use at most 200"),
        ("pull", 0, "invalid rule pull '0': use true or false, or null for no rule"),
        ("outside", "no", "use true or false"),
        ("port_range", 8080, "use a text such as 20000-29999"),
        ("port_range", "8080-", "invalid rule port_range '8080-'"),
        ("port_range", "0-80", "ports are 1 to 65535"),
        ("port_range", "1-65536", "ports are 1 to 65535"),
        ("port_range", "2-1", "the smaller one first"),
        ("port_range", "²", "ports are 1 to 65535"),
        ("outside_to", ["10.0.0.0/8"] * 65, "use at most 64"),
        ("outside_to", ["here"], "invalid rule outside_to: invalid destination 'here'"),
    ],
)
def test_a_wrong_rule_is_named_with_its_value_and_the_way_out(name: str, value: object, words: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_tenant_rules({name: value})
    assert words in caught.value.message


def test_no_rules_leave_everything_but_the_hosts_own_ports() -> None:
    free = combine(NO_RULES, NO_RULES)
    assert (free.pull, free.build, free.push, free.publish, free.reach, free.draws_ports) == (True, True, True, True, None, None)
    assert free.allows_image(parse_reference("any.example/thing"))
    assert [number for number in (1, 80, 1023, 1024, 65_535) if free.allows_port(number)] == [1024, 65_535]


@pytest.mark.parametrize("name", ["pull", "build", "push", "publish"])
def test_what_either_forbids_is_forbidden(name: str) -> None:
    for pair in ((False, None), (None, False), (False, True), (False, False)):
        assert getattr(combine(*(parse_tenant_rules({name: value}) for value in pair)), name) is False
    assert getattr(combine(parse_tenant_rules({name: True}), NO_RULES), name) is True


def test_lists_and_ranges_of_both_hold() -> None:
    team = TenantRules(images=("tools/*", "busybox"), port_range="20000-20019", outside_to=("10.0.0.0/8:443",))
    member = TenantRules(images=("tools/hammer", "secret"), port_range="20010-20029", outside_to=("10.1.0.0/16", "192.0.2.1"))
    both = combine(team, member)
    names = [name for name in ("tools/hammer", "tools/saw", "busybox", "secret") if both.allows_image(parse_reference(name))]
    assert names == ["tools/hammer"]
    assert both.ports == both.draws_ports == range(20010, 20020)
    assert both.reach == (parse_destination("10.1.0.0/16:443"),)
    apart = combine(team, TenantRules(port_range="1-2", outside=False))
    assert (len(apart.ports), apart.draws_ports is not None, apart.reach) == (0, True, ())


def test_rules_are_kept_with_the_limits_and_go_with_them(tmp_path: Path) -> None:
    store = TenantStore(tmp_path)
    rules = TenantRules(images=("a/*",), pull=False, port_range="20000", outside_to=("10.0.0.0/8",))
    store.set(TEAM, TenantLimits(disk=10**9), rules)
    store.set(ADA, NO_LIMITS, TenantRules(outside=False))
    again = TenantStore(tmp_path)
    assert (again.rules(TEAM), again.limits(TEAM)) == (rules, TenantLimits(disk=10**9))
    assert again.reaches() == {TEAM: (parse_destination("10.0.0.0/8"),), ADA: ()}
    assert (again.permissions(ADA).pull, again.permissions(BOB).pull) == (False, True)
    again.set_limits(TEAM, TenantLimits(pids=9))
    assert again.rules(TEAM) == rules
    again.delete_limits(TEAM)
    assert (TenantStore(tmp_path).rules(TEAM), TenantStore(tmp_path).ruled()) == (NO_RULES, [ADA])


def test_a_tenant_that_was_given_nothing_is_known_until_it_is_deleted(tmp_path: Path) -> None:
    store = TenantStore(tmp_path)
    store.set(ADA, NO_LIMITS, NO_RULES)
    assert TenantStore(tmp_path).is_set(ADA)
    store.delete_limits(ADA)
    assert not TenantStore(tmp_path).is_set(ADA)


def test_a_file_from_before_there_were_rules_is_read(tmp_path: Path) -> None:
    (tmp_path / "limits.json").write_text(json.dumps({"limits": {"blue": {"disk": 10**9}}}))
    store = TenantStore(tmp_path)
    assert (store.limits(TEAM), store.rules(TEAM)) == (TenantLimits(disk=10**9), NO_RULES)


def test_administrators_are_under_no_rule(tmp_path: Path) -> None:
    store = TenantStore(tmp_path)
    allowed = store.permissions(ADMINISTRATOR)
    assert (allowed.allows_port(22), allowed.allows_image(parse_reference("any")), allowed.reach) == (True, True, None)
