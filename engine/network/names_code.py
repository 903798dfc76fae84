"""Which code a resolver runs: a fingerprint of the files that it is made of, and of the interpreter."""

import sys
from importlib.util import source_hash
from pathlib import Path

_ENGINE = Path(__file__).resolve().parent.parent
_FILES = (
    "core/resolv.py",
    "linux/capabilities.py",
    "linux/libc.py",
    "linux/namespaces.py",
    "linux/nft_batch.py",
    "linux/oom.py",
    "linux/packets.py",
    "linux/rlimit.py",
    "linux/route_socket.py",
)


def names_code() -> str:
    """Some hexadecimal digits. Files that are the daemon's alone count too: a new resolver for nothing does no harm."""
    text = bytearray(f"{sys.executable} {sys.version}".encode())
    own = (f"network/{path.name}" for path in _ENGINE.joinpath("network").glob("names_*.py"))
    for path in sorted((*own, *_FILES)):
        text += path.encode() + (_ENGINE / path).read_bytes()
    return source_hash(bytes(text)).hex()
