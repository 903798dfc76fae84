"""Which containers are given what systemd needs."""

import pytest

from engine.core.containers import ContainerConfig, HostConfig
from engine.core.system_containers import for_systemd, is_systemd


@pytest.mark.parametrize(
    ("args", "link", "expected"),
    [
        (["/lib/systemd/systemd"], "", True),
        (["/usr/lib/systemd/systemd", "--unit=x"], "", True),
        (["systemd"], "", True),
        (["/sbin/init"], "/lib/systemd/systemd", True),
        (["/sbin/init"], "../lib/systemd/systemd", True),
        (["/usr/sbin/init"], "/lib/systemd/systemd", True),
        (["/sbin/init"], "busybox", False),
        (["/sbin/init"], "", False),
        (["/bin/sh"], "/lib/systemd/systemd", False),
        (["sh", "/sbin/init"], "systemd", False),
        (["/opt/systemd-like"], "", False),
        ([], "", False),
    ],
)
def test_systemd_is_known_by_its_name_or_by_where_init_leads(args: list[str], link: str, *, expected: bool) -> None:
    assert is_systemd(args, link=link) is expected


def test_it_gets_folders_a_signal_a_variable_and_its_cgroups() -> None:
    config, host = for_systemd(ContainerConfig(image="x", hostname="h", env=("A=1",)), HostConfig(tmpfs={"/run": "size=1m"}))
    assert (config.stop_signal, config.env) == ("SIGRTMIN+3", ("A=1", "container=atelier"))
    assert (host.tmpfs, host.writable_cgroups) == ({"/run": "size=1m", "/run/lock": ""}, True)


def test_what_was_asked_for_stays() -> None:
    config, _ = for_systemd(ContainerConfig(image="x", hostname="h", env=("container=lxc",), stop_signal="SIGTERM"), HostConfig())
    assert (config.stop_signal, config.env) == ("SIGTERM", ("container=lxc",))
