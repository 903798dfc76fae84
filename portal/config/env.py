"""Reads the portal's environment, once, into types. Nothing else in the portal may read it.

ATELIER_DATA           folder of the database and of the secret key (default: ``var`` in the project)
ATELIER_DATABASE_URL   ``sqlite:///PATH`` or ``postgresql://USER:PASSWORD@HOST:PORT/NAME`` (default: SQLite in ATELIER_DATA)
ATELIER_DATABASE_PASSWORD_FILE  file with the database's password, which then need not stand in the address
ATELIER_SECRET_KEY_FILE         file with the key that signs sessions (default: ``secret.key`` in ATELIER_DATA)
ATELIER_REDIS_URL      ``unix:///PATH`` or ``redis://HOST:PORT`` (default: ``unix://`` + ATELIER_DATA + ``/redis.sock``)
ATELIER_ENGINE_SOCKET  path of the engine's admin socket (default: ATELIER_DATA + ``/engine.sock``)
ATELIER_HOST_NAME      name of this machine among the hosts (default: ``local``)
ATELIER_ALLOWED_HOSTS  names under which the site is reached, by commas (default: those of the loopback)
ATELIER_ORIGINS        full origins behind a proxy, by commas, such as ``https://labs.example.org``
ATELIER_TIME_ZONE      in which days and weeks begin, such as ``Europe/Paris`` (default: ``UTC``)
ATELIER_EMAIL_HOST     mail server for notices (default: none, no e-mail is sent)
ATELIER_EMAIL_PORT     its port (default: 25); 465 speaks TLS from the start, 587 asks for it
ATELIER_EMAIL_USER     name at the mail server (default: none)
ATELIER_EMAIL_PASSWORD_FILE     file with the password at the mail server
ATELIER_EMAIL_FROM     sender's address (default: ``atelier@localhost``)
ATELIER_TRUSTED_PROXIES         addresses or networks, by commas, whose ``X-Forwarded-For`` is believed (default: none)
ATELIER_DEBUG          ``1`` for development
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import available_timezones

from django.core.exceptions import ImproperlyConfigured

_SMTPS_PORT = 465
_SUBMISSION_PORT = 587
_LOOPBACK = "localhost,127.0.0.1,[::1]"
_POSTGRESQL_SCHEMES = ("postgresql", "postgres")
_DEFAULT_DATA = Path(__file__).resolve().parents[2] / "var"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """How e-mail leaves; without a ``host`` none does."""

    host: str
    port: int
    user: str
    password: str
    sender: str

    @property
    def speaks_tls(self) -> bool:
        return self.port == _SMTPS_PORT

    @property
    def asks_for_tls(self) -> bool:
        return self.port == _SUBMISSION_PORT


@dataclass(frozen=True, slots=True)
class Environment:
    data_path: Path
    database: dict[str, Any]
    redis_url: str
    engine_socket: str
    host_name: str
    allowed_hosts: list[str]
    origins: list[str]
    debug: bool
    mail: Mail
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    secret_key_path: Path | None = None
    time_zone: str = "UTC"


def read_environment(environ: Mapping[str, str] = os.environ) -> Environment:
    """Parse the variables above; raises ImproperlyConfigured naming the bad one."""
    data_path = Path(environ.get("ATELIER_DATA") or _DEFAULT_DATA).absolute()
    default_database = f"sqlite://{data_path}/portal.sqlite3"
    return Environment(
        data_path=data_path,
        database=_with_password(
            parse_database_url(environ.get("ATELIER_DATABASE_URL") or default_database),
            _secret_path(environ, "ATELIER_DATABASE_PASSWORD_FILE"),
        ),
        redis_url=parse_redis_url(environ.get("ATELIER_REDIS_URL") or f"unix://{data_path}/redis.sock"),
        engine_socket=environ.get("ATELIER_ENGINE_SOCKET") or str(data_path / "engine.sock"),
        host_name=environ.get("ATELIER_HOST_NAME") or "local",
        allowed_hosts=_parse_list(environ.get("ATELIER_ALLOWED_HOSTS") or _LOOPBACK),
        origins=_parse_list(environ.get("ATELIER_ORIGINS", "")),
        trusted_proxies=parse_networks("ATELIER_TRUSTED_PROXIES", environ.get("ATELIER_TRUSTED_PROXIES", "")),
        debug=environ.get("ATELIER_DEBUG", "") in ("1", "true", "yes"),
        mail=_parse_mail(environ),
        secret_key_path=_secret_path(environ, "ATELIER_SECRET_KEY_FILE"),
        time_zone=_parse_time_zone(environ.get("ATELIER_TIME_ZONE") or "UTC"),
    )


def _parse_mail(environ: Mapping[str, str]) -> Mail:
    port = environ.get("ATELIER_EMAIL_PORT") or "25"
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ImproperlyConfigured(f"ATELIER_EMAIL_PORT: {port} is no port")
    password_path = _secret_path(environ, "ATELIER_EMAIL_PASSWORD_FILE")
    return Mail(
        host=environ.get("ATELIER_EMAIL_HOST", "").strip(),
        port=int(port),
        user=environ.get("ATELIER_EMAIL_USER", ""),
        password=password_path.read_text().strip() if password_path else "",
        sender=environ.get("ATELIER_EMAIL_FROM") or "atelier@localhost",
    )


def _parse_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ImproperlyConfigured(f"ATELIER_TIME_ZONE: {name} is no time zone of this machine; write one like Europe/Paris")
    return name


def _secret_path(environ: Mapping[str, str], name: str) -> Path | None:
    """Return the file that ``name`` names, which must be there and hold something."""
    if not (value := environ.get(name)):
        return None
    try:
        is_empty = not Path(value).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}: {value} cannot be read: {error}") from error
    if is_empty:
        raise ImproperlyConfigured(f"{name}: {value} is empty")
    return Path(value)


def _with_password(database: dict[str, Any], path: Path | None) -> dict[str, Any]:
    return database if path is None else {**database, "PASSWORD": path.read_text().strip()}


def parse_database_url(url: str) -> dict[str, Any]:
    """Return Django's description of the database at ``url``."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and parts.path.strip("/"):
        # Others write an absolute path with a fourth slash.
        return _sqlite(f"/{parts.path.lstrip('/')}")
    if parts.scheme in _POSTGRESQL_SCHEMES and parts.path.strip("/"):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
        }
    raise ImproperlyConfigured(f"ATELIER_DATABASE_URL: {parts.scheme}://… is neither sqlite:///PATH nor postgresql://…/NAME")


