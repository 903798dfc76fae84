"""The one answer about swarms that is no 501: clients leave them to be sure that there is none, and take 503 for that."""

from aiohttp import web

from engine.errors import Unavailable


async def leave(request: web.Request) -> web.Response:
    raise Unavailable("this node is not part of a swarm: this engine has none")
