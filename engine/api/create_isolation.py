"""Isolation in the body of ``POST /containers/create``: namespaces, devices, rights, security options.

Owns Docker's forms and which of them the engine never grants; who may ask for the others is the service's to say.
"""

from typing import Any

from engine.api.decode import Document
from engine.core.devices import parse_device, parse_device_rule
from engine.core.namespace_modes import check_mode
from engine.core.security_options import parse_security_options, without_profile
from engine.core.volumes import DRIVER
from engine.errors import InvalidParameter

_RUNTIMES = ("", "atelier", "runc", "io.containerd.runc.v2")
_REFUSED = {
    "DeviceRequests": "could not select device driver: requests for devices such as GPUs are not supported, use Devices",
    "CgroupParent": "the cgroup of a container is given by its tenant: leave out CgroupParent",
    "Cgroup": "joining the cgroup of another container is not supported: leave out Cgroup",
}


def decode_isolation(host: Document) -> dict[str, Any]:
    """Return fields of HostConfig. Raises InvalidParameter."""
    _refuse(host)
    security = parse_security_options(host.texts("SecurityOpt"))
    masked, readonly = host.optional_texts("MaskedPaths"), host.optional_texts("ReadonlyPaths")
    return {
        "privileged": host.boolean("Privileged"),
        "devices": tuple(
            parse_device(entry.text("PathOnHost"), entry.text("PathInContainer"), entry.text("CgroupPermissions"))
            for entry in host.documents("Devices")
        ),
        "device_rules": _device_rules(host.texts("DeviceCgroupRules")),
        "ipc_mode": check_mode("IpcMode", host.text("IpcMode")) or "private",
        "pid_mode": check_mode("PidMode", host.text("PidMode")),
        "uts_mode": check_mode("UTSMode", host.text("UTSMode")),
        "userns_mode": check_mode("UsernsMode", host.text("UsernsMode")),
        "cgroupns_mode": check_mode("CgroupnsMode", host.text("CgroupnsMode")) or "private",
        "no_new_privileges": security.no_new_privileges,
        "seccomp": security.seccomp,
        "security_options": tuple(map(without_profile, host.texts("SecurityOpt"))),
        "security_labels": security.labels,
        "writable_cgroups": security.writable_cgroups,
        "masked_paths": () if security.unconfined_paths else masked,
        "readonly_paths": () if security.unconfined_paths else readonly,
        "runtime": host.text("Runtime"),
        "isolation": host.text("Isolation"),
        "annotations": host.mapping("Annotations"),
        "id_file": host.text("ContainerIDFile"),
    }


def older_ipc_mode(host: Document) -> str:
    """Return the mode for clients before version 1.40, whose containers can be joined unless they say otherwise."""
    return check_mode("IpcMode", host.text("IpcMode")) or "shareable"


def isolation_warnings(host: Document) -> list[str]:
    """Return what is accepted without any effect."""
    unapplied = parse_security_options(host.texts("SecurityOpt")).unapplied
    return [f"security option {label[:60]} has no effect: AppArmor and SELinux are not used here" for label in unapplied]


def _refuse(host: Document) -> None:
    for name, message in _REFUSED.items():
        if host.is_set(name):
            raise InvalidParameter(message)
    if host.text("VolumeDriver") not in ("", DRIVER):
        raise InvalidParameter("volume drivers are not supported: leave it out, volumes are kept by the engine itself")
    if host.text("Runtime") not in _RUNTIMES:
        raise InvalidParameter(f"unknown runtime {host.text('Runtime')[:60]!r}: leave out Runtime")
    if host.text("Isolation") not in ("", "default"):
        raise InvalidParameter(f"invalid isolation {host.text('Isolation')[:60]!r}: leave it out")


def _device_rules(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        parse_device_rule(text)
    return texts
