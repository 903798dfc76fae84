"""The image of the "Shell" template: the host's static BusyBox and a handful of files around it."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from docker import APIClient

from engine.agent.failures import ActionFailed
from engine.agent.images import import_root

_CHANGES = ['CMD ["/bin/sh", "-l"]', "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin", "ENV HOME=/root", "WORKDIR /root"]
_FOLDERS = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "run": 0o755,
    "sbin": 0o755,
    "sys": 0o755,
    "tmp": 0o1777,
    "usr": 0o755,
    "usr/bin": 0o755,
    "usr/sbin": 0o755,
    "var": 0o755,
    "var/tmp": 0o1777,
}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/shells": "/bin/sh\n",
    "etc/os-release": 'ID=busybox\nNAME="BusyBox"\nPRETTY_NAME="BusyBox"\n',
    "etc/profile": (
        "export PAGER=less EDITOR=vi\n"
        "export PS1='\\[\\e[1;32m\\]\\u@\\h\\[\\e[0m\\]:\\[\\e[1;34m\\]\\w\\[\\e[0m\\]\\$ '\n"
        "alias ll='ls -l'\n"
    ),
    "etc/motd": "",
}


def import_image(client: APIClient, reference: str) -> dict[str, Any]:
    """Make the image on this host. Raises ActionFailed if the host has no static BusyBox."""
    path = shutil.which("busybox")
    if path is None:
        raise ActionFailed("program_missing", "busybox is not on this host; install the package busybox-static")
    return import_root(client, make_root(Path(path), list_applets(path)), reference, changes=_CHANGES)


def list_applets(path: str) -> list[str]:
    """Return the names under which BusyBox can be called."""
    return subprocess.run([path, "--list"], check=True, capture_output=True, text=True, timeout=10).stdout.split()


def make_root(busybox: Path, applets: list[str]) -> bytes:
    """Return the tar of the root file system; the same BusyBox gives the same bytes, hence the same layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in _FOLDERS.items():
            archive.addfile(_entry(name, tarfile.DIRTYPE, mode))
        _add_file(archive, "bin/busybox", busybox.read_bytes(), 0o755)
        for applet in sorted(set(applets) - {"busybox"}):
            link = _entry(f"bin/{applet}", tarfile.SYMTYPE, 0o777)
            link.linkname = "/bin/busybox"
            archive.addfile(link)
        for name, text in _FILES.items():
            _add_file(archive, name, text.encode(), 0o644)
    return buffer.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.mode = mode
    return entry


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = _entry(name, tarfile.REGTYPE, mode)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
