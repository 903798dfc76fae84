"""Reading tar streams: every dialect in use, and nothing taken on trust."""

import contextlib
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidParameter
from engine.storage import tar
from engine.storage.tar_source import TarSource
from tests.engine.storage.tar_archives import END, archive, folder, hard_link, header, member, padded, symlink


def read(raw: bytes, piece: int = 700) -> list[tuple[tar.Entry, bytes]]:
    """Read an archive that arrives in pieces of an awkward size."""
    source = TarSource(raw[at : at + piece] for at in range(0, len(raw), piece))
    return [(entry, source.content_exactly(entry.size)) for entry in tar.read_entries(source)]


def one(raw: bytes) -> tar.Entry:
    ((entry, _),) = read(raw)
    return entry


LONG = "folder/" * 30 + "file-with-a-long-name" * 6


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_kinds_of_members_are_read_in_each_dialect(form: int) -> None:
    raw = archive(
        [
            folder("etc/", mode=0o1750, owner=(3, 4)),
            member("etc/motd", b"hello\n" * 300, mode=0o4755, mtime=1_234_567_890),
            symlink("etc/link", "motd"),
            hard_link("etc/same", "etc/motd"),
            member("pipe", kind=tarfile.FIFOTYPE),
            member("null", kind=tarfile.CHRTYPE, device=(1, 3)),
        ],
        form,
    )
    entries = read(raw)
    assert [(entry.name.rstrip("/"), entry.kind, entry.link) for entry, _ in entries] == [
        ("etc", tar.FOLDER, ""),
        ("etc/motd", tar.FILE, ""),
        ("etc/link", tar.SYMLINK, "motd"),
        ("etc/same", tar.HARD_LINK, "etc/motd"),
        ("pipe", tar.FIFO, ""),
        ("null", tar.CHARACTER, ""),
    ]
    assert (entries[0][0].mode, entries[0][0].uid, entries[0][0].gid) == (0o1750, 3, 4)
    assert (entries[1][0].mode, entries[1][0].mtime_ns) == (0o4755, 1_234_567_890 * 10**9)
    assert entries[1][1] == b"hello\n" * 300


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_and_links_of_any_length_and_bytes_are_read(form: int) -> None:
    raw = archive([member(LONG, b"x"), symlink("short", LONG), member("caf\udce9", b"latin")], form)
    names = [(entry.name, entry.link) for entry, _ in read(raw)]
    assert names == [(LONG, ""), ("short", LONG), ("caf\udce9", "")]


def test_ustar_joins_its_prefix_and_gnu_does_not() -> None:
    assert one(header(b"file", tail=b"some/folder") + END).name == "some/folder/file"
    assert one(header(b"file", magic=b"ustar  \0", tail=b"15000000000") + END).name == "file"


def test_the_first_tar_had_neither_magic_nor_a_type_for_folders() -> None:
    assert one(header(b"file", kind=b"\0", magic=bytes(8)) + END).kind == tar.FILE
    assert one(header(b"folder/", kind=b"\0", magic=bytes(8)) + END).kind == tar.FOLDER


def test_pax_records_win_over_the_header() -> None:
    entry = one(
        archive([member("x", pax={"path": "é/y", "uid": "4000000000", "mtime": "12.5", "SCHILY.xattr.user.note": "a=b\n"})])
    )
    assert (entry.name, entry.uid, entry.mtime_ns) == ("é/y", 4_000_000_000, 12_500_000_000)
    assert entry.xattrs == {"user.note": b"a=b\n"}


@pytest.mark.parametrize(
    ("text", "time_ns"), [("-1.25", -1_250_000_000), ("0", 0), ("1.0000000019", 10**9 + 1), ("7.", 7 * 10**9)]
)
def test_times_before_1970_and_fractions_are_read(text: str, time_ns: int) -> None:
    assert one(archive([member("x", pax={"mtime": text})])).mtime_ns == time_ns


def test_numbers_too_large_for_octal_are_read() -> None:
    assert one(header(b"x", uid=b"\x80\0\0\0\xff\0\0\0") + END).uid == 0xFF000000
    assert one(archive([member("x", owner=(5_000_000, 0))], tarfile.GNU_FORMAT)).uid == 5_000_000


def test_global_records_and_volume_labels_are_passed_over() -> None:
    body = b"16 comment=abcd\n"
    raw = header(b"g", kind=b"g", size=b"%011o\0" % len(body)) + padded(body) + header(b"label", kind=b"V")
    assert [entry.name for entry, _ in read(raw + header(b"x") + END)] == ["x"]


def test_an_archive_may_end_without_its_end_mark() -> None:
    assert one(header(b"x")).name == "x"


def test_everything_after_the_end_mark_is_read_too() -> None:
    blocks: Iterator[bytes] = iter([header(b"x"), END, b"padding" * 1000, bytes(4096)])
    assert [entry.name for entry in tar.read_entries(TarSource(blocks))] == ["x"]
    assert list(blocks) == []


def _size(number: int) -> bytes:
    return b"%011o\0" % number


HOSTILE = {
    "text": b"this is no archive at all, " * 40,
    "damaged checksum": b"y" + header(b"x")[1:],
    "cut in a header": header(b"x")[:200],
    "cut in the content": header(b"x", size=_size(5000)) + bytes(600),
    "unknown type": header(b"x", kind=b"M") + END,
    "negative size": header(b"x", size=b"\xff" * 12) + END,
    "negative owner": header(b"x", uid=b"\xff" * 8) + END,
    "size of letters": header(b"x", size=b"12monkeys\0\0\0") + END,
    "endless long name": header(b"@LongLink", kind=b"L", size=_size(1 << 30)) + END,
    "negative long name": header(b"@LongLink", kind=b"L", size=b"\xff" * 12) + END,
    "endless pax header": header(b"x", kind=b"x", size=_size(1 << 30)) + END,
    "negative global header": header(b"x", kind=b"g", size=b"\xff" * 12) + END,
    "cut in a pax header": header(b"x", kind=b"x", size=_size(100)) + b"30 path=",
}
PAX_BODIES = {
    "no length": b"path=x\n",
    "zero length": b"0 path=x\n",
    "length past the end": b"99 path=x\n",
    "no newline": b"10 path=xy",
    "no key": b"6 =xy\n",
    "huge length": b"9" * 19 + b" a=b\n",
    "zero byte in a name": b"12 path=x\0y\n",
    "size of letters": b"13 size=many\n",
    "negative size": b"11 size=-1\n",
    "time of letters": b"13 mtime=now\n",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_malformed_archive_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidParameter, match="archive"):
        read(raw)


@pytest.mark.parametrize("body", PAX_BODIES.values(), ids=PAX_BODIES.keys())
def test_a_malformed_pax_header_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidParameter, match="archive"):
        read(header(b"x", kind=b"x", size=_size(len(body))) + padded(body) + header(b"y") + END)


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=2000), st.integers(0, 1500))
def test_no_damage_makes_anything_but_a_refusal(noise: bytes, at: int) -> None:
    sound = archive([member("a" * 120, b"x" * 600, pax={"mtime": "1.5"}), symlink("l", "a")])
    raw = sound[:at] + noise + sound[at + len(noise) :]
    with contextlib.suppress(InvalidParameter):
        read(raw)


def test_a_stream_may_come_byte_by_byte() -> None:
    assert read(archive([member("x", b"y" * 3000)]), piece=1)[0][1] == b"y" * 3000
