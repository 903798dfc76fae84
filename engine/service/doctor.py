"""Doctor: what this host offers to the engine, what is missing, and what that turns off. Changes nothing."""

import ctypes.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.linux.cgroups import detect_layout
from engine.network.foreign_rules import closed_doors
from engine.network.rate_probe import NEEDED, rates_refused
from engine.service.docker_command import find_docker_command
from engine.service.proc_views import LXCFS, found_views
from engine.storage.disk_choice import explain_disk, image_of


@dataclass(frozen=True, slots=True)
class Finding:
    """``consequence`` says what a missing thing turns off; a fatal one keeps the engine from running."""

    subject: str
    is_present: bool
    detail: str
    consequence: str = ""
    is_fatal: bool = False


def examine(data_path: Path | None = None) -> list[Finding]:
    """Look at everything the engine relies on, and at a data folder."""
    found = [check() for check in _CHECKS]
    return found if data_path is None else [*found, *examine_disk(data_path)]


def examine_disk(data_path: Path) -> list[Finding]:
    """Say which driver counts disk space in a data folder, used already or not, and why."""
    driver, reason = explain_disk(data_path)
    findings = [
        Finding(
            "disk quotas",
            driver != "none",
            f"{driver}: {reason}",
            "no quota of a tenant, container or volume holds on disk space",
        )
    ]
    image = image_of(data_path)
    if image.path.exists() and image.is_mounted:
        findings += [Finding("disk", False, warning) for warning in image.status().warnings]
    return findings


def _mkfs() -> Finding:
    path = shutil.which("mkfs.btrfs")
    return Finding("mkfs.btrfs", path is not None, path or "not found", "install btrfs-progs: no quotas of disk space")


def _docker_command() -> Finding:
    command = find_docker_command()
    consequence = "containers with DockerSocket get the socket alone: install a static docker, or use images that have one"
    return Finding("docker command", bool(command.path), command.reason, consequence)


def report(findings: list[Finding]) -> str:
    """Return the findings as a table of text."""
    width = max(len(finding.subject) for finding in findings)
    lines = []
    for finding in findings:
        mark = "ok" if finding.is_present else ("MISSING" if finding.is_fatal else "without")
        lines.append(f"{mark:8}{finding.subject:{width}}  {finding.detail}")
        if not finding.is_present and finding.consequence:
            lines.append(f"{'':8}{'':{width}}  → {finding.consequence}")
    return "\n".join(lines) + "\n"


def _root() -> Finding:
    return Finding("root", os.geteuid() == 0, f"user id {os.geteuid()}", "the engine must run as root", is_fatal=True)


def _kernel() -> Finding:
    return judge_kernel(os.uname().release)


def judge_kernel(release: str) -> Finding:
    version = tuple(int(part) for part in release.split("-", maxsplit=1)[0].split(".")[:2])
    return Finding("kernel", version >= (5, 19), release, "id-mapped layers of an overlay need Linux 5.19", is_fatal=True)


def _namespaces() -> Finding:
    missing = [
        name for name in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts") if not Path(f"/proc/self/ns/{name}").exists()
    ]
    detail = f"missing: {', '.join(missing)}" if missing else "all seven"
    return Finding("namespaces", not missing, detail, "containers cannot be isolated", is_fatal=True)


def _user_namespaces() -> Finding:
    most = int(Path("/proc/sys/user/max_user_namespaces").read_text())
    return Finding("user namespaces", most > 0, f"at most {most}", "raise user.max_user_namespaces", is_fatal=True)


def _overlay() -> Finding:
    try:
        modules = Path("/lib/modules", os.uname().release, "modules.dep").read_text()
    except OSError:
        modules = ""
    return judge_overlay(Path("/proc/filesystems").read_text(), modules)


def judge_overlay(filesystems: str, modules: str) -> Finding:
    """Say whether the kernel has the filesystem, or loads it by itself when it is first mounted (modules.dep(5))."""
    is_loaded = "overlay" in {line.split()[-1] for line in filesystems.splitlines()}
    is_module = any(Path(line.partition(":")[0]).name.partition(".")[0] == "overlay" for line in modules.splitlines())
    detail = "a module that is loaded when it is needed" if is_module and not is_loaded else "filesystem of layers"
    return Finding("overlay", is_loaded or is_module, detail, "this kernel comes without its module overlay", is_fatal=True)


def _cgroups() -> Finding:
    layout = detect_layout()
    found = layout.version == 2 or {"memory", "pids", "cpu"} <= layout.mounts.keys()
    names = ", ".join(sorted(layout.mounts)) or "all in one hierarchy"
    detail = f"version {layout.version}: {names}"
    return Finding("cgroups", found, detail, "limits on memory, cpu or processes cannot be set")


def _cgroup_kill() -> Finding:
    unified = detect_layout().unified
    detail = unified or "version 2 is not mounted"
    return Finding("cgroup.kill", bool(unified), detail, "processes of a container are ended one by one")


def _seccomp() -> Finding:
    library = ctypes.util.find_library("seccomp")
    return Finding(
        "libseccomp", library is not None, library or "not found", "install libseccomp2, or run with seccomp=unconfined"
    )


def _nftables() -> Finding:
    library = ctypes.util.find_library("nftables")
    return Finding("libnftables", library is not None, library or "not found", "install libnftables1: no networks", is_fatal=True)


def _zstd() -> Finding:
    library = ctypes.util.find_library("zstd")
    return Finding("libzstd", library is not None, library or "not found", "install libzstd1: layers packed by zstd are refused")


def _forwarding() -> Finding:
    value = Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()
    return Finding("ip forwarding", True, "on" if value == "1" else "off: the engine turns it on for its networks")


def _network_rates() -> Finding:
    refused = rates_refused()
    return Finding("network rates", not refused, refused or "can be limited", f"limits on them need {NEEDED}")


def _foreign_rules() -> Finding:
    try:
        chains = closed_doors()
    except OSError:
        return Finding("foreign rules", True, "cannot be looked at")
    consequence = (
        "containers may reach nothing outside, and nobody their published ports (a dockerd on this host does it): accept there"
        " what comes or goes by devices whose names begin with b and the six digits of the engine's table"
    )
    detail = f"forwarded packets are dropped by {', '.join(chains)}" if chains else "none drops what is forwarded"
    return Finding("foreign rules", not chains, detail, consequence)


def _busybox() -> Finding:
    path = shutil.which("busybox")
    return Finding("busybox", path is not None, path or "not found", 'install busybox-static: no "Shell" template')


def _lxcfs() -> Finding:
    views = found_views()
    detail = f"shows {', '.join(views)}" if views else f"not mounted at {LXCFS}"
    return Finding("lxcfs", bool(views), detail, "/proc/meminfo in a limited tenant's container is the host's: install lxcfs")


_CHECKS: tuple[Callable[[], Finding], ...] = (
    _root,
    _kernel,
    _namespaces,
    _user_namespaces,
    _overlay,
    _cgroups,
    _cgroup_kill,
    _seccomp,
    _nftables,
    _zstd,
    _forwarding,
    _foreign_rules,
    _network_rates,
    _busybox,
    _lxcfs,
    _mkfs,
    _docker_command,
)
