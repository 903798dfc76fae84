"""How things are timed: contenders take turns, a few runs each, so that all see the same noise and none the other's remains."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from bench.contenders import IMAGE, Engine
from launcher.unix_http import UnixConnection

ROUNDS = 20
WARM_UP_ROUNDS = 2
TURN_ROUNDS = 5
SETTLE_SECONDS = 0.3  # an engine may still be tidying up after it has answered
TIMEOUT_SECONDS = 120.0
API = "/v1.41"
Action = Callable[[], object]

_numbers = count()


def fresh_name() -> str:
    return f"bench-{next(_numbers)}"


def check(argv: Sequence[str]) -> None:
    """Run a command to its end. Raises CalledProcessError."""
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def command(argv: Sequence[str]) -> Action:
    return lambda: check(argv)


def milliseconds(action: Action) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def take_turns(actions: Mapping[str, Action], *, rounds: int = ROUNDS, warm_up: int = WARM_UP_ROUNDS) -> dict[str, list[float]]:
    """Return milliseconds of each round by contender, those that warm up left out."""
    samples: dict[str, list[float]] = {name: [] for name in actions}
    for first in range(0, rounds, TURN_ROUNDS):
        for name, action in actions.items():
            time.sleep(SETTLE_SECONDS)
            for _ in range(warm_up):
                action()
            samples[name] += [milliseconds(action) for _ in range(min(TURN_ROUNDS, rounds - first))]
    return samples


def connect(engine: Engine) -> UnixConnection:
    return UnixConnection(engine.socket, timeout_seconds=TIMEOUT_SECONDS)


def call(connection: UnixConnection, method: str, target: str, body: object = None) -> dict[str, str]:
    """Make a request and return its JSON object, empty where there is none."""
    text = fetch(connection, method, target, body)
    answer: dict[str, str] = json.loads(text) if text.startswith(b"{") else {}
    return answer


def fetch(connection: UnixConnection, method: str, target: str, body: object = None) -> bytes:
    """Make a request and return the answer's body as it came."""
    content = None if body is None else json.dumps(body)
    connection.request(method, f"{API}{target}", content, {"Content-Type": "application/json"} if content else {})
    response = connection.getresponse()
    text = response.read()
    if response.status >= 400:
        raise SystemExit(f"bench: {method} {target}: {response.status} {text!r}")
    return text


def create(connection: UnixConnection, *args: str) -> str:
    """Make a container of the bench's image and return its id."""
    return call(connection, "POST", "/containers/create", {"Image": IMAGE, "Cmd": list(args)})["Id"]
