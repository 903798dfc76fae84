"""The host's docker command, as far as it runs in any image. Looks, and changes nothing."""

import os
import shutil
import struct
from dataclasses import dataclass

_ELF64_LITTLE = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16x2HI3QI6H")  # elf(5), Elf64_Ehdr
_INTERPRETER = 3  # PT_INTERP: which dynamic linker is to load it


@dataclass(frozen=True, slots=True)
class DockerCommand:
    """``path`` is empty where there is none to offer, for the ``reason``."""

    path: str
    reason: str


def find_docker_command() -> DockerCommand:
    """Return the command of the daemon's own search path, links resolved."""
    found = shutil.which("docker")
    if found is None:
        return DockerCommand("", "not found")
    path = os.path.realpath(found)
    if not _is_static(path):
        return DockerCommand("", f"{path} is not statically linked, so that it would not run in every image")
    return DockerCommand(path, path)


def _is_static(path: str) -> bool:
    """Whether it is a program of 64 bits that takes no dynamic linker."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size or not head.startswith(_ELF64_LITTLE):
                return False
            *_, offset, _, _, _, size, count, _, _, _ = _HEADER.unpack(head)
            file.seek(offset)
            table = file.read(size * count)
    except OSError:
        return False
    kinds = {int.from_bytes(table[start : start + 4], "little") for start in range(0, len(table), size or 1)}
    return bool(kinds) and _INTERPRETER not in kinds
