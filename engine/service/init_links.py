"""Where the init of an image leads to, read from its layers without following anything that an image made. Blocking."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.core.containers import ContainerConfig, HostConfig
from engine.core.system_containers import INIT_PATHS, for_systemd, is_systemd
from engine.linux.files import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2

_MERGED = {"sbin": "usr/sbin"}  # of distributions that have merged /usr


def as_system_container(
    config: ContainerConfig, host: HostConfig, lowers: Callable[[], Sequence[Path]]
) -> tuple[ContainerConfig, HostConfig]:
    """Return both as they came, or with what systemd needs when the command is that."""
    program = config.args[0]
    link = init_link(lowers(), program) if program in INIT_PATHS else ""
    return for_systemd(config, host) if is_systemd(config.args, link=link) else (config, host)


def init_link(lowers: Sequence[Path], program: str) -> str:
    """Return the text of the link that ``program`` is in the topmost layer that has it; empty when it is none."""
    folder, name = os.path.split(program.lstrip("/"))
    for lower in reversed(lowers):  # base layer first
        for place in filter(None, (folder or ".", _MERGED.get(folder))):
            if (link := _read_link(lower, place, name)) is not None:
                return link
    return ""


def _read_link(lower: Path, folder: str, name: str) -> str | None:
    """The link's text, empty for something else of that name, None for nothing."""
    root_fd = os.open(lower, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        folder_fd = openat2(root_fd, folder, os.O_PATH | os.O_DIRECTORY, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
    except OSError:
        return None
    finally:
        os.close(root_fd)
    try:
        return os.readlink(name, dir_fd=folder_fd)
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    finally:
        os.close(folder_fd)
