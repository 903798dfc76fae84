"""The command line of ``python -m engine serve``, read into types. Decides nothing."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from engine.core.addresses import DEFAULT_POOLS, Pool, parse_pool
from engine.core.references import parse_reference
from engine.core.registries import DOCKER_HUB, RegistrySettings, normalise_domain
from engine.core.sizes import parse_size
from engine.errors import InvalidParameter
from engine.storage.disk import DRIVER_NAMES, DiskSettings


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """``data_path`` is the engine's own folder inside the product's data folder."""

    data_path: Path
    run_path: Path
    socket_path: Path
    socket_group: str
    is_verbose: bool
    registries: RegistrySettings
    pools: tuple[Pool, ...] = DEFAULT_POOLS
    disk: DiskSettings = field(default_factory=DiskSettings)


def parse_serve(arguments: Sequence[str]) -> ServeSettings:
    """Read the arguments; argparse ends the program with a message when they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m engine serve", description="run the engine daemon in the foreground")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="where images and containers are kept, in DIR/engine"
    )
    parser.add_argument("--run", required=True, type=Path, metavar="DIR", help="where sockets lie")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the API's socket (default: engine.sock in the run folder)")
    parser.add_argument("--socket-group", default="", metavar="NAME", help="group that may use the socket (default: root only)")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    _add_registries(parser)
    _add_pools(parser)
    _add_disk(parser)
    values = parser.parse_args(arguments)
    run_path: Path = values.run.resolve()
    return ServeSettings(
        data_path=values.data.resolve() / "engine",
        run_path=run_path,
        socket_path=(values.socket or run_path / "engine.sock").absolute(),
        socket_group=values.socket_group,
        is_verbose=values.verbose,
        registries=RegistrySettings(_by_domain(values.registry_mirror), tuple(values.insecure_registry)),
        pools=tuple(values.address_pool) or DEFAULT_POOLS,
        disk=DiskSettings(values.disk, values.disk_size),
    )


def _add_registries(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--registry-mirror",
        action="append",
        default=[],
        type=_mirror,
        metavar="[DOMAIN=]URL",
        help="ask this registry first for images of DOMAIN (default: docker.io); may be repeated",
    )
    parser.add_argument(
        "--insecure-registry",
        action="append",
        default=[],
        type=_insecure,
        metavar="HOST[:PORT]|CIDR",
        help="a registry that may be spoken to without https, or whose certificate nobody vouches for; may be repeated",
    )


def _add_pools(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address-pool",
        action="append",
        default=[],
        type=_pool,
        metavar="CIDR:PREFIX",
        help="private addresses, also of IPv6, that networks get subnets of PREFIX from; may be repeated (default: "
        + " ".join(f"{pool.network}:{pool.prefix}" for pool in DEFAULT_POOLS)
        + ")",
    )


def parse_doctor(arguments: Sequence[str]) -> Path | None:
    """Read which data folder is to be looked at, if any."""
    parser = argparse.ArgumentParser(prog="python -m engine doctor", description="tell what this host offers to the engine")
    parser.add_argument("--data", type=Path, metavar="DIR", help="say also how disk space is counted in DIR/engine")
    data: Path | None = parser.parse_args(arguments).data
    return None if data is None else data.resolve() / "engine"


def _add_disk(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--disk",
        choices=DRIVER_NAMES,
        default=DiskSettings().driver,
        help="what counts disk space: image (a btrfs of the engine's own in DIR/engine.btrfs), project (quotas that the host has"
        " turned on for its XFS or ext4), none, or auto, whatever holds here"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--disk-size", type=parse_disk_size, metavar="SIZE", help="size of a new image, as 200G (default: most of what is free)"
    )


def parse_disk_size(text: str) -> int:
    """Read a size of the command line."""
    size = parse_size(text)
    if size is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: use a number with K, M, G or T")
    return size


def _pool(text: str) -> Pool:
    try:
        return parse_pool(text)
    except InvalidParameter as error:
        raise argparse.ArgumentTypeError(error.message) from None


def _mirror(text: str) -> tuple[str, str]:
    """Read a mirror as domain and base URL."""
    before, equals, after = text.partition("=")
    domain, url = (before, after) if equals and "://" not in before else (DOCKER_HUB, text)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise argparse.ArgumentTypeError(f"{text!r} is no mirror: use [DOMAIN=]http(s)://HOST[:PORT][/PATH]")
    _check_domain(domain)
    return normalise_domain(domain), url.rstrip("/")


def _insecure(text: str) -> str:
    """Check a host, a host with its port or a range of addresses."""
    try:
        return str(ip_network(text))
    except ValueError:
        _check_domain(text)
        return text.lower()


def _check_domain(text: str) -> None:
    try:
        is_sound = "/" not in text and not parse_reference(f"{text}/x").tag
    except InvalidParameter:
        is_sound = False
    if not is_sound:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no registry: use HOST, HOST:PORT or, where it can be one, a range as 10.0.0.0/8"
        )


def _by_domain(mirrors: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Put the mirrors of each domain together, in the order in which they are to be asked."""
    domains = dict.fromkeys(domain for domain, _ in mirrors)
    return {domain: tuple(dict.fromkeys(url for one, url in mirrors if one == domain)) for domain in domains}
