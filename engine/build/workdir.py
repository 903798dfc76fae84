"""WORKDIR: a folder that the image lacks is made, as a layer of its own."""

import posixpath
from collections.abc import Sequence
from pathlib import Path

from engine.build.target import new_upper, open_target
from engine.errors import Fault, InvalidParameter, reason_of


def workdir_layer(lowers: Sequence[Path], path: str, owner: tuple[int, int] = (0, 0), *, staging: Path) -> Path | None:
    """Return an upper in ``staging`` (an empty folder) that makes the folder; None where it is there already.

    Raises InvalidParameter where a file stands in its place, Fault.
    """
    upper = new_upper(lowers, staging)
    try:
        with open_target(lowers, upper, staging) as target:
            wanted = target.resolve(posixpath.join("/", path))
            return upper if target.make_folders(wanted, last_owner=owner) else None
    except InvalidParameter as error:
        raise InvalidParameter(f"cannot make the working directory {path[:200]!r}: {error.message}") from error
    except OSError as error:
        raise Fault(f"cannot make the working directory {path[:200]!r}: {reason_of(error)}") from error
