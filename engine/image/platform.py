"""The name that image configurations give to this machine's processor."""

import os

from engine.core.platforms import Platform

_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "riscv64": "riscv64", "ppc64le": "ppc64le"}


def host_architecture() -> str:
    """Return Go's name for the architecture, as used in images everywhere."""
    machine = os.uname().machine
    return _NAMES.get(machine, machine)


def host_platform() -> Platform:
    """Return the platform whose images run here."""
    return Platform("linux", host_architecture())
