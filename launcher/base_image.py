"""The image that the Dockerfile begins with, made from Debian's packages where no registry can be reached.

Owns its making by mmdebstrap, whose tar goes straight into the engine. What is built on it, is the Dockerfile's.
"""

import json
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from launcher.console import LauncherError, say
from launcher.data_folder import DataFolder
from launcher.programs import run_program
from launcher.unix_http import request, send_stream

NAME = "atelier/base:bookworm"
_SUITE = "bookworm"
_CHANGES = ("ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 'CMD ["bash"]')
_LEAN = (
    "--variant=apt",
    "--aptopt=Acquire::Languages none",
    "--aptopt=APT::Install-Recommends false",
    # Whatever ends before its tar is whole, is made anew: no need to wait for the disk.
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")),
)
_PATIENCE_SECONDS = 600.0


def ensure_base_image(data: DataFolder) -> None:
    """Make it unless the engine has it. Raises LauncherError where the engine does not answer, or with mmdebstrap's complaint."""
    try:
        images = request(data.engine_socket, "GET", "/images/json", timeout_seconds=_PATIENCE_SECONDS)
        if any(NAME in (image["RepoTags"] or []) for image in images):
            return
        say(f"making {NAME} from Debian's packages")
        with tempfile.TemporaryDirectory(dir=data.tmp) as folder:
            archive = Path(folder) / "base.tar"
            bootstrap(archive, temporary=data.tmp)
            load(archive, data.engine_socket)
    except OSError as error:
        reason = error.strerror or str(error)
        raise LauncherError(
            f"no engine answers at {data.engine_socket} ({reason}); start it: sudo ./atelier up --engine-only"
        ) from error


def bootstrap(archive: Path, *, temporary: Path) -> None:
    """Write the tar, in a mount namespace of its own: else it would, if killed, leave the host's folders mounted."""
    command = ["unshare", "--mount", "mmdebstrap", "--quiet", *_LEAN, _SUITE, str(archive)]
    run_program(command, purpose=f"making {NAME}", environment={"TMPDIR": str(temporary)})


def load(archive: Path, socket_path: Path) -> None:
    """Import the tar under its name. Raises LauncherError with what the engine says against it."""
    repository, _, tag = NAME.partition(":")
    query = urlencode({"fromSrc": "-", "repo": repository, "tag": tag, "changes": _CHANGES}, doseq=True)
    with archive.open("rb") as stream:
        said = send_stream(socket_path, f"/images/create?{query}", stream, timeout_seconds=_PATIENCE_SECONDS)
    if errors := [line["error"] for line in map(json.loads, said.splitlines()) if "error" in line]:
        raise LauncherError(f"engine: {errors[0]}")
