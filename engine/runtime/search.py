"""Finding the program of a command, with the words Docker uses when it cannot be found."""

import os
import stat

from engine.runtime.steps import LaunchError

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_program(name: str, search_path: str | None) -> str:
    """The path to execute: ``name`` itself when it holds a slash, else the first executable of PATH. Raises LaunchError."""
    if "/" in name:
        _check(name)
        return name
    for directory in (DEFAULT_PATH if search_path is None else search_path).split(":"):
        candidate = os.path.join(directory or ".", name)
        if name and _is_executable(candidate):
            return candidate
    raise LaunchError(f'exec: "{name}": executable file not found in $PATH', step="exec", exit_code=127)


def _check(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        raise LaunchError(f'exec: "{path}": permission denied', step="exec", exit_code=126) from None
    except OSError as error:
        reason = (error.strerror or "cannot be looked at").lower()
        raise LaunchError(f'exec: "{path}": stat {path}: {reason}', step="exec", exit_code=127) from None
    if stat.S_ISDIR(mode):
        raise LaunchError(f'exec: "{path}": is a directory', step="exec", exit_code=126)
    if not os.access(path, os.X_OK, effective_ids=True):
        hint = ": it is not executable here, as chmod +x would make it"
        raise LaunchError(f'exec: "{path}": permission denied{hint}', step="exec", exit_code=126)


def _is_executable(path: str) -> bool:
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
    return regular and os.access(path, os.X_OK, effective_ids=True)
