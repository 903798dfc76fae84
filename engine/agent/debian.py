"""The image of the "Debian 12" template: mmdebstrap makes the root file system, its tar goes straight into the engine."""

import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

from docker import APIClient

from engine.agent.failures import ActionFailed
from engine.agent.images import import_root, remove_image

_SUITE = "bookworm"
_PACKAGES = ("ca-certificates", "curl", "iproute2", "iputils-ping", "less", "nano", "procps")
_CHANGES = ['CMD ["/bin/bash", "-l"]', "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "WORKDIR /root"]
_PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian policy 5.6.1
_CHUNK_BYTES = 256 * 1024

# What mmdebstrap says when it comes to a part of its work, and how much of the time is behind it then.
_STAGES = (
    (re.compile(r"running apt-get update"), 5),
    (re.compile(r"downloading packages"), 15),
    (re.compile(r"extracting archives"), 35),
    (re.compile(r"installing essential"), 45),
    (re.compile(r"(installing|downloading).*remaining|installing packages"), 60),
    (re.compile(r"cleaning"), 85),
    (re.compile(r"creating tarball"), 90),
    (re.compile(r"success"), 99),
)

Progress = Callable[[str, int | None], None]


def bootstrap(client: APIClient, parameters: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Make the image ``reference`` with ``packages`` beside the usual ones on this host.

    Raises ActionFailed without mmdebstrap, for a package whose name is none, or with what mmdebstrap complained of.
    """
    reference = str(parameters["reference"])
    program = shutil.which("mmdebstrap")
    if program is None:
        raise ActionFailed("program_missing", "mmdebstrap is not on this host; install the package mmdebstrap")
    packages = list_packages(parameters.get("packages") or [])
    command = [program, "--variant=minbase", f"--include={','.join(packages)}", "--format=tar", _SUITE, "-"]
    try:
        return import_root(client, read_tar(command, progress), reference, changes=_CHANGES)
    except ActionFailed:
        remove_image(client, reference)
        raise


def list_packages(wanted: Iterable[object]) -> list[str]:
    """Return the usual packages and the wanted ones. Raises ActionFailed for what apt would take for something else."""
    names = [str(name) for name in wanted]
    for name in names:
        if _PACKAGE_NAME.fullmatch(name) is None:
            raise ActionFailed("refused", f"{name!r} is no name of a Debian package")
    return sorted({*_PACKAGES, *names})


def read_tar(command: list[str], progress: Progress) -> Iterator[bytes]:
    """Run ``command`` and yield its output. A failure raises before the end, so that half a tar is never a whole body."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if process.stdout is None or process.stderr is None:
        raise AssertionError("both were asked for")
    complaints: deque[str] = deque(maxlen=5)
    listener = threading.Thread(target=_listen, args=(process.stderr, progress, complaints), daemon=True)
    listener.start()
    try:
        while chunk := process.stdout.read(_CHUNK_BYTES):
            yield chunk
        if process.wait():
            listener.join()
            raise ActionFailed("bootstrap_failed", "; ".join(complaints) or f"mmdebstrap ended with {process.returncode}")
    finally:
        _end(process, listener)


def _end(process: subprocess.Popen[bytes], listener: threading.Thread) -> None:
    """Take the program down if the import was given up, and let go of its pipes."""
    if process.poll() is None:
        process.terminate()
        process.wait()
    listener.join()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _listen(stderr: IO[bytes], progress: Progress, complaints: deque[str]) -> None:
    for raw in stderr:
        line = raw.decode(errors="replace").strip()
        if line.startswith(("E:", "W:", "error")):
            complaints.append(line)
        if line.startswith("I:"):
            progress(line.removeprefix("I:").strip(), stage_percent(line))


def stage_percent(line: str) -> int | None:
    """Return how far the work is when mmdebstrap says ``line``; None if it does not tell."""
    return next((percent for pattern, percent in _STAGES if pattern.search(line)), None)
