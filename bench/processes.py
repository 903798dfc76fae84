"""Daemons under measurement: started, waited for, weighed, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 30.0
STOP_SECONDS = 30.0


@contextmanager
def daemon(argv: Sequence[str], *, log: Path, is_ready: Callable[[], bool]) -> Iterator[int]:
    """Run ``argv`` for as long as the block lasts and give its pid."""
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait(process, is_ready, log)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", is_ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"bench: {process.args!r} does not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def engine_pids(mark: str) -> list[int]:
    """Processes whose command line names ``mark`` (the folder of a contender) and that run outside of any container."""
    here = str(Path("/proc/self/ns/pid").readlink())
    return [pid for pid in _all_pids() if pid != os.getpid() and _is_marked(pid, mark.encode(), here)]


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_marked(pid: int, mark: bytes, pid_namespace: str) -> bool:
    folder = Path("/proc", str(pid))
    try:
        return mark in (folder / "cmdline").read_bytes() and str((folder / "ns" / "pid").readlink()) == pid_namespace
    except OSError:
        return False


def proportional_bytes(pids: Sequence[int]) -> int:
    """Sum of PSS: shared pages count in parts, so that the sum over processes is what the machine spends."""
    return sum(_pss(pid) for pid in pids)


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
