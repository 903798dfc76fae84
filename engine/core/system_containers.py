"""Containers whose command is systemd: what it needs beside the usual. Pure.

As podman decides it: the command is systemd, or an ``init`` that the image links to it. Other inits need nothing of this kind.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import replace

from engine.core.containers import ContainerConfig, HostConfig

INIT_PATHS = ("/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init", "/init")
STOP_SIGNAL = "SIGRTMIN+3"  # systemd(1): halts, as SIGTERM means to re-execute itself
_NAME = "systemd"
_CONTAINER = "container=atelier"  # any value tells systemd that it is in one (container interface of systemd.io)
_TMPFS = {"/run": "mode=755,exec", "/run/lock": ""}


def is_systemd(args: Sequence[str], *, link: str) -> bool:
    """Whether a command line starts systemd; ``link`` is where the image's link of that path leads, empty for none."""
    if not args:
        return False
    program = args[0]
    if program in INIT_PATHS:
        return posixpath.basename(link) == _NAME
    return posixpath.basename(program) == _NAME


def for_systemd(config: ContainerConfig, host: HostConfig) -> tuple[ContainerConfig, HostConfig]:
    """Return both with what systemd needs; what was asked for stays."""
    env = config.env if any(entry.startswith("container=") for entry in config.env) else (*config.env, _CONTAINER)
    tmpfs = {**{target: options for target, options in _TMPFS.items() if target not in host.tmpfs}, **host.tmpfs}
    return (
        replace(config, env=env, stop_signal=config.stop_signal or STOP_SIGNAL),
        replace(host, tmpfs=tmpfs, writable_cgroups=True),
    )
