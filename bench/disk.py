"""Figures of disk space: volumes, and containers on the engine's own counting disk beside dockerd's ext4 or whatever lies below.

The other benches run on plain folders on both sides. Here the engine has the image with btrfs that it makes by itself.
"""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.contenders import IMAGE, Engine, atelier, dockerd, has_program
from bench.figures import Figure
from bench.rootfs import import_image, pack
from bench.timing import call, check, connect, create, fetch, fresh_name, take_turns

MEGABYTES = 500
COPIED_MEGABYTES = 100
ROUNDS = 5
ON_RECORD = 50
LARGE_IMAGE = "large:latest"
_DISK = ("--disk", "image", "--disk-size", "20G")


class DiskBench:
    """Engines of its own, made in ``folder`` from the image in ``archive``, which ``rootfs`` holds unpacked."""

    def __init__(self, folder: Path, rootfs: Path, archive: Path) -> None:
        self._folder = folder
        self._rootfs = rootfs
        self._archive = archive

    def figures(self) -> dict[str, Callable[[], list[Figure]]]:
        return {"disk": self.disk}

    def disk(self) -> list[Figure]:
        """All of them, as they share the engines."""
        with self._engines() as engines:
            return [
                *_lives(engines),
                Figure("API: volume made and removed", "ms", _turns(engines, life_of_a_volume)),
                *_writes(engines),
                _usage(engines),
            ]

    @contextmanager
    def _engines(self) -> Iterator[list[Engine]]:
        large = self._large_archive()
        with ExitStack() as stack:
            engines = [stack.enter_context(atelier(self._folder / "disk-a", self._archive, disk=_DISK))]
            if has_program("dockerd"):
                engines.append(stack.enter_context(dockerd(self._folder / "disk-d", self._archive)))
            for engine in engines:
                import_image(engine.socket, large, LARGE_IMAGE)
            yield engines

    def _large_archive(self) -> Path:
        """The image with one large file."""
        large = self._rootfs / "large"
        subprocess.run(["head", "-c", str(COPIED_MEGABYTES * 10**6), "/dev/urandom"], stdout=large.open("wb"), check=True)
        try:
            return pack(self._rootfs, self._folder / "large.tar")
        finally:
            large.unlink()


def _turns(engines: Sequence[Engine], action: Callable[[Engine], None], rounds: int = 20) -> dict[str, list[float]]:
    return take_turns({engine.name: partial(action, engine) for engine in engines}, rounds=rounds)


def _lives(engines: Sequence[Engine]) -> list[Figure]:
    limited = [engine for engine in engines if engine.name == "Atelier"]  # dockerd needs project quotas on XFS for that
    life, size = partial(life_of_a_container, image=IMAGE), {"StorageOpt": {"size": "1g"}}
    commands = {engine.name: partial(check, engine.docker("run", "--rm", IMAGE, "true")) for engine in engines}
    return [
        Figure("`docker run --rm IMAGE true`, disk counted", "ms", take_turns(commands)),
        Figure("API: create, start, wait, remove, disk counted", "ms", _turns(engines, partial(life, host={}))),
        Figure("API: the same with `--storage-opt size=1g`", "ms", _turns(limited, partial(life, host=size))),
    ]


def _writes(engines: Sequence[Engine]) -> list[Figure]:
    """Whole lives of containers that write, until the data is on the disk."""
    fill = f"busybox dd if=/dev/zero of=/data bs=1M count={MEGABYTES} conv=fsync 2>/dev/null"
    copy = "echo more >> /large; busybox dd if=/dev/null of=/large conv=notrunc,fsync 2>/dev/null"
    fills = _turns(engines, partial(life_of_a_container, image=IMAGE, host={}, script=fill), ROUNDS)
    copies = _turns(engines, partial(life_of_a_container, image=LARGE_IMAGE, host={}, script=copy), ROUNDS)
    return [
        Figure(f"container that writes {MEGABYTES} MiB and syncs, its whole life", "ms", fills),
        Figure(f"container that appends to a file of {COPIED_MEGABYTES} MB of its image, its whole life", "ms", copies),
    ]


def _usage(engines: Sequence[Engine]) -> Figure:
    for engine in engines:
        connection = connect(engine)
        for _ in range(ON_RECORD):
            call(connection, "POST", "/volumes/create", {"Name": fresh_name()})
            create(connection, "true")
        connection.close()
    commands = {engine.name: partial(check, engine.docker("system", "df", "-v")) for engine in engines}
    return Figure(f"`docker system df -v` of {ON_RECORD} containers and {ON_RECORD} volumes", "ms", take_turns(commands))


def life_of_a_container(engine: Engine, *, image: str, host: dict[str, object], script: str = "true") -> None:
    connection = connect(engine)
    body = {"Image": image, "Cmd": ["sh", "-c", script], "HostConfig": host}
    container = f"/containers/{call(connection, 'POST', '/containers/create', body)['Id']}"
    call(connection, "POST", f"{container}/start")
    status = fetch(connection, "POST", f"{container}/wait")
    if b'"StatusCode":0' not in status.replace(b" ", b""):
        raise SystemExit(f"bench: {engine.name}: {script}: {status!r}")
    call(connection, "DELETE", container)
    connection.close()


def life_of_a_volume(engine: Engine) -> None:
    connection = connect(engine)
    name = fresh_name()
    call(connection, "POST", "/volumes/create", {"Name": name})
    call(connection, "DELETE", f"/volumes/{name}")
    connection.close()
