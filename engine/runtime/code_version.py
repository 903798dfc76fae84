"""Which code a supervisor runs: a fingerprint of the files that it is made of, and of the interpreter.

Compared by the daemon, which asks a supervisor of other code to put itself on the present one. Part of the supervisor: standard
library and no typing at run time.
"""

from __future__ import annotations

import os
import sys
from importlib.util import source_hash

_ENGINE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("runtime", "linux")
FILES = ("core/launch.py",)  # all of the other rooms that the supervisor imports


def code_version() -> str:
    """Some hexadecimal digits. Files that are the daemon's alone count too: an upgrade for nothing does no harm."""
    text = bytearray(f"{sys.executable} {sys.version}".encode())
    for path in sorted(_sources()):
        with open(f"{_ENGINE}/{path}", "rb") as file:
            text += path.encode() + file.read()
    return source_hash(bytes(text)).hex()


def _sources() -> list[str]:
    inside = [f"{folder}/{name}" for folder in FOLDERS for name in os.listdir(f"{_ENGINE}/{folder}") if name.endswith(".py")]
    return [*inside, *FILES]
