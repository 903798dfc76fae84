"""Host and domain name of the calling process's UTS namespace."""

import os
import socket

from engine.linux.libc import call


def set_names(hostname: str, domainname: str) -> None:
    """sethostname(2), and setdomainname(2) where there is one. Raises OSError."""
    socket.sethostname(hostname)
    if domainname:
        name = os.fsencode(domainname)
        call("setdomainname", name, len(name), subject=domainname)
