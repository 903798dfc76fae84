"""From where the acting request came. Set by the middleware for the time of a request; empty in workers and commands."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from ipaddress import IPv4Network, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Network = IPv4Network | IPv6Network

_address: ContextVar[str | None] = ContextVar("atelier_address", default=None)


def acting_address() -> str | None:
    """Return the address of the request that is being answered."""
    return _address.get()


def address_of(peer: str, forwarded_for: str, proxies: Sequence[Network]) -> str | None:
    """Return who asked: the peer itself, or, for a trusted proxy, the last one in its list that is none.

    Whatever stands before that was written by somebody who is not trusted, so it is not looked at.
    """
    address = peer
    for hop in reversed(forwarded_for.split(",")):
        if not _is_trusted(address, proxies):
            break
        if not _is_address(hop.strip()):
            break
        address = hop.strip()
    return address if _is_address(address) else None


class OriginMiddleware:
    """Keeps the address for the time of a request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        found = address_of(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""), settings.TRUSTED_PROXIES)
        token = _address.set(found)
        try:
            return self._get_response(request)
        finally:
            _address.reset(token)


def _is_trusted(address: str, proxies: Sequence[Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in proxies)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
