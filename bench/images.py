"""Figures of images: pulled, loaded, built, saved and pushed, and the memory that a large pull takes."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from bench.contenders import IMAGE, Engine, has_program
from bench.figures import SKOPEO, Figure
from bench.processes import engine_pids, proportional_bytes
from bench.registry import Registry, registries
from bench.sample_images import Layer, debian_layer, noise_layer, write_archive
from bench.timing import SETTLE_SECONDS, Action, check, connect, fetch, milliseconds, take_turns

ROUNDS = 5
ARCHIVE_LAYERS, LARGE_LAYERS, LAYER_MEBIBYTES = 2, 4, 250
SAMPLE_SECONDS = 0.03
MILLION = 1e6
LOADED = "loaded:latest"
BUILT = "built:latest"
_STEPS = """
FROM {image}
LABEL lesson=one
ENV HOME_PAGE=/srv/index.html
WORKDIR /srv
COPY one .
RUN echo step > step
COPY folder ./folder
RUN cat folder/0 > copy && touch done
EXPOSE 80
CMD ["cat", "/srv/one"]
"""


class ImageBench:
    """Images from the same registry, archive or Dockerfile, by contenders that take turns."""

    def __init__(self, engines: Sequence[Engine], folder: Path) -> None:
        self._engines = engines
        self._folder = folder

    def figures(self) -> dict[str, Callable[[], list[Figure]]]:
        return {"images": self.images}

    def images(self) -> list[Figure]:
        """All of them, as they share what is made for them."""
        missing = [name for name in ("docker-registry", "mmdebstrap") if not has_program(name)]
        if missing:
            raise SystemExit(f"bench: images need {' and '.join(missing)}: install the packages of these names")
        self._folder.mkdir()
        with registries(self._folder / "registry", self._engines) as registry:
            noise = [noise_layer(self._folder, f"noise{number}", LAYER_MEBIBYTES) for number in range(LARGE_LAYERS)]
            figures = [*self._pulls(registry), *self._builds(), *self._large_pull(registry, noise)]
            return [*figures, *self._loads_and_saves(noise[:ARCHIVE_LAYERS]), *self._pushes(registry)]

    def _pulls(self, registry: Registry) -> list[Figure]:
        debian = [debian_layer(self._folder)]
        for repository in ("debian", "alike"):
            registry.put(repository, debian, note=repository)
        name, alike = registry.name("debian"), registry.name("alike")
        whole = self._each(lambda engine: command_of(engine, "pull", "-q", name), before=partial(remove, name=name))
        if has_program("skopeo") and has_program("umoci"):
            whole |= self._by_skopeo(registry)
        compare_files(self._engines, name)
        again = take_turns({engine.name: partial(pull, engine, name) for engine in self._engines})
        shared = self._each(lambda engine: partial(pull, engine, alike), before=partial(remove, name=alike))
        size = sum(layer.plain.stat().st_size for layer in debian) / MILLION
        return [
            Figure(f"`docker pull` of a Debian of {size:.0f} MB from a registry at hand", "ms", whole),
            Figure("API: pull of an image that is there", "ms", again),
            Figure("API: pull of another image of the same layers", "ms", shared),
        ]

    def _by_skopeo(self, registry: Registry) -> dict[str, list[float]]:
        """Copied to a folder as OCI has it, then unpacked from there."""
        layout, bundle = self._folder / "layout", self._folder / "bundle"

        def clear() -> None:
            subprocess.run(["rm", "-rf", layout, bundle], check=True)

        def copy_and_unpack() -> None:
            source = f"docker://{registry.name('debian')}"
            check(["skopeo", "copy", "-q", "--src-tls-verify=false", source, f"oci:{layout}:latest"])
            check(["umoci", "unpack", "--image", f"{layout}:latest", str(bundle)])

        samples = repeat({SKOPEO: copy_and_unpack}, before={SKOPEO: clear})
        clear()
        return samples

    def _builds(self) -> list[Figure]:
        context = self._folder / "context"
        (context / "folder").mkdir(parents=True)
        (context / "Dockerfile").write_text(_STEPS.format(image=IMAGE).lstrip())
        (context / "one").write_text("one\n")
        for number in range(100):
            (context / "folder" / str(number)).write_text(f"{number}\n" * 100)
        build = ("build", "-q", "-t", BUILT)
        anew = self._each(lambda engine: command_of(engine, *build, "--no-cache", str(context)))
        cached = take_turns({engine.name: command_of(engine, *build, str(context)) for engine in self._engines})
        for engine in self._engines:
            remove(engine, BUILT)
        return [
            Figure("`docker build` of 10 steps, none known", "ms", anew),
            Figure("`docker build` of 10 steps, all known", "ms", cached),
        ]

    def _large_pull(self, registry: Registry, layers: Sequence[Layer]) -> list[Figure]:
        """Once: what it takes at its peak, and how long."""
        registry.put("large", layers)
        name = registry.name("large")
        peaks: dict[str, list[float]] = {}
        taken: dict[str, list[float]] = {}
        for engine in self._engines:
            time.sleep(SETTLE_SECONDS)
            with peak_of(engine) as peak:
                taken[engine.name] = [milliseconds(command_of(engine, "pull", "-q", name))]
            peaks[engine.name] = [max(peak) / MILLION]
            remove(engine, name)
        size = LARGE_LAYERS * LAYER_MEBIBYTES
        return [
            Figure(f"`docker pull` of {size} MiB in {LARGE_LAYERS} layers", "ms", taken),
            Figure("engine during that pull, peak PSS", "MB", peaks),
        ]

    def _loads_and_saves(self, layers: Sequence[Layer]) -> list[Figure]:
        """What is loaded stays, for the push."""
        archive = self._folder / "archive.tar"
        write_archive(archive, LOADED, layers)
        loads = self._each(lambda engine: command_of(engine, "load", "-qi", str(archive)), before=partial(remove, name=LOADED))
        saves = self._each(lambda engine: partial(save, engine, LOADED))
        size = ARCHIVE_LAYERS * LAYER_MEBIBYTES
        return [Figure(f"`docker load` of {size} MiB", "ms", loads), Figure(f"API: save of {size} MiB", "ms", saves)]

    def _pushes(self, registry: Registry) -> list[Figure]:
        name = registry.name("pushed")
        for engine in self._engines:
            check(engine.docker("tag", LOADED, name))

        def forget(_engine: Engine) -> None:
            registry.forget()

        samples = self._each(lambda engine: command_of(engine, "push", "-q", name), before=forget)
        size = ARCHIVE_LAYERS * LAYER_MEBIBYTES
        return [Figure(f"`docker push` of {size} MiB to an empty registry", "ms", samples)]

    def _each(
        self, action: Callable[[Engine], Action], *, before: Callable[[Engine], object] | None = None
    ) -> dict[str, list[float]]:
        """Milliseconds of an action of each engine, prepared for without being timed."""
        prepared = {engine.name: partial(before, engine) for engine in self._engines} if before else {}
        return repeat({engine.name: action(engine) for engine in self._engines}, before=prepared)


def repeat(actions: Mapping[str, Action], *, before: Mapping[str, Action]) -> dict[str, list[float]]:
    """Turns of one round each, since what is undone between two rounds would else be undone at another's cost."""
    samples: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, action in actions.items():
            before.get(name, bool)()
            time.sleep(SETTLE_SECONDS)
            samples[name].append(milliseconds(action))
    return samples


