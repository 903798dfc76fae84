"""The root file system that all contenders get: the host's static BusyBox and nothing else."""

import shutil
import subprocess
import tarfile
from pathlib import Path

APPLETS = ("sh", "true", "sleep", "cat", "echo", "ls", "seq", "yes", "head", "tail", "mkdir", "xargs", "touch")


def make_rootfs(folder: Path) -> Path:
    """Lay the tree out in ``folder`` and return it."""
    program = shutil.which("busybox")
    if program is None:
        raise SystemExit("bench: busybox-static is not installed")
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root"):
        (folder / name).mkdir(parents=True)
    shutil.copy2(program, folder / "bin" / "busybox")
    for applet in APPLETS:
        (folder / "bin" / applet).symlink_to("busybox")
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\n")
    return folder


def pack(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    return archive


def import_image(socket: Path, archive: Path, name: str) -> None:
    subprocess.run(["docker", "-H", f"unix://{socket}", "import", str(archive), name], check=True, stdout=subprocess.DEVNULL)
