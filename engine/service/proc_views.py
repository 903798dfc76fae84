"""What programs in a limited tenant's container read of memory and processors in /proc: their own, where the host has lxcfs.

Owns which files, and for whom. What lxcfs shows is the least that the cgroups around the reader allow; without it these files are
the host's, as with dockerd. How many processors there are is told by the cgroup itself (``nproc``), with it or without.
"""

from pathlib import Path

from engine.core.containers import ContainerRecord
from engine.core.launch import BindSpec, LaunchSpec
from engine.service.engine import Engine
from engine.service.tenant_cgroups import ceilings_of

LXCFS = Path("/var/lib/lxcfs")
_NAMES = ("cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime")


def with_proc_views(engine: Engine, record: ContainerRecord, spec: LaunchSpec) -> LaunchSpec:
    """Return the specification with the views that there are. Blocking, microseconds; nothing for who is not limited."""
    if not any(ceilings_of(engine.tenants.limits(scope)).is_limited for scope in record.tenant.scopes):
        return spec
    views = [_view(name) for name in found_views()]
    return {**spec, "proc_views": views} if views else spec


def found_views() -> list[str]:
    """Return the names of the files that lxcfs shows; none where it is not mounted, or has died."""
    try:
        return [name for name in _NAMES if (LXCFS / "proc" / name).is_file()] if LXCFS.is_mount() else []
    except OSError:
        return []


def _view(name: str) -> BindSpec:
    return {
        "source": str(LXCFS / "proc" / name),
        "target": f"/proc/{name}",
        "readonly": True,
        "idmapped": True,
        "of_engine": True,
    }
