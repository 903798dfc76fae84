"""The server's side of a page's WebSockets, played by the test: what a page says is kept, what it hears is chosen."""

import json
import re
from typing import Any

from playwright.sync_api import Page, WebSocketRoute


class Played:
    """One WebSocket of the page."""

    def __init__(self, route: WebSocketRoute) -> None:
        self.route = route
        self.heard: list[str | bytes] = []
        route.on_message(self._hear)

    def _hear(self, data: str | bytes) -> None:
        self.heard.append(data)

    def say(self, **message: Any) -> None:
        self.route.send(json.dumps(message))

    def show(self, output: str) -> None:
        self.route.send(output.encode())

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.heard if isinstance(data, str)]

    @property
    def typed(self) -> str:
        return b"".join(data for data in self.heard if isinstance(data, bytes)).decode()


class Sockets:
    """All WebSockets that the page has opened, by the kind that their path tells: live, terminal, log."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._opened: dict[str, list[Played]] = {"live": [], "terminal": [], "log": [], "usage": [], "workloads": []}
        page.route_web_socket(re.compile(r"/ws/"), self._open)

    def _open(self, route: WebSocketRoute) -> None:
        kind = next(kind for kind in self._opened if f"/{kind}/" in route.url)
        self._opened[kind].append(Played(route))

    def count(self, kind: str) -> int:
        return len(self._opened[kind])

    def wait(self, kind: str, *, count: int = 1) -> Played:
        """Return the newest WebSocket of a kind as soon as there were ``count`` of them."""
        for _ in range(200):
            if self.count(kind) >= count:
                return self._opened[kind][-1]
            self._page.wait_for_timeout(25)
        raise AssertionError(f"the page opened {self.count(kind)} sockets of kind {kind}, not {count}")
