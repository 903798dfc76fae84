"""Volumes as data: the record, the rule of their names, and what a driver's options may say.

Owns the shape and its checks. Pure: no disk, no clock.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.core.tenants import Tenant
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
    for name, value in options.items():
        if name not in ("type", "o", "device"):
            raise InvalidParameter(f"invalid volume option {name[:60]!r}: the {DRIVER} driver knows type, o and device")
        if name == "o" and any(option.startswith("size=") for option in value.split(",")):
            raise InvalidParameter("volume option o=size is not supported: this engine's storage cannot limit a volume's size")
    if any(options.values()):
        raise InvalidParameter(
            "volume options type, o and device are not supported: a volume is a folder of the engine's own;"
            " for memory use a mount of type tmpfs, for a folder of the host a bind"
        )
