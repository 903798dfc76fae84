"""How many entries the lists of a container to be made may have.

Nothing real has more. Each is looked at several times, at the create and at every start, and nobody else is served meanwhile.
"""

from engine.api.decode import Document
from engine.core.ports import MOST_EXPOSED
from engine.errors import InvalidParameter

_MOST = {"Env": 10_000, "ExposedPorts": MOST_EXPOSED, "Volumes": 1000}
_MOST_OF_HOST = {
    "Annotations": 1000,
    "Binds": 1000,
    "CapAdd": 100,
    "CapDrop": 100,
    "DeviceCgroupRules": 1000,
    "Dns": 100,
    "DnsOptions": 100,
    "DnsSearch": 100,
    "ExtraHosts": 4096,
    "GroupAdd": 1000,
    "Links": 1000,
    "MaskedPaths": 1000,
    "ReadonlyPaths": 1000,
    "SecurityOpt": 100,
    "StorageOpt": 100,
    "Sysctls": 1000,
    "Tmpfs": 1000,
    "VolumesFrom": 500,
}


def check_counts(body: Document, host: Document) -> None:
    """Raise InvalidParameter for a list of the body or its ``HostConfig`` that is longer than anybody means."""
    for document, table in ((body, _MOST), (host, _MOST_OF_HOST)):
        for name, most in table.items():
            value = document.get(name)
            if isinstance(value, list | dict) and len(value) > most:
                raise InvalidParameter(f"too many entries in {document.path}{name}: {len(value)}, use at most {most}")
