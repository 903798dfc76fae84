"""Launch specifications of small BusyBox containers, for the tests of this folder."""

import os
import shutil
import subprocess
from pathlib import Path

from engine.core.launch import CgroupSpec, ExecSpec, FileWrite, LaunchSpec, LogSpec, ProcessSpec

CGROUP_PATH = Path("/sys/fs/cgroup")
FIRST_ID = 0x70000000
PATH = "PATH=/bin"


def make_rootfs(path: Path) -> Path:
    """A layer with BusyBox and its applets."""
    for name in ("bin", "etc", "tmp", "root", "proc", "sys", "dev"):
        (path / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", path / "bin/busybox")
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\n")
    return path


def cgroup_spec(name: str, *, memory_bytes: int | None = None) -> CgroupSpec:
    """Memory, pids and the v2 tree of this host, whichever of them it has."""
    if (CGROUP_PATH / "cgroup.controllers").exists():
        directory = str(CGROUP_PATH / name)
        writes: list[FileWrite] = [{"path": f"{directory}/memory.max", "value": str(memory_bytes), "optional": True}]
        return {"version": 2, "directories": [directory], "writes": writes if memory_bytes else [], "join": [directory]}
    roots = [CGROUP_PATH / kind for kind in ("memory", "pids", "unified") if (CGROUP_PATH / kind).is_dir()]
    directories = [str(root / name) for root in roots]
    limit: FileWrite = {"path": f"{directories[0]}/memory.limit_in_bytes", "value": str(memory_bytes), "optional": True}
    return {"version": 1, "directories": directories, "writes": [limit] if memory_bytes else [], "join": directories}


def log_spec(path: Path, *, segment_bytes: int = 16 * 1024 * 1024, keep_segments: int = 0) -> LogSpec:
    return {"directory": str(path), "segment_bytes": segment_bytes, "keep_segments": keep_segments}


def process_spec(*args: str, tty: bool = False, stdin: bool = False) -> ProcessSpec:
    return {
        "args": list(args),
        "env": [PATH],
        "cwd": "/",
        "user": "",
        "groups": [],
        "tty": tty,
        "stdin": stdin or tty,
        "rows": 24 if tty else 0,
        "columns": 80 if tty else 0,
        "capabilities": ["CAP_CHOWN", "CAP_KILL"],
        "no_new_privileges": True,
        "seccomp": "",
        "rlimits": [],
        "oom_score_adj": 0,
    }


def container_spec(
    base: Path, container_id: str, *args: str, tty: bool = False, stdin: bool = False, memory_bytes: int | None = None
) -> LaunchSpec:
    """``base`` holds ``rootfs``; the container's own directories are made beside it."""
    home = base / container_id
    for name in ("upper", "work"):
        (home / name).mkdir(parents=True, exist_ok=True)
    return {
        "container_id": container_id,
        "hostname": container_id[:12],
        "domainname": "",
        "ids": [{"container": 0, "host": FIRST_ID, "length": 65536}],
        "rootfs": {"lower": [str(base / "rootfs")], "upper": str(home / "upper"), "work": str(home / "work"), "readonly": False},
        "binds": [],
        "tmpfs": [],
        "shm_bytes": 1024 * 1024,
        "masked_paths": [],
        "readonly_paths": [],
        "sysctls": {},
        "cgroup": cgroup_spec(f"atelier-test-{os.getpid()}-{container_id}", memory_bytes=memory_bytes),
        "process": process_spec(*args, tty=tty, stdin=stdin),
        "init": False,
        "log": log_spec(home / "log"),
    }


def exec_spec(
    base: Path, container_id: str, exec_id: str, *args: str, tty: bool = False, stdin: bool = False, flow_bytes: int = 0
) -> ExecSpec:
    return {
        "exec_id": exec_id,
        "container_id": container_id,
        "process": process_spec(*args, tty=tty, stdin=stdin),
        "cgroup_join": cgroup_spec(f"atelier-test-{os.getpid()}-{container_id}")["join"],
        "log": log_spec(base / container_id / exec_id, segment_bytes=1024 * 1024, keep_segments=2),
        "flow_bytes": flow_bytes,
    }
