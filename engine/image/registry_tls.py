"""Certificates: whom a connection to a registry trusts.

The system's authorities; beside them what lies in a folder for this host, in the form that dockerd knows (certs.d).
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path

_HOST = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.:\[\]-]{0,254}")


class Certificates:
    """Contexts are made once: reading all authorities takes some 20 ms."""

    def __init__(self, folder: Path, is_insecure: Callable[[str, int], bool]) -> None:
        self._folder = folder
        self.is_insecure = is_insecure

    async def context(self, host: str, port: int) -> ssl.SSLContext:
        """Return how to speak https to a host. Raises OSError where a file of its folder is broken."""
        return await asyncio.to_thread(self._context, host, port)

    def _context(self, host: str, port: int) -> ssl.SSLContext:
        if self.is_insecure(host, port):
            return _unverified()
        folder = self._folder_of(host, port)
        return _plain() if folder is None else _with_folder(folder)

    def _folder_of(self, host: str, port: int) -> Path | None:
        names = [f"{host}:{port}", *([host] if port == 443 else [])]
        return next((self._folder / name for name in names if _HOST.fullmatch(name) and (self._folder / name).is_dir()), None)


@cache
def _plain() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _with_folder(folder: Path) -> ssl.SSLContext:
    """Authorities end in .crt; a pair of .cert and .key is how the engine shows who it is."""
    context = ssl.create_default_context()
    for path in sorted(folder.glob("*.crt")):
        context.load_verify_locations(path)
    for path in sorted(folder.glob("*.cert")):
        context.load_cert_chain(path, path.with_suffix(".key"))
    return context
