"""Who ``--chown`` and USER mean in an image: names looked up in its own /etc/passwd and /etc/group.

The files are opened beneath the image's top, read to a bound, and nothing but regular files is read.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import Fault, InvalidParameter, reason_of
from engine.storage.detached import open_inside, readable_layers

_MOST_BYTES = 1 << 20
_LARGEST_ID = 2**31 - 1
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_WHY = "unable to convert uid/gid chown string to host mapping"


def find_owner(lowers: Sequence[Path], text: str) -> tuple[int, int]:
    """Return the ids of ``user`` or ``user:group``, names or numbers; without a group it is called as the user.

    ``lowers``: the image's layers, base first. Raises InvalidParameter with dockerd's words, Fault.
    """
    user, colon, group = text.partition(":")
    if ":" in group or not user or (colon and not group):
        raise InvalidParameter(f"{_WHY}: invalid chown string format: {text[:200]}")
    names = (user, group if colon else user)
    if all(name.isdecimal() for name in names):
        return _number(user), _number(names[1])
    if not lowers:
        return _find("", user, "uid", "user"), _find("", names[1], "gid", "group")
    try:
        with readable_layers(lowers) as root:
            passwd, groups = _read(root, "etc/passwd"), _read(root, "etc/group")
    except OSError as error:
        raise Fault(f"cannot look for an owner in the image: {reason_of(error)}") from error
    return _find(passwd, user, "uid", "user"), _find(groups, names[1], "gid", "group")


def _find(text: str, name: str, id_kind: str, kind: str) -> int:
    """Both files have the name first and the id third."""
    if name.isdecimal():
        return _number(name)
    for fields in _entries(text):
        if fields[0] == name:
            return _number(fields[2])
    shown = name[:200]
    raise InvalidParameter(f"{_WHY}: can't find {id_kind} for {kind} {shown}: no such {kind}: {shown}")


def _entries(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) > 2 and fields[2].isdecimal():
            yield fields


def _number(text: str) -> int:
    number = int(text) if len(text) <= len(str(_LARGEST_ID)) else _LARGEST_ID + 1
    if number > _LARGEST_ID:
        raise InvalidParameter(f"{_WHY}: ids must be in range 0-{_LARGEST_ID}, got {text[:20]}")
    return number


def _read(root: int, path: str) -> str:
    """Return the beginning of a file in the image; nothing where it is missing, no regular file, or leads astray."""
    try:
        descriptor = open_inside(root, path, os.O_PATH)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        reader = open_inside(root, path, _FILE)
    finally:
        os.close(descriptor)
    try:
        return os.pread(reader, _MOST_BYTES, 0).decode(errors="replace")
    finally:
        os.close(reader)
