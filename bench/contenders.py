"""The engines that are compared, each with the same root file system: this one, dockerd, and runc alone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.processes import daemon
from bench.rootfs import import_image
from launcher.readiness import engine_answers

IMAGE = "bench:latest"
CGROUP = "atelier-bench"


@dataclass(frozen=True, slots=True)
class Engine:
    """Something that speaks the Docker API; ``folder`` is named in the command line of each of its processes."""

    name: str
    socket: Path
    folder: Path

    def docker(self, *arguments: str) -> list[str]:
        return ["docker", "-H", f"unix://{self.socket}", *arguments]


@contextmanager
def atelier(folder: Path, archive: Path | None, *, disk: Sequence[str] = ()) -> Iterator[Engine]:
    """This engine. Without an archive it goes on with what the folder holds from an earlier time. ``disk`` are more options."""
    engine = Engine("Atelier", folder / "run" / "engine.sock", folder)
    command = [sys.executable, "-m", "engine", "serve", *disk, "--data", str(folder), "--run", str(folder / "run")]
    folder.mkdir(exist_ok=archive is None)
    with daemon(command, log=folder / "daemon.log", is_ready=lambda: engine_answers(engine.socket)):
        if archive is not None:
            import_image(engine.socket, archive, IMAGE)
        yield engine


@contextmanager
def dockerd(folder: Path, archive: Path | None) -> Iterator[Engine]:
    """A dockerd of our own in network and mount namespaces of its own, so that its bridge, rules and sockets vanish with it.

    Without an archive it goes on with what the folder holds from an earlier time.
    """
    engine = Engine("dockerd", folder / "docker.sock", folder)
    options = {
        "data-root": folder / "data", "exec-root": folder / "exec", "pidfile": folder / "pid", "cgroup-parent": f"/{CGROUP}",
        "host": f"unix://{engine.socket}", "userland-proxy": "false",
    }  # fmt: skip
    inside = ["sh", "-c", 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"', "sh", "dockerd"]
    command = ["unshare", "--net", "--mount", *inside, *(f"--{name}={value}" for name, value in options.items())]
    folder.mkdir(exist_ok=archive is None)
    try:
        with daemon(command, log=folder / "daemon.log", is_ready=lambda: engine_answers(engine.socket)):
            if archive is not None:
                import_image(engine.socket, archive, IMAGE)
            yield engine
    finally:
        remove_cgroups()


def remove_cgroups() -> None:
    """dockerd removes the cgroups of containers, but not the one above them."""
    for folder in [*Path("/sys/fs/cgroup").glob(f"*/{CGROUP}"), Path("/sys/fs/cgroup", CGROUP)]:
        with suppress(OSError):
            folder.rmdir()


@dataclass(frozen=True, slots=True)
class Runc:
    """Bundles of one root file system; no images, networks or logs: the floor below any engine made of it."""

    folder: Path
    rootfs: Path

    def command(self, *arguments: str) -> list[str]:
        return ["runc", "--root", str(self.folder / "state"), *arguments]

    def bundle(self, *arguments: str) -> Path:
        """A bundle that runs ``arguments``."""
        bundle = self.folder / "-".join(arguments)
        if not bundle.exists():
            bundle.mkdir(parents=True)
            subprocess.run(["runc", "spec"], cwd=bundle, check=True)
            config = json.loads((bundle / "config.json").read_text())
            config["process"].update(terminal=False, args=list(arguments))
            config["root"]["path"] = str(self.rootfs)
            (bundle / "config.json").write_text(json.dumps(config))
        return bundle


def has_program(name: str) -> bool:
    return shutil.which(name) is not None