def command_of(engine: Engine, *arguments: str) -> Action:
    """The docker command; it asks for the classic builder, whatever else it knows, and keeps its advice to itself."""

    def run() -> None:
        command = ["env", "DOCKER_BUILDKIT=0", *engine.docker(*arguments)]
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            raise SystemExit(f"bench: {engine.name}: {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")

    return run


def remove(engine: Engine, name: str) -> None:
    """Remove an image, if it is there."""
    subprocess.run(engine.docker("rmi", "-f", name), check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pull(engine: Engine, name: str) -> None:
    connection = connect(engine)
    said = fetch(connection, "POST", f"/images/create?fromImage={name}&tag=latest")
    connection.close()
    if b'"error"' in said:
        raise SystemExit(f"bench: {engine.name} cannot pull {name}: {said[-300:]!r}")


def save(engine: Engine, name: str) -> None:
    """Read all of an archive, as quickly as it comes."""
    connection = connect(engine)
    connection.request("GET", f"/images/{name}/get")
    response = connection.getresponse()
    buffer = bytearray(1 << 20)
    while response.readinto(buffer):
        pass
    connection.close()


def compare_files(engines: Sequence[Engine], name: str) -> None:
    """Stop where two contenders made different files of one image."""
    lists = {engine.name: files_of(engine, name) for engine in engines}
    first, *others = lists.values()
    if any(other != first for other in others):
        differing = sorted(set(first) ^ set().union(*others))
        raise SystemExit(f"bench: {' and '.join(lists)} disagree about files of {name}: {differing[:10]}")


def files_of(engine: Engine, name: str) -> list[str]:
    """Names, sizes, modes and owners of all regular files and links, but those that an engine puts in itself."""
    container = subprocess.run(engine.docker("create", name), check=True, capture_output=True, text=True).stdout.strip()
    script = 'docker -H "$1" export "$2" | tar --numeric-owner -tvf -'
    command = ["sh", "-c", script, "sh", f"unix://{engine.socket}", container]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    check(engine.docker("rm", container))
    own = (" .dockerenv", " etc/hostname", " etc/hosts", " etc/resolv.conf", " etc/mtab", " dev/", " proc/", " sys/")
    return sorted(line for line in lines if line[0] in "-lh" and not any(word in line for word in own))


@contextmanager
def peak_of(engine: Engine) -> Iterator[list[int]]:
    """Weigh an engine again and again while the block lasts; its processes may come and go."""
    weights = [0]
    ended = threading.Event()

    def weigh() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            with suppress(OSError):
                weights.append(proportional_bytes(engine_pids(str(engine.folder))))

    thread = threading.Thread(target=weigh)
    thread.start()
    try:
        yield weights
    finally:
        ended.set()
        thread.join()
