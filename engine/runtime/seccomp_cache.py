"""Compiled system call filters as files, each made once and named by what it was made from. Daemon only."""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from engine.runtime.seccomp_compiler import compile_profile
from engine.runtime.seccomp_document import parse_document
from engine.runtime.seccomp_profile import default_profile

_MOST_KNOWN = 100  # profiles of users may be large
_MOST_FILES = 500
_FORMAT = 3  # raise it when the same profile compiles to something else


class SeccompCache:
    """Compiled filters in a folder, by a hash of what they were made from."""

    def __init__(self, folder: Path, *, most: int = _MOST_FILES) -> None:
        self._folder = folder
        self._most = most
        self._known: dict[tuple[frozenset[str], str | None], Path] = {}

    def path(self, capabilities: Collection[str], *, document: str | None = None) -> str:
        """The file with the filter for these capabilities; ``document`` is a profile in Docker's JSON instead of the default.

        Raises InvalidParameter for a bad document, Unavailable when the host has no libseccomp.
        """
        wanted = (frozenset(capabilities), document)
        known = self._known.get(wanted)
        if known is None or not known.exists():
            known = self._compiled(capabilities, document)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[wanted] = known
        return str(known)

    def _compiled(self, capabilities: Collection[str], document: str | None) -> Path:
        profile = default_profile(capabilities) if document is None else parse_document(document, capabilities)
        key = json.dumps([_FORMAT, platform.machine(), asdict(profile)], sort_keys=True)
        target = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.bpf"
        if not target.exists():
            self._publish(target, compile_profile(profile))
            self._drop_oldest()
        return target

    def _drop_oldest(self) -> None:
        """Tenants may come with ever new profiles; what goes is compiled again when it is asked for."""
        files = sorted(self._folder.glob("*.bpf"), key=lambda path: path.stat().st_mtime_ns)
        for path in files[: -self._most]:
            path.unlink(missing_ok=True)

    def _publish(self, target: Path, program: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(program)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).rename(target)
