"""Small tar archives for tests: written from a few words for each member, and read back as those."""

import base64
import io
import json
import tarfile
from typing import Any

from tests.engine.daemon import Answer

STAT_HEADER = "X-Docker-Container-Path-Stat"
FILE, HARD_LINK, SYMLINK, CHARACTER, FOLDER, FIFO = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, b"5", b"6"


def member(name: str, kind: bytes = FILE, data: bytes = b"", *, link: str = "", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """One member; further fields as of TarInfo."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, len(data), link, 0o755 if kind == FOLDER else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def make_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive of these members."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return output.getvalue()


def read_tar(body: bytes) -> dict[str, tarfile.TarInfo]:
    """The members by name."""
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {info.name: info for info in archive}


def read_members(body: bytes) -> list[tarfile.TarInfo]:
    """The members in order, also those of one name."""
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return archive.getmembers()


def content(body: bytes, name: str) -> bytes:
    """The content of one member."""
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


def stat_of(answer: Answer) -> Any:
    """The document of the header that tells what is at a path."""
    return json.loads(base64.b64decode(answer.headers[STAT_HEADER]))
