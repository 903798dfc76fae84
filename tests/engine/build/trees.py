"""Trees of files as text, an entry a line or between semicolons, and back: what tests of COPY and ADD are written in.

app/ 755 1:2          a folder, mode, owner (755 and 0:0 where left out)
app/run 755 =hello    a file with its content (644)
link -> app/run       a symbolic link
again == app/run      a hard link
pipe | 644            a pipe
"""

import io
import os
import stat
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.build.tree import stage_tree
from engine.storage.pack import Found, walk


def archive_of(text: str, contents: Mapping[str, bytes] | None = None) -> bytes:
    """Return the tree as a tar. A content that begins with ``@`` is looked up in ``contents``."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for line in _lines(text):
            member, content = _member(line, contents or {})
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


def _member(line: str, contents: Mapping[str, bytes]) -> tuple[tarfile.TarInfo, bytes]:
    name, *fields = line.replace("\\ ", "\0").split(" ")
    member, content = tarfile.TarInfo(name.rstrip("/").replace("\0", " ")), b""
    member.mtime = 1_000_000_000
    member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    member.mode = 0o755 if member.isdir() else 0o644
    for position, field in enumerate(fields):
        if field in ("->", "=="):
            member.type = tarfile.SYMTYPE if field == "->" else tarfile.LNKTYPE
            member.linkname = fields[position + 1]
        elif field == "|":
            member.type = tarfile.FIFOTYPE
        elif field == "dev":
            member.type, member.devmajor, member.devminor = tarfile.CHRTYPE, 1, 3
        elif field.startswith("="):
            content = contents[field[2:]] if field.startswith("=@") else field[1:].replace("\0", " ").encode()
        elif ":" in field and "->" not in fields[:position]:
            member.uid, member.gid = map(int, field.split(":"))
        elif field.isdecimal() and not member.issym() and fields[position - 1] != "==":
            member.mode = int(field, 8)
    member.size = len(content)
    return member, content


def listing_of(layers: Sequence[Path]) -> str:
    """Return what layers (base first) show together, in the same form."""
    links: dict[tuple[int, int], str] = {}
    with stage_tree(layers) as tree:
        return "; ".join(_line(found, links) for found in walk(tree.root_fd, is_strict=True))


def _lines(text: str) -> list[str]:
    return [line for part in text.replace(";", "\n").splitlines() if (line := part.strip())]


def _line(found: Found, links: dict[tuple[int, int], str]) -> str:
    status, path = found.status, found.path.replace(" ", "\\ ")
    owner = "" if (status.st_uid, status.st_gid) == (0, 0) else f" {status.st_uid}:{status.st_gid}"
    mode = f"{stat.S_IMODE(status.st_mode):o}"
    if stat.S_ISDIR(status.st_mode):
        return f"{path}/{'' if mode == '755' else f' {mode}'}{owner}"
    if stat.S_ISLNK(status.st_mode):
        return f"{path} -> {os.readlink(found.name, dir_fd=found.folder)}{owner}"
    first = links.setdefault((status.st_dev, status.st_ino), path)
    if first != path:
        return f"{path} == {first}"
    shown = " |" if stat.S_ISFIFO(status.st_mode) else ""
    content = "" if shown else f" ={_content(found)}"
    return f"{path}{shown}{'' if mode == '644' else f' {mode}'}{owner}{content}"


def _content(found: Found) -> str:
    descriptor = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=found.folder)
    try:
        return os.read(descriptor, 80).decode("latin-1").replace(" ", "\\ ").replace("\n", "\\n")
    finally:
        os.close(descriptor)
