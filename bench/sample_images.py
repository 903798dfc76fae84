"""What the images of the bench are made of: a Debian root, and layers of files of which half can be compressed."""

import gzip
import hashlib
import io
import json
import os
import platform
import random
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20
_SUITE = "bookworm"
_BLOCK = 32 << 10


@dataclass(frozen=True, slots=True)
class Layer:
    """A tar, plain and as gzip, in files."""

    plain: Path
    packed: Path
    diff_id: str


def debian_layer(folder: Path) -> Layer:
    """The smallest Debian that mmdebstrap makes: about 100 MB of files."""
    plain = folder / "debian.tar"
    command = ["mmdebstrap", "--variant=essential", _SUITE, str(plain)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return _packed(plain)


def noise_layer(folder: Path, name: str, mebibytes: int) -> Layer:
    """Files of 1 MiB and, for each of them, eight small ones; no two layers are alike."""
    plain = folder / f"{name}.tar"
    draw = random.Random(name)
    with tarfile.open(plain, "w") as archive:
        for number in range(mebibytes):
            _add(archive, f"{name}/{number}/large", b"".join(_blocks(draw, MEBIBYTE // _BLOCK)))
            for small in range(8):
                _add(archive, f"{name}/{number}/{small}", f"{name} {number} {small}\n".encode() * 20)
    return _packed(plain)


def _blocks(draw: random.Random, count: int) -> list[bytes]:
    text = b"what compresses well " * (_BLOCK // 21 + 1)
    return [draw.randbytes(_BLOCK) if number % 2 else text[:_BLOCK] for number in range(count)]


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _packed(plain: Path) -> Layer:
    packed = plain.with_suffix(".tar.gz")
    with plain.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target, MEBIBYTE)
    with plain.open("rb") as source:
        return Layer(plain, packed, f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}")


def config_of(layers: Sequence[Layer], note: str = "") -> bytes:
    """The configuration of an image of these layers."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    document = {
        "architecture": machine,
        "os": "linux",
        "config": {"Cmd": ["sh"], "Labels": {"note": note}},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created_by": "bench"} for _ in layers],
    }
    return json.dumps(document).encode()


def write_archive(path: Path, name: str, layers: Sequence[Layer]) -> None:
    """An archive as ``docker save`` makes it."""
    config = config_of(layers)
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    places = [f"{layer.diff_id.removeprefix('sha256:')}/layer.tar" for layer in layers]
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": places}]
    with tarfile.open(path, "w") as archive:
        for layer, place in zip(layers, places, strict=True):
            archive.add(layer.plain, place)
        _add(archive, config_name, config)
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    os.sync()
