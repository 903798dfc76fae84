"""Names the machine and the versions that the figures belong to."""

import os
import platform
import subprocess
from pathlib import Path


def describe_machine() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_system()}, Linux {platform.release()}, {os.cpu_count()} x {_processor()}, {memory_gib:.0f} GiB,"
        f" Python {platform.python_version()}; {_version('dockerd')}; {_version('runc')}"
    )


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(program: str) -> str:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError):
        return f"no {program}"
    return answer if program in answer else f"{program}: {answer}"
