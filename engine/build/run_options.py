"""What the flags of a RUN mean for its container, and which of them are refused. Pure.

A cache is a volume of the tenant's, so it counts as one and is removed as one.
"""

from dataclasses import replace

from engine.core.containers import HostConfig
from engine.core.digests import hex_of, sha256_of
from engine.core.dockerfile_instructions import Run, RunMount
from engine.core.mounts import VOLUME, MountRequest
from engine.core.networks import NONE
from engine.errors import InvalidParameter

CACHE_PREFIX = "build-cache-"
CACHE_LABEL = "atelier.build.cache"
_REFUSED = {
    "bind": "COPY what the command needs, and remove it in the same stage or leave the stage out of the image",
    "secret": "secrets need BuildKit, which this engine does not have",
    "ssh": "ssh agents need BuildKit, which this engine does not have",
}


def run_host(host: HostConfig, instruction: Run) -> HostConfig:
    """Return how the container of a RUN runs. Raises InvalidParameter for what is not supported."""
    if instruction.network == "host":
        raise InvalidParameter("RUN --network=host is not supported: use default or none")
    if instruction.security == "insecure":
        raise InvalidParameter("RUN --security=insecure is not supported: a build has a container's rights")
    for mount in instruction.mounts:
        host = _mounted(host, mount)
    return replace(host, network_mode=NONE) if instruction.network == NONE else host


def _mounted(host: HostConfig, mount: RunMount) -> HostConfig:
    if mount.kind in _REFUSED:
        raise InvalidParameter(f"RUN --mount=type={mount.kind} is not supported: {_REFUSED[mount.kind]}")
    if not mount.target.startswith("/"):
        raise InvalidParameter(f"invalid target {mount.target[:80]!r} of RUN --mount: give an absolute path")
    if mount.kind == "tmpfs":
        options = ["exec", *([f"size={mount.size_bytes}"] if mount.size_bytes else [])]
        return replace(host, tmpfs={**host.tmpfs, mount.target: ",".join(options)})
    return replace(host, mounts=(*host.mounts, _cache(mount)))


def _cache(mount: RunMount) -> MountRequest:
    said = {
        "from": bool(mount.from_ or mount.source),
        "uid, gid and mode": (mount.uid, mount.gid, mount.mode) != (None, None, None),
        f"sharing={mount.sharing}": mount.sharing not in ("", "shared"),
    }
    for what, is_said in said.items():
        if is_said:
            raise InvalidParameter(f"RUN --mount=type=cache with {what} is not supported: leave it out")
    name = mount.id_ or mount.target
    return MountRequest(
        kind=VOLUME,
        target=mount.target,
        source=f"{CACHE_PREFIX}{hex_of(sha256_of(name.encode()))[:16]}",
        readonly=bool(mount.is_readonly),
        no_copy=True,
        labels={CACHE_LABEL: name[:200]},
    )
