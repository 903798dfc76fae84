"""The root filesystem of tests: BusyBox and a few folders, as a tar."""

import io
import shutil
import subprocess
import tarfile
from functools import cache

_FOLDERS = ("bin", "dev", "etc", "home/ada", "proc", "root", "sys", "tmp", "usr/bin", "var")
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n",
    "etc/group": "root:x:0:\nada:x:1000:\nstaff:x:50:ada\n",
}


@cache
def busybox_tar() -> bytes:
    """Return the tar; /bin/busybox with a link for each of its programs."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "install busybox-static"
    programs = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for folder in _FOLDERS:
            _add(archive, folder, tarfile.DIRTYPE, mode=0o1777 if folder == "tmp" else 0o755)
        for name, text in _FILES.items():
            _add(archive, name, tarfile.REGTYPE, data=text.encode())
        with open(busybox, "rb") as file:
            _add(archive, "bin/busybox", tarfile.REGTYPE, mode=0o755, data=file.read())
        for program in programs:
            if program != "busybox":
                _add(archive, f"bin/{program}", tarfile.SYMTYPE, target="busybox")
    return output.getvalue()


def _add(archive: tarfile.TarFile, name: str, kind: bytes, *, mode: int = 0o644, data: bytes = b"", target: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.linkname = kind, mode, len(data), target
    archive.addfile(member, io.BytesIO(data))
