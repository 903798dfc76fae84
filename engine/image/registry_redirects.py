"""Where a registry may send us: redirects, token servers, upload addresses.

Owns the rules for the text of an address; the address behind a name is the lane's affair. Redirects are followed here by hand,
since a library would take the authorization along.
"""

from dataclasses import replace

from aiohttp import ClientResponse
from yarl import URL

from engine.core.registry_answers import shown
from engine.errors import Forbidden, Unavailable
from engine.image.registry_lane import Call, Lane

MOST_REDIRECTS = 5
_MOST_CHARACTERS = 8192  # signed addresses of object stores are long
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_REPEATS = frozenset((307, 308))


def resolve(lane: Lane, base: URL, text: str) -> URL:
    """Return the address that a registry names, relative ones against ``base``; raises Forbidden or Unavailable."""
    url = _address(base, text)
    if url is None:
        raise Unavailable(f"registry {lane.name} leads to {shown(text, 100)!r}, which is no address for a registry")
    return _kept_secure(lane, url)


def _address(base: URL, text: str) -> URL | None:
    if len(text) > _MOST_CHARACTERS or not text.isprintable() or " " in text:
        return None
    try:
        url = base.join(URL(text, encoded=True))
        is_usable = url.scheme in ("http", "https") and url.host and url.port and not url.user and not url.password
    except ValueError:
        return None
    return url if is_usable else None


def _kept_secure(lane: Lane, url: URL) -> URL:
    if url.scheme == "https" or (lane.is_own(url) and lane.base.scheme == "http"):
        return url
    # A registry behind a proxy often does not know that it is reached by https.
    if lane.base.scheme == "https" and url.host == lane.base.host and url.port in (80, lane.base.port):
        return url.with_scheme("https").with_port(lane.base.port)
    if lane.base.scheme == "https" or not lane.certificates.is_insecure(url.host or "", url.port or 0):
        raise Forbidden(f"registry {lane.name} leads to plain http at {shown(str(url.host), 100)}")
    return url


async def follow(lane: Lane, call: Call) -> ClientResponse:
    """Send a request and follow where it leads. Authorization does not go to another host, nor comes back from there."""
    for _ in range(MOST_REDIRECTS + 1):
        response = await lane.send(call)
        location = response.headers.get("Location", "")
        if response.status not in _REDIRECTS or not location or not _may_repeat(call, response.status):
            return response
        response.close()
        call = _moved(call, resolve(lane, response.url, location))
    raise Unavailable(f"registry {lane.name} leads round in circles: more than {MOST_REDIRECTS} redirects")


def _may_repeat(call: Call, status: int) -> bool:
    if call.method in ("GET", "HEAD"):
        return True
    return status in _REPEATS and not callable(call.body)


def _moved(call: Call, url: URL) -> Call:
    stays = (url.scheme, url.host, url.port) == (call.url.scheme, call.url.host, call.url.port)
    headers = {name: value for name, value in call.headers.items() if stays or name != "Authorization"}
    return replace(call, url=url, headers=headers)
