"""Plays a case of ``copy_cases``: with the engine's functions, or as a build on a daemon."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

from engine.build.context import open_context
from engine.build.copy_layer import copy_layer
from engine.build.owners import find_owner
from engine.build.sources import find_sources
from engine.build.tree import stage_tree
from engine.errors import EngineError
from engine.storage.layers import LayerStore
from tests.engine.build.copy_cases import Case
from tests.engine.build.trees import archive_of, listing_of
from tests.engine.daemon import EngineDaemon

_PACKERS: dict[str, Callable[[bytes], bytes]] = {"t": bytes, "t.gz": gzip.compress, "t.bz2": bz2.compress, "t.xz": lzma.compress}


def context_of(case: Case) -> bytes:
    """Return the context's archive, with a Dockerfile."""
    archive = archive_of(case.archive)
    contents = {name: pack(archive) for name, pack in _PACKERS.items()}
    instruction = case.instruction.replace("--from=stage", f"--from={_image_name(case.stage)}")
    contents["Dockerfile"] = f"FROM {_image_name(case.image)}\nWORKDIR {case.workdir}\n{instruction}\n".encode()
    return archive_of(f"{case.context}; Dockerfile =@Dockerfile", contents)


def play_here(case: Case, folder: Path) -> str:
    """Return the tree that comes of it, or the error's text."""
    store = LayerStore(folder / "layers")
    verb, flags, words = _words(case.instruction)
    with ExitStack() as stack:
        try:
            context = stack.enter_context(open_context(io.BytesIO(context_of(case)), _new(folder / "context")))
            tree = stack.enter_context(stage_tree([_layer(store, case.stage)])) if "from" in flags else context.tree
            sources = find_sources(tree, words[:-1], instruction_text=verb)
            image = [_layer(store, case.image)]
            upper = copy_layer(
                image,
                sources,
                destination=words[-1],
                workdir=case.workdir,
                owner=find_owner(image, flags["chown"]) if "chown" in flags else None,
                unpacks=verb == "ADD",
                staging=_new(folder / "work"),
                instruction_text=verb,
            )
        except EngineError as error:
            return error.message
        return _shown(listing_of([*image, upper]))


def play_as_build(case: Case, daemon: EngineDaemon, folder: Path) -> str:
    """The same, played by a daemon's classic builder."""
    for tree in filter(None, (case.image, case.stage)):
        if daemon.request("GET", f"/images/{_image_name(tree)}/json").status == 404:
            query = urlencode({"fromSrc": "-", "repo": _image_name(tree), "tag": "latest"})
            assert daemon.request("POST", f"/images/create?{query}", archive_of(tree)).status == 200
    answer = daemon.request("POST", "/build?nocache=1", context_of(case), headers={"Content-Type": "application/x-tar"})
    lines = [json.loads(line) for line in answer.body.splitlines() if line.strip()]
    for line in lines:
        if "error" in line or "message" in line:
            return str(line.get("error", line.get("message")))
    image_id = next(line["aux"]["ID"] for line in lines if "aux" in line)
    return _shown(listing_of(_saved(daemon.request("GET", f"/images/{image_id}/get").body, LayerStore(folder / "layers"))))


def _image_name(tree: str) -> str:
    """The same for the same tree, which is then imported once."""
    return f"image{hashlib.sha256(tree.encode()).hexdigest()[:12]}"


def _saved(saved: bytes, store: LayerStore) -> list[Path]:
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        opened = [archive.extractfile(name) for name in json.load(manifest)[0]["Layers"]]
        return [store.path(store.unpack(layer).diff_id) for layer in opened if layer is not None]


def _layer(store: LayerStore, tree: str) -> Path:
    return store.path(store.unpack(io.BytesIO(archive_of(tree))).diff_id)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _words(instruction: str) -> tuple[str, dict[str, str], list[str]]:
    verb, _, rest = instruction.partition(" ")
    flags = {}
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        name, _, flags[name] = flag.removeprefix("--").partition("=")
    return verb, flags, json.loads(rest) if rest.startswith('["') else rest.split()


def _shown(listing: str) -> str:
    """The Dockerfile is not what a case is about; an archive's bytes can be read by nobody."""
    kept = [line for line in listing.split("; ") if "Dockerfile =" not in line]
    return "; ".join(line if line.isascii() and line.isprintable() else f"{line.partition('=')[0]}=..." for line in kept)
