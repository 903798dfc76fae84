"""Which Python the virtual environment is made from."""

import subprocess
import sys
from functools import cache
from pathlib import Path

LOWEST = (3, 11)
# The system's own comes first: one that lives in somebody's home folder is closed to the system user of the portal.
SYSTEM_PYTHON = Path("/usr/bin/python3")


def _answers(python: Path, code: str) -> bool:
    done = subprocess.run([python, "-I", "-c", code], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


@cache
def best_interpreter() -> Path:
    """Return the system's Python where it is new enough, else the one that runs this."""
    new_enough = f"import sys; sys.exit(sys.version_info < {LOWEST})"
    if SYSTEM_PYTHON.exists() and _answers(SYSTEM_PYTHON, new_enough):
        return SYSTEM_PYTHON
    return Path(sys.executable)


@cache
def can_make_environments() -> bool:
    """Debian splits these modules off into a package of their own."""
    return _answers(best_interpreter(), "import venv, ensurepip")
