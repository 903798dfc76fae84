"""Registries as data: who signs in where, which host a name means, and which registries the settings treat differently.

Pure. Texts of credentials never appear in what this file prints or raises.
"""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from engine.errors import InvalidParameter

DOCKER_HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"
_HUB_NAMES = frozenset((DOCKER_HUB, "index.docker.io", _HUB_HOST, "registry.hub.docker.com"))
_MOST_HEADER_CHARACTERS = 64 * 2**10
_MOST_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Credentials:
    """How someone signs in. ``identity_token`` stands in place of a password, ``registry_token`` is a bearer token as it is."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server_address: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.username or self.password or self.identity_token or self.registry_token)


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """What an administrator has set. ``mirrors``: base URLs by domain; ``insecure``: ``host[:port]`` or a range of addresses."""

    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    insecure: tuple[str, ...] = ()

    def is_insecure(self, host: str, port: int) -> bool:
        """Whether this registry may be spoken to without https, or with a certificate that nobody vouches for."""
        named = {host.lower(), f"{host.lower()}:{port}"}
        return any(entry.lower() in named or _is_within(host, entry) for entry in self.insecure)


def _is_within(host: str, entry: str) -> bool:
    try:
        return ip_address(host.strip("[]")) in ip_network(entry)
    except (ValueError, TypeError):
        return False


def normalise_domain(domain: str) -> str:
    """Return the one name of a registry: short names and all names of Docker Hub are ``docker.io``."""
    lower = domain.lower()
    return DOCKER_HUB if not lower or lower in _HUB_NAMES else lower


def host_of(domain: str) -> str:
    """Return ``host[:port]`` of a normalised domain."""
    return _HUB_HOST if domain == DOCKER_HUB else domain


def path_on(domain: str, path: str) -> str:
    """Return the repository's path as its registry knows it: Docker Hub's own images lie in ``library``."""
    return f"library/{path}" if domain == DOCKER_HUB and "/" not in path else path


def domain_of_server(server_address: str) -> str:
    """Return the normalised domain of the address that someone signs in at: a host, or a URL of it."""
    rest = server_address.strip().partition("://")[2] or server_address.strip()
    return normalise_domain(rest.partition("/")[0])


def split_term(term: str) -> tuple[str, str]:
    """Return the normalised domain of the registry that a search is for, and what to look for there."""
    first, slash, rest = term.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return (normalise_domain(first), rest) if is_host else (DOCKER_HUB, term)


def parse_auth_header(text: str) -> Credentials | None:
    """Read ``X-Registry-Auth``: JSON in either alphabet of base64, padded or not; None where it says nothing.

    Raises InvalidParameter for anything else.
    """
    document = _decoded(text, "X-Registry-Auth")
    credentials = _credentials(document, "X-Registry-Auth")
    return None if credentials.is_empty else credentials


def parse_config_header(text: str) -> dict[str, Credentials]:
    """Read ``X-Registry-Config`` of a build: credentials by normalised domain. Raises InvalidParameter."""
    found = {}
    for server, entry in _decoded(text, "X-Registry-Config").items():
        if not isinstance(entry, dict):
            raise InvalidParameter("invalid X-Registry-Config: each registry is to have an object")
        credentials = _credentials(entry, "X-Registry-Config")
        if not credentials.is_empty:
            found[domain_of_server(server)] = credentials
    return found


def _decoded(text: str, header: str) -> dict[str, Any]:
    """Old clients send ``null`` or nothing where they have no credentials."""
    if len(text) > _MOST_HEADER_CHARACTERS:
        raise InvalidParameter(f"invalid {header}: it is longer than {_MOST_HEADER_CHARACTERS} characters")
    plain = text.strip().rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        document = json.loads(b64decode(plain + "=" * (-len(plain) % 4), validate=True) or b"null")
    except (ValueError, NotBase64, RecursionError):
        raise InvalidParameter(f"invalid {header}: it is to be JSON in base64") from None
    if document is None:
        return {}
    if not isinstance(document, dict) or len(document) > _MOST_ENTRIES:
        raise InvalidParameter(f"invalid {header}: it is to be a JSON object of at most {_MOST_ENTRIES} entries")
    return document


def _credentials(document: Mapping[str, Any], header: str) -> Credentials:
    values = {name.lower(): value for name, value in document.items()}

    def text(name: str) -> str:
        value = values.get(name)
        if value is not None and (not isinstance(value, str) or any(mark in value for mark in "\r\n\0")):
            raise InvalidParameter(f"invalid {header}: {name} is to be a text of one line")
        return value or ""

    username, password = text("username"), text("password")
    if text("auth") and not username:
        username, password = _split_pair(text("auth"), header)
    return Credentials(username, password, text("identitytoken"), text("registrytoken"), text("serveraddress"))


def _split_pair(text: str, header: str) -> tuple[str, str]:
    """``auth`` is ``name:password`` in base64, as in the client's own file."""
    try:
        username, colon, password = b64decode(text).decode().partition(":")
    except ValueError:
        raise InvalidParameter(f"invalid {header}: auth is to be name:password in base64") from None
    if not colon:
        raise InvalidParameter(f"invalid {header}: auth is to be name:password in base64")
    return username, password.rstrip("\0")
