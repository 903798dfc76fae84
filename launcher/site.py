"""Where the site is reached: address, port, the names it answers to."""

import errno
import socket
import subprocess
from dataclasses import dataclass

from launcher.console import LauncherError
from launcher.data_folder import DataFolder

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Site:
    """What the command line decides. ``engine_options`` are handed on to the engine as they are."""

    data: DataFolder
    bind: str
    port: int
    host_name: str
    engine_options: tuple[str, ...] = ()

    @property
    def reachable_address(self) -> str:
        """An address of this machine that leads to the web server."""
        return WILDCARDS.get(self.bind, self.bind)

    @property
    def url(self) -> str:
        return f"http://{bracketed(self.reachable_address)}:{self.port}/"


def bracketed(address: str) -> str:
    """IPv6 addresses stand in brackets wherever a port may follow."""
    return f"[{address}]" if ":" in address else address


def site_names(site: Site) -> list[str]:
    """The names and addresses that a browser may use: those of the loopback, and all of the machine when bound to all."""
    names = [*LOOPBACK, site.bind] if site.bind not in WILDCARDS else [*LOOPBACK, *_names_of_machine()]
    return list(dict.fromkeys(bracketed(name) for name in names))


def _names_of_machine() -> list[str]:
    listed = subprocess.run(["hostname", "-I"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return [socket.gethostname(), socket.getfqdn(), *listed.stdout.split()]


def check_port_is_free(site: Site) -> None:
    """Raise LauncherError where the web server could not listen."""
    family = socket.AF_INET6 if ":" in site.bind else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((site.bind, site.port))
            trial.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LauncherError(f"port {site.port} on {site.bind} is in use; choose another with --port") from error
        raise LauncherError(f"cannot listen on {site.bind} port {site.port}: {error.strerror}") from error
