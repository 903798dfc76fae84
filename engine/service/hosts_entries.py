"""Lines of a running container's ``/etc/hosts``, which it has mounted and may have changed: written in place, never replaced."""

import os
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path

from engine.storage.rootfs import network_files_of

_FILE = "hosts"
_MOST_BYTES = 2**20  # what somebody has made larger is left alone


def add_hosts_entry(path: Path, line: str) -> None:
    """Add a line for an address that a container has got; ``path`` is its folder.

    A file that cannot be written stays as it is.
    """
    with suppress(OSError, UnicodeDecodeError):
        text = _read(path)
        if text is not None:
            gap = "" if text.endswith("\n") or not text else "\n"
            _write(path, f"{text}{gap}{line}\n")


def remove_hosts_entry(path: Path, address: str) -> None:
    """Take out the lines of an address that a container has lost."""
    with suppress(OSError, UnicodeDecodeError):
        text = _read(path)
        if text is not None:
            _write(path, "".join(line for line in text.splitlines(keepends=True) if line.split()[:1] != [address]))


def _read(path: Path) -> str | None:
    file = network_files_of(path) / _FILE
    return None if file.stat().st_size > _MOST_BYTES else file.read_text()


def _write(path: Path, text: str) -> None:
    descriptor = os.open(network_files_of(path) / _FILE, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def renew_hosts_entry(path: Path, name: str, line: str) -> None:
    """Put a line in place of those in which ``name`` comes first, or at the end where there is none."""
    with suppress(OSError, UnicodeDecodeError):
        text = _read(path)
        if text is not None:
            lines = text.splitlines(keepends=True)
            others = [one for one in lines if one.split()[1:2] != [name]]
            if len(others) != len(lines):
                _write(path, "".join(others) + f"{line}\n")


def settle_hosts_entries(path: Path, hostname: str, addresses: Sequence[str], subnets: Sequence[IPv4Network]) -> None:
    """Have a container's own name stand at each of its addresses, and at no other that lies in ``subnets``.

    Lines that it has written itself stay; a file that is right is not written.
    """
    with suppress(OSError, UnicodeDecodeError):
        text = _read(path)
        if text is None:
            return
        lines = text.splitlines(keepends=True)
        kept = [line for line in lines if not _is_lost(line, hostname, addresses, subnets)]
        missing = [one for one in addresses if not any(line.split()[:1] == [one] for line in kept)]
        if missing or len(kept) != len(lines):
            gap = "" if not kept or kept[-1].endswith("\n") else "\n"
            _write(path, "".join(kept) + gap + "".join(f"{one}\t{hostname}\n" for one in missing))


def _is_lost(line: str, hostname: str, addresses: Sequence[str], subnets: Sequence[IPv4Network]) -> bool:
    words = line.split()
    if words[1:2] != [hostname] or words[0] in addresses:
        return False
    try:
        return any(IPv4Address(words[0]) in subnet for subnet in subnets)
    except AddressValueError:
        return False
