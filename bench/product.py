"""The whole product, started as a person would, on a data folder and a port of its own."""

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = Path(__file__).resolve().parents[1] / "atelier"


@dataclass(frozen=True, slots=True)
class Product:
    url: str
    passwords: dict[str, str]


@contextmanager
def running_product() -> Iterator[Product]:
    """`./atelier up --demo` for as long as the block lasts, then `down`; nothing stays."""
    folder = Path(tempfile.mkdtemp(prefix="atb-"))
    command = [sys.executable, str(COMMAND), "up", "--demo", "--data", str(folder / "d"), "--port", str(free_port())]
    try:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield read_announcement(process)
            finally:
                process.terminate()
                process.communicate(timeout=60)
                down = [sys.executable, str(COMMAND), "down", "--data", str(folder / "d")]
                subprocess.run(down, check=True, stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def read_announcement(process: "subprocess.Popen[str]") -> Product:
    """Read what `up` prints until the address and the passwords of the class are known."""
    assert process.stdout is not None
    url, passwords = "", {}
    said = []
    for line in process.stdout:
        said.append(line)
        words = line.split()
        if line.startswith("Atelier is ready:"):
            url = words[-1]
        elif url and line.startswith("  ") and len(words) == 2:
            passwords[words[0]] = words[1]
        if "edsger" in passwords:
            return Product(url, passwords)
    raise SystemExit(f"bench: the product does not start:\n{''.join(said)}")
