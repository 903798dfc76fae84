"""Signing in: tokens of a registry's token server, kept until they expire, and the Authorization header of a request.

Forms: the Distribution token and OAuth2 specifications. Credentials and tokens stand in no message, log or ``repr``.
"""

import asyncio
import json
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

from yarl import URL

from engine.core.registries import Credentials
from engine.core.registry_answers import Challenge
from engine.errors import Unauthorized, Unavailable
from engine.image.registry_edge import Refused
from engine.image.registry_lane import Call, Lane
from engine.image.registry_redirects import follow, resolve

_CLIENT = "atelier-engine"
_MOST_TOKEN_BYTES = 64 * 2**10
_MOST_TOKENS = 64  # of one tenant at one registry
_USUAL_SECONDS = 60
_MOST_SECONDS = 3600
_MARGIN_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; ``refresh`` can stand in place of a password later, where the server gives such."""

    text: str = field(repr=False)
    seconds: float
    refresh: str = field(default="", repr=False)


def basic(credentials: Credentials) -> str:
    """Return the header for a name and a password."""
    pair = f"{credentials.username}:{credentials.password}"
    return f"Basic {b64encode(pair.encode()).decode()}"


async def authorization(lane: Lane, credentials: Credentials | None, scopes: tuple[str, ...], *, is_fresh: bool = False) -> str:
    """Return the header that the registry has asked for; empty where it asks for none or there is nothing to show.

    ``is_fresh``: what was shown was not accepted.
    """
    challenge = lane.challenge
    if credentials is not None and credentials.registry_token:
        return f"Bearer {credentials.registry_token}"
    if challenge is None:
        return ""
    if challenge.scheme == "basic":
        return basic(credentials) if credentials is not None and credentials.username else ""
    async with lane.signing:
        return f"Bearer {await _kept_token(lane, challenge, credentials, scopes, is_fresh=is_fresh)}"


async def _kept_token(
    lane: Lane, challenge: Challenge, credentials: Credentials | None, scopes: tuple[str, ...], *, is_fresh: bool
) -> str:
    now = asyncio.get_running_loop().time
    key = (challenge.parameters.get("realm"), challenge.parameters.get("service"), scopes, credentials)
    text, expiry = lane.tokens.pop(key, ("", 0.0))
    if is_fresh or expiry <= now():
        token = await fetch_token(lane, challenge, credentials, scopes)
        text, expiry = token.text, now() + token.seconds
    lane.tokens[key] = (text, expiry)
    while len(lane.tokens) > _MOST_TOKENS:
        del lane.tokens[next(iter(lane.tokens))]
    return text


async def fetch_token(
    lane: Lane, challenge: Challenge, credentials: Credentials | None, scopes: tuple[str, ...], *, is_login: bool = False
) -> Token:
    """Ask the token server. Raises Unauthorized where it does not know the credentials."""
    realm = resolve(lane, lane.base, challenge.parameters.get("realm", ""))
    asked = {"service": challenge.parameters.get("service", ""), "scope": " ".join(scopes)}
    fields = {name: value for name, value in asked.items() if value}
    if credentials is not None and credentials.identity_token:
        call = _exchange(realm, fields, credentials)
    else:
        call = _request(realm, fields, credentials, is_login=is_login)
    try:
        response = await lane.checked(await follow(lane, call))
    except Refused as refusal:
        kind = Unauthorized if refusal.is_denial else Unavailable
        raise kind(f"registry {lane.name} gives no token: {refusal.message}") from refusal
    try:
        return _token(lane, await lane.body(response, _MOST_TOKEN_BYTES))
    finally:
        response.close()


def _exchange(realm: URL, fields: dict[str, str], credentials: Credentials) -> Call:
    form = {**fields, "grant_type": "refresh_token", "client_id": _CLIENT, "refresh_token": credentials.identity_token}
    body = URL.build(query=form).raw_query_string.encode()
    return Call("POST", realm, {"Content-Type": "application/x-www-form-urlencoded"}, body)


def _request(realm: URL, fields: dict[str, str], credentials: Credentials | None, *, is_login: bool) -> Call:
    headers = {}
    if credentials is not None and credentials.username:
        headers["Authorization"] = basic(credentials)
        fields = {**fields, "account": credentials.username}
    if is_login:
        fields = {**fields, "offline_token": "true", "client_id": _CLIENT}
    scopes = [("scope", scope) for scope in fields.pop("scope", "").split(" ") if scope]
    return Call("GET", realm.extend_query([*fields.items(), *scopes]), headers)


def _token(lane: Lane, raw: bytes) -> Token:
    try:
        document: Any = json.loads(raw)
        text = _visible(document.get("token") or document.get("access_token"))
        refresh = _visible(document.get("refresh_token") or "")
        seconds = float(document.get("expires_in") or _USUAL_SECONDS)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Unavailable(f"registry {lane.name} gives no token: its token server's answer holds none") from None
    # The usual comes first, so that it also wins over what is no number.
    return Token(text, min(max(_USUAL_SECONDS, seconds), _MOST_SECONDS) - _MARGIN_SECONDS, refresh)


def _visible(text: object) -> str:
    """Return a text that can stand in a header."""
    if not isinstance(text, str) or not text.isascii() or not text.isprintable():
        raise TypeError
    return text
