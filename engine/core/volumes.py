"""Volumes as data: the record, and the rule of their names and drivers.

Owns the shape and its checks. Pure: no disk, no clock.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.core.tenants import Tenant
from engine.core.volume_options import VolumeOptions, read_volume_options
from engine.errors import InvalidParameter

DRIVER = "local"
ANONYMOUS_LABEL = "com.docker.volume.anonymous"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}")


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """One volume; its name is its tenant's only."""

    volume_id: str
    name: str
    tenant: Tenant
    created_ns: int
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_anonymous(self) -> bool:
        return ANONYMOUS_LABEL in self.labels

    @property
    def meaning(self) -> VolumeOptions:
        return read_volume_options(self.options)


def check_volume_name(name: str) -> None:
    """Raise InvalidParameter for what no volume can be called."""
    if len(name) == 1:
        raise InvalidParameter(f"volume name {name!r} is too short, names should be at least two alphanumeric characters")
    if _NAME.fullmatch(name) is None:
        raise InvalidParameter(
            f"{name[:140]!r} includes invalid characters for a local volume name, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            " (at most 255): if you mean a folder of the host, use an absolute path"
        )


def is_driver(driver: str) -> bool:
    """Whether there is such a driver; an empty name stands for the only one."""
    return driver in ("", DRIVER, "default")


def check_driver(driver: str, options: Mapping[str, str]) -> None:
    """Raise InvalidParameter for a driver that is not there, and for options that could not be kept.

    Clients that make a container take "not found" for a missing image, so that kind is kept for who asks for a volume itself.
    """
    if not is_driver(driver):
        raise InvalidParameter(f"volume driver {driver[:60]!r} not found: use {DRIVER}")
    read_volume_options(options)
