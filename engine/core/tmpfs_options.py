"""Options of a tmpfs as mount(8) and Docker write them (tmpfs(5)). Pure."""

import re

from engine.errors import InvalidParameter

_FLAGS = frozenset({"rw", "nosuid", "nodev", "exec", "noexec", "noatime", "relatime", ""})
_COUNT = re.compile(r"\d{1,19}[kKmMgG]?", re.ASCII)
_SIZE = re.compile(r"\d{1,19}[kKmMgG%]?", re.ASCII)
_MODE = re.compile(r"[0-7]{1,5}", re.ASCII)
_ID = re.compile(r"\d{1,5}", re.ASCII)
_MOST_MODE = 0o7777
_IDS = 65_536  # of a container's map
_FORMS = {"size": _SIZE, "nr_blocks": _COUNT, "nr_inodes": _COUNT, "mode": _MODE, "uid": _ID, "gid": _ID}


def check_tmpfs_options(options: str) -> str:
    """Return the options as they came. A tmpfs is always nosuid and nodev, so these change nothing. Raises InvalidParameter."""
    for option in options.split(","):
        name, equals, value = option.partition("=")
        if not equals and option in _FLAGS:
            continue
        if not equals or name not in _FORMS:
            raise InvalidParameter(f"invalid tmpfs option {option[:40]!r}: use {', '.join(_FORMS)}, exec or noexec")
        if not _is_valid(name, value):
            raise InvalidParameter(f"invalid tmpfs option {option[:40]!r}: {_hint(name)}")
    return options


def _is_valid(name: str, value: str) -> bool:
    if _FORMS[name].fullmatch(value) is None:
        return False
    if name == "mode":
        return int(value, 8) <= _MOST_MODE
    return name not in ("uid", "gid") or int(value) < _IDS


def _hint(name: str) -> str:
    match name:
        case "size":
            return "use bytes, with k, m, g, or a percentage of memory"
        case "mode":
            return "use octal permissions up to 7777"
        case "uid" | "gid":
            return f"use 0 to {_IDS - 1}"
        case _:
            return "use a number, with k, m or g"
