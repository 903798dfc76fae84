"""Options of a container as data: devices, namespace modes, security options, tmpfs, sysctls, rates."""

import pytest

from engine.core.devices import device_rules, format_device_rule, parse_device, parse_device_rule
from engine.core.limits import DeviceValue, Limits, values_v1, values_v2
from engine.core.namespace_modes import check_mode, joined_container
from engine.core.resolv import check_resolver
from engine.core.security_options import SecurityOptions, parse_security_options
from engine.core.sysctls import check_sysctls
from engine.core.tmpfs_options import check_tmpfs_options
from engine.errors import InvalidParameter
from engine.runtime.device_rules import device_program

RATES = Limits(
    blkio_weights=(DeviceValue("/dev/a", 500, "8:0"),),
    read_bps=(DeviceValue("/dev/a", 1000, "8:0"), DeviceValue("/dev/b", 2000, "8:16")),
    write_iops=(DeviceValue("/dev/a", 30, "8:0"),),
)


def test_rates_of_devices_are_one_line_a_device_in_version_2() -> None:
    values = [(name, text) for name, text, _ in values_v2(RATES)]
    assert values == [("io.weight", "8:0 4950"), ("io.max", "8:0 rbps=1000 wiops=30"), ("io.max", "8:16 rbps=2000")]


def test_rates_of_devices_are_a_file_a_kind_in_version_1() -> None:
    values = [(name, text) for controller, name, text, _ in values_v1(RATES) if controller == "blkio"]
    assert values == [
        ("blkio.weight_device", "8:0 500"),
        ("blkio.throttle.read_bps_device", "8:0 1000"),
        ("blkio.throttle.read_bps_device", "8:16 2000"),
        ("blkio.throttle.write_iops_device", "8:0 30"),
    ]


def test_what_version_2_has_not_is_left_out() -> None:
    assert values_v2(Limits(memory_swappiness=5, oom_kill_disable=True)) == []


def test_devices_of_a_container_are_allowed_beside_those_of_every_one() -> None:
    allowed = [text for _, name, text, _ in values_v1(Limits(), ["c 10:229 rw"]) if name == "devices.allow"]
    assert allowed[-1] == "c 10:229 rw"
    assert len(allowed) > 1


@pytest.mark.parametrize("text", ["c 10:229 rwm", "b *:* r", "a 1:* m", "c *:5 w"])
def test_a_device_rule_is_read_and_written(text: str) -> None:
    assert format_device_rule(parse_device_rule(text)) == text


def test_a_node_with_its_access_is_a_rule() -> None:
    node = {"target": "/dev/x", "kind": "b", "major": 7, "minor": 3, "mode": 0o600}
    assert [format_device_rule(rule) for rule in device_rules([(node, "rw")], ["c 1:* r"])] == [  # type: ignore[list-item]  # a literal
        "b 7:3 rw",
        "c 1:* r",
    ]


def test_a_program_grows_with_its_rules() -> None:
    lengths = [len(device_program([parse_device_rule(text) for text in texts])) for texts in ([], ["a *:* rwm"], ["c 1:2 r"])]
    assert lengths == sorted(set(lengths))


def test_a_device_takes_its_own_path_and_all_access() -> None:
    device = parse_device("/dev/x", "", "")
    assert (device.target, device.access) == ("/dev/x", "rwm")


@pytest.mark.parametrize(
    ("field", "mode"), [("IpcMode", "none"), ("PidMode", "container:x"), ("UTSMode", "host"), ("UTSMode", "")]
)
def test_modes_that_there_are(field: str, mode: str) -> None:
    assert check_mode(field, mode) == mode


@pytest.mark.parametrize(("field", "mode"), [("UTSMode", "container:x"), ("PidMode", "none"), ("IpcMode", "container:")])
def test_modes_that_there_are_not(field: str, mode: str) -> None:
    with pytest.raises(InvalidParameter, match=field):
        check_mode(field, mode)


def test_a_joined_container_is_named_behind_the_colon() -> None:
    assert (joined_container("container:a:b"), joined_container("host"), joined_container("")) == ("a:b", "", "")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], SecurityOptions()),
        (["no-new-privileges"], SecurityOptions(no_new_privileges=True)),
        (["no-new-privileges:true", "no-new-privileges=false"], SecurityOptions()),
        (["seccomp=unconfined"], SecurityOptions(seccomp="unconfined")),
        (["seccomp:unconfined"], SecurityOptions(seccomp="unconfined")),
        (["seccomp=builtin"], SecurityOptions()),
        (['seccomp={"a": "b=c:d"}'], SecurityOptions(seccomp='{"a": "b=c:d"}')),
        (["label=type:x"], SecurityOptions(labels=("label=type:x",))),
        (["writable-cgroups=true", "systempaths=unconfined"], SecurityOptions(unconfined_paths=True, writable_cgroups=True)),
    ],
)
def test_security_options_are_read(options: list[str], expected: SecurityOptions) -> None:
    assert parse_security_options(options) == expected


@pytest.mark.parametrize("options", ["", "rw,exec", "size=64k", "size=50%,mode=1777", "uid=0,gid=65535,nr_inodes=10k"])
def test_tmpfs_options_that_there_are(options: str) -> None:
    assert check_tmpfs_options(options) == options


@pytest.mark.parametrize(
    "options", ["size", "size=", "size=-1", "size=1%%", "mode=8", "uid=70000", "dev", "suid", "x=y", "size=1,,dev"]
)
def test_tmpfs_options_that_there_are_not(options: str) -> None:
    with pytest.raises(InvalidParameter, match="tmpfs option"):
        check_tmpfs_options(options)


@pytest.mark.parametrize(
    ("name", "network", "ipc"),
    [
        ("kernel.panic", True, True),
        ("net.core.somaxconn", False, True),
        ("kernel.sem", True, False),
        ("net.a/b", True, True),
        ("net.ipv4.neigh.eth0.mcast_solicit", True, True),
        ("net.ipv6.neigh.default.gc_stale_time", True, True),
    ],
)
def test_parameters_that_are_not_the_containers_own(name: str, *, network: bool, ipc: bool) -> None:
    with pytest.raises(InvalidParameter, match="sysctl"):
        check_sysctls({name: "1"}, own_network=network, own_ipc=ipc)


@pytest.mark.parametrize(
    ("nameservers", "search", "options"),
    [(["1.1.1.1\nsearch x"], [], []), (["host"], [], []), ([], ["a b"], []), ([], [""], []), ([], [], ["x\ny"])],
)
def test_resolver_settings_that_cannot_be(nameservers: list[str], search: list[str], options: list[str]) -> None:
    with pytest.raises(InvalidParameter, match="DNS"):
        check_resolver(nameservers=nameservers, search=search, options=options)
