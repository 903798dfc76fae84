"""Archives for the tests: honest ones by the standard library, the others by hand."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

BLOCK = 512
END = bytes(2 * BLOCK)


def member(
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    link: str = "",
    owner: tuple[int, int] = (0, 0),
    mtime: float = 1_000_000_000,
    device: tuple[int, int] = (0, 0),
    pax: Mapping[str, str] | None = None,
) -> tuple[tarfile.TarInfo, bytes]:
    """Describe one member for ``archive``."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.mtime, info.size = kind, mode, link, mtime, len(content)
    (info.uid, info.gid), (info.devmajor, info.devminor) = owner, device
    info.pax_headers = dict(pax or {})
    return info, content


def folder(name: str, mode: int = 0o755, **options: object) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.DIRTYPE, mode=mode, **options)  # type: ignore[arg-type]  # passed on as they are


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.SYMTYPE, mode=0o777, link=target)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.LNKTYPE, link=target)


def archive(members: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Write members as a tar; unlike ``tar`` it writes any name as it is told."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def header(
    name: bytes,
    *,
    kind: bytes = b"0",
    size: bytes = b"00000000000\0",
    link: bytes = b"",
    uid: bytes = b"0000000\0",
    magic: bytes = b"ustar\x0000",
    tail: bytes = b"",
) -> bytes:
    """Write one header by hand, with a right checksum; ``tail`` starts at the prefix field (345)."""
    block = name.ljust(100, b"\0") + b"0000644\0" + uid + b"0000000\0" + size + b"00000000000\0" + b" " * 8 + kind
    block += link.ljust(100, b"\0") + magic + bytes(80)
    block = (block + tail).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def names_in(path: Path) -> list[str]:
    """Return what a folder holds, sorted."""
    return sorted(child.name for child in path.iterdir())