def _sqlite(path: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": unquote(path),
        "OPTIONS": {
            # A transaction that reads first and writes later would fail at the upgrade of its lock instead of waiting for it.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
        # A file and not memory: tests run workers in processes of their own against it.
        "TEST": {"NAME": f"{unquote(path)}.test"},
    }


def parse_redis_url(url: str) -> str:
    """Return ``url`` if it is one that all our Redis clients know."""
    if not url.startswith(("unix:///", "redis://", "rediss://")):
        raise ImproperlyConfigured(
            f"ATELIER_REDIS_URL: {url.partition('://')[0]}://… is neither unix:///PATH nor redis://HOST:PORT"
        )
    return url


def parse_networks(name: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read addresses and networks by commas."""
    try:
        return tuple(ip_network(item, strict=False) for item in _parse_list(text))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def broker_url(redis_url: str) -> str:
    """Return the address in the spelling of Celery, which names unix sockets otherwise."""
    return redis_url.replace("unix://", "redis+socket://", 1)


def load_secret_key(data_path: Path, given_path: Path | None = None) -> str:
    """Return the key in the file that is given, else in ``<data>/secret.key``, made at the first call.

    Without a data folder it is one for this process only.
    """
    if given_path is not None:
        return given_path.read_text().strip()
    if not data_path.is_dir():
        return secrets.token_urlsafe(50)
    path = data_path / "secret.key"
    if not path.exists():
        _publish_key(path, secrets.token_urlsafe(50))
    return path.read_text().strip()


def _publish_key(path: Path, key: str) -> None:
    """Write ``key`` unless another process was quicker: a link fails where the name exists."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(key)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()


def _parse_list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
