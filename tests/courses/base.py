"""The base of the exercises: a Debian with all that they need, made by mmdebstrap once for a run, beside other tests.

Owns the making. What is built on it, is the exercises'.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

_SUITE = "bookworm"
_PACKAGES = (
    "mariadb-server",
    "nginx-light",
    "node-express",
    "node-redis",
    "nodejs",
    "php-cli",
    "php-mysql",
    "python3-flask",
    "redis-server",
    "redis-tools",
)
# As small as it works, since every byte is packed, imported and stored.
_LEAN = (
    "--variant=essential",
    "--aptopt=Acquire::Languages none",
    "--aptopt=APT::Install-Recommends false",
    # Whatever ends before its tar is whole, is made anew: no need to wait for the disk.
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")),
)
PATIENCE_SECONDS = 500.0


class Base:
    """One tar of a root file system in the making."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="courses-"))
        self._archive, self._log = self._folder / "base.tar", self._folder / "log"
        command = ["mmdebstrap", *_LEAN, f"--include={','.join(_PACKAGES)}", _SUITE, str(self._archive)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @staticmethod
    def can_be_made() -> bool:
        return shutil.which("mmdebstrap") is not None

    def finished(self) -> Path:
        """Wait for the tar."""
        code = self._process.wait(PATIENCE_SECONDS)
        assert code == 0, self._log.read_text(errors="replace")[-3000:]
        return self._archive

    def end(self) -> Self:
        """End the making, which takes its mounts along, and delete what was made."""
        self._process.terminate()
        self._process.wait()
        subprocess.run(["rm", "-rf", "--one-file-system", self._folder], check=False)
        return self
