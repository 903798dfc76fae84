"""A client of the engine's socket that acts as one tenant."""

from collections.abc import Iterator
from contextlib import contextmanager

from docker import APIClient

API_VERSION = "1.47"
LAB_LABEL = "atelier.lab"
JOB_LABEL = "atelier.job"
_TIMEOUT_SECONDS = 60


@contextmanager
def open_client(engine: str, tenant: str = "") -> Iterator[APIClient]:
    """Yield a client of the engine at ``engine``; the empty tenant is the administrators', which sees all."""
    client = APIClient(base_url=engine, version=API_VERSION, timeout=_TIMEOUT_SECONDS)
    if tenant:  # the administrators' own tenant has no name, and an empty header is refused
        client.headers["Atelier-Tenant"] = tenant
    try:
        yield client
    finally:
        client.close()
