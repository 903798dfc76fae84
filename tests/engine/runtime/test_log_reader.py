"""Logs: what is written comes back, from any position, by lines, and on as it grows."""

import asyncio
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.log_format import STDERR, STDOUT
from engine.runtime.log_lines import LineJoiner, join_lines
from engine.runtime.log_reader import LogReader, LogStart
from engine.runtime.log_watch import LogWatcher
from engine.runtime.log_writer import LogWriter
from tests.engine.daemon import wait_until
from tests.engine.runtime.container_specs import log_spec

Piece = tuple[int, bytes]


def write_log(path: Path, *pieces: Piece, segment_bytes: int = 16 * 1024 * 1024, keep_segments: int = 0) -> LogWriter:
    """Frame number n has the time n + 1."""
    writer = LogWriter(log_spec(path, segment_bytes=segment_bytes, keep_segments=keep_segments))
    for number, (stream, data) in enumerate(pieces):
        writer.write(stream, memoryview(data), number + 1)
    return writer


async def read(path: Path, start: LogStart | None = None) -> list[Piece]:
    return [(frame.stream, frame.data) async for frame in LogReader(path).follow(start=start)]


async def test_frames_come_back_as_they_were_written(tmp_path: Path) -> None:
    pieces = [(STDOUT, b"one\n"), (STDERR, b"two"), (STDOUT, b"\x00\xff" * 1000)]
    write_log(tmp_path, *pieces)
    assert await read(tmp_path) == pieces


async def test_a_log_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert await read(tmp_path / "absent") == []
    assert LogReader(tmp_path / "absent").end() == 0


async def test_positions_go_on_over_segments_and_writers(tmp_path: Path) -> None:
    write_log(tmp_path, *[(STDOUT, b"a" * 100)] * 10, segment_bytes=300).close()
    write_log(tmp_path, *[(STDOUT, b"b" * 100)] * 10, segment_bytes=300).close()
    frames = [frame async for frame in LogReader(tmp_path).follow()]
    assert len(frames) == 20
    assert len(list(tmp_path.iterdir())) > 3
    assert [frame.start for frame in frames[1:]] == [frame.position for frame in frames[:-1]]
    assert frames[-1].position == LogReader(tmp_path).end()


async def test_reading_resumes_at_any_position(tmp_path: Path) -> None:
    write_log(tmp_path, *[(STDOUT, str(number).encode()) for number in range(10)], segment_bytes=50)
    frames = [frame async for frame in LogReader(tmp_path).follow()]
    for number, frame in enumerate(frames):
        assert [data for _, data in await read(tmp_path, LogStart(frame.position))] == [
            str(n).encode() for n in range(number + 1, 10)
        ]


async def test_old_segments_are_pruned_and_readers_go_on_with_what_is_left(tmp_path: Path) -> None:
    write_log(tmp_path, *[(STDOUT, b"x" * 100)] * 100, segment_bytes=500, keep_segments=2)
    assert len(list(tmp_path.iterdir())) == 2
    follower = LogReader(tmp_path).follow()
    frames = [frame async for frame in follower]
    assert 5 <= len(frames) <= 10
    assert follower.skipped_bytes == frames[0].start > 0


async def test_a_frame_cut_by_the_death_of_its_writer_is_neither_read_nor_kept(tmp_path: Path) -> None:
    write_log(tmp_path, (STDOUT, b"whole"), (STDOUT, b"torn"))
    (segment,) = tmp_path.iterdir()
    segment.write_bytes(segment.read_bytes()[:-2])
    assert await read(tmp_path) == [(STDOUT, b"whole")]
    assert LogReader(tmp_path).tail(1).position == 0
    write_log(tmp_path, (STDOUT, b"next"))
    assert await read(tmp_path) == [(STDOUT, b"whole"), (STDOUT, b"next")]


def test_a_disk_that_refuses_loses_output_and_counts_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    writer = write_log(tmp_path / "log", (STDOUT, b"12345"), (STDOUT, b"678"))
    assert writer.dropped_bytes == 8
    assert writer.position == 0


async def test_what_was_lost_is_told_of_once_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.write_text("a file where the folder should be")
    writer = write_log(folder, (STDOUT, b"12345"))
    folder.unlink()
    folder.mkdir()

    def has_room() -> bool:
        writer.write(STDERR, memoryview(b"x\n"), 1)
        return writer.position > 0

    wait_until(has_room, "the writer to try again")
    (first, told), (second, written) = await read(folder)
    assert (first, second, written) == (STDERR, STDERR, b"x\n")
    assert told == b"[%d bytes of output were lost here: there was no room for the log]\n" % writer.dropped_bytes


@pytest.mark.requires_root
async def test_part_of_a_frame_that_could_not_be_cut_off_at_once_is_cut_off_before_the_next(tmp_path: Path) -> None:
    """A file that only grows stands for a full btrfs, which takes part of a frame and has no room left to shorten a file."""
    writer = write_log(tmp_path, (STDOUT, b"whole\n"))
    (segment,) = tmp_path.iterdir()
    with only_growing(segment, most_bytes=segment.stat().st_size + 5):
        writer.write(STDOUT, memoryview(b"torn\n"), 2)
    assert segment.stat().st_size == writer.position + 5

    def has_room() -> bool:
        before = writer.position
        writer.write(STDOUT, memoryview(b"next\n"), 3)
        return writer.position > before

    wait_until(has_room, "the writer to try again")
    told = b"[%d bytes of output were lost here: there was no room for the log]\n" % writer.dropped_bytes
    assert await read(tmp_path) == [(STDOUT, b"whole\n"), (STDOUT, told), (STDOUT, b"next\n")]


@contextmanager
def only_growing(path: Path, *, most_bytes: int) -> Iterator[None]:
    """For as long as the block lasts the file cannot be shortened, and no file of this process grows beyond ``most_bytes``."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    subprocess.run(["chattr", "+a", path], check=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        subprocess.run(["chattr", "-a", path], check=True)


TAILS: list[tuple[str, list[Piece], int, list[Piece]]] = [
    ("none", [(STDOUT, b"a\nb\n")], 0, []),
    ("within a frame", [(STDOUT, b"a\nb\nc\n")], 2, [(STDOUT, b"b\nc\n")]),
    ("an unfinished line counts", [(STDOUT, b"a\nb\nc")], 2, [(STDOUT, b"b\nc")]),
    ("more than there is", [(STDOUT, b"a\n")], 5, [(STDOUT, b"a\n")]),
    (
        "a line in pieces is one line",
        [(STDOUT, b"x\nab"), (STDOUT, b"cd"), (STDOUT, b"ef\n")],
        1,
        [(STDOUT, b"ab"), (STDOUT, b"cd"), (STDOUT, b"ef\n")],
    ),
    (
        "the rest of an older line is left out",
        [(STDERR, b"old "), (STDOUT, b"new\n"), (STDERR, b"end\n")],
        1,
        [(STDOUT, b"new\n")],
    ),
    ("both streams", [(STDOUT, b"a\nb\n"), (STDERR, b"e\n"), (STDOUT, b"c\n")], 2, [(STDERR, b"e\n"), (STDOUT, b"c\n")]),
    ("empty lines", [(STDOUT, b"a\n\n\n")], 2, [(STDOUT, b"\n\n")]),
    ("a whole frame", [(STDOUT, b"a\n"), (STDOUT, b"b\nc\n")], 2, [(STDOUT, b"b\nc\n")]),
    ("a line feed alone", [(STDOUT, b"a\n"), (STDOUT, b"b"), (STDOUT, b"\n")], 1, [(STDOUT, b"b"), (STDOUT, b"\n")]),
]


@pytest.mark.parametrize(("pieces", "count", "expected"), [row[1:] for row in TAILS], ids=[row[0] for row in TAILS])
async def test_tail_begins_with_the_nth_last_line(tmp_path: Path, pieces: list[Piece], count: int, expected: list[Piece]) -> None:
    write_log(tmp_path, *pieces)
    assert await read(tmp_path, LogReader(tmp_path).tail(count)) == expected


async def test_tail_of_one_stream_passes_over_the_other(tmp_path: Path) -> None:
    write_log(tmp_path, (STDERR, b"first\n"), *[(STDOUT, b"out\n")] * 50, segment_bytes=200)
    start = LogReader(tmp_path).tail(1, streams=frozenset({STDERR}))
    assert [piece for piece in await read(tmp_path, start) if piece[0] == STDERR] == [(STDERR, b"first\n")]


@given(
    chunks=st.lists(
        st.binary(min_size=1, max_size=6).map(lambda data: bytes(b"\n"[0] if byte < 90 else 97 for byte in data)), max_size=20
    ),
    count=st.integers(1, 8),
)
def test_tail_agrees_with_splitting_the_whole(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], count: int) -> None:
    path = tmp_path_factory.mktemp("log")
    write_log(path, *[(STDOUT, chunk) for chunk in chunks], segment_bytes=64)
    found = b"".join(data for _, data in asyncio.run(read(path, LogReader(path).tail(count))))
    assert found == b"".join(b"".join(chunks).splitlines(keepends=True)[-count:])


async def test_since_begins_with_the_first_frame_not_older(tmp_path: Path) -> None:
    write_log(tmp_path, *[(STDOUT, f"{number}\n".encode()) for number in range(20)], segment_bytes=60)
    for time_ns in (0, 1, 7, 20, 21):
        found = await read(tmp_path, LogReader(tmp_path).since(time_ns))
        assert [data for _, data in found] == [f"{number}\n".encode() for number in range(max(0, time_ns - 1), 20)]


async def test_since_finds_what_was_written_before_the_clock_was_set_back(tmp_path: Path) -> None:
    writer = write_log(tmp_path, segment_bytes=60)
    times = [*range(100, 120), *range(50, 90)]
    for time_ns in times:
        writer.write(STDOUT, memoryview(b"%d\n" % time_ns), time_ns)
    found = await read(tmp_path, LogReader(tmp_path).since(115))
    assert [data for _, data in found] == [b"%d\n" % time_ns for time_ns in times[15:]]


async def test_a_follower_sees_what_comes_and_ends_after_the_last_of_it(tmp_path: Path) -> None:
    writer, ended, watcher = write_log(tmp_path, (STDOUT, b"0"), segment_bytes=40), asyncio.Event(), LogWatcher()

    async def write_on() -> None:
        for number in range(1, 10):
            await asyncio.sleep(0.01)
            writer.write(STDOUT, memoryview(str(number).encode()), number)
        ended.set()

    task = asyncio.create_task(write_on())
    found = [frame.data async for frame in LogReader(tmp_path, watcher=watcher).follow(ended=ended)]
    await task
    watcher.close()
    assert b"".join(found) == b"0123456789"


async def test_many_followers_share_one_watch(tmp_path: Path) -> None:
    writer, ended, watcher = write_log(tmp_path), asyncio.Event(), LogWatcher()

    async def follow() -> bytes:
        return b"".join([frame.data async for frame in LogReader(tmp_path, watcher=watcher).follow(ended=ended)])

    tasks = [asyncio.create_task(follow()) for _ in range(50)]
    await asyncio.sleep(0.05)
    for number in range(100):
        writer.write(STDOUT, memoryview(b"%d," % number), number + 1)
        await asyncio.sleep(0)
    ended.set()
    assert set(await asyncio.gather(*tasks)) == {b"".join(b"%d," % number for number in range(100))}
    watcher.close()


async def test_a_follower_of_a_removed_log_ends(tmp_path: Path) -> None:
    write_log(tmp_path / "log", (STDOUT, b"x")).close()
    watcher = LogWatcher()
    follower = LogReader(tmp_path / "log", watcher=watcher).follow(ended=asyncio.Event())
    assert [frame.data for frame in await follower.batch()] == [b"x"]
    waiting = asyncio.create_task(follower.batch())
    await asyncio.sleep(0.05)
    for path in (*(tmp_path / "log").iterdir(), tmp_path / "log"):
        path.unlink() if path.is_file() else path.rmdir()
    assert await waiting == []
    watcher.close()


async def test_a_follower_left_early_keeps_nothing_open(tmp_path: Path) -> None:
    write_log(tmp_path, (STDOUT, b"x")).close()
    watcher = LogWatcher()
    with LogReader(tmp_path, watcher=watcher).follow(ended=asyncio.Event()) as follower:
        await follower.batch()
        waiting = asyncio.create_task(follower.batch())
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert watcher.is_idle
    watcher.close()


async def test_lines_are_joined_over_frames_stream_by_stream(tmp_path: Path) -> None:
    write_log(tmp_path, (STDOUT, b"on"), (STDERR, b"err\n"), (STDOUT, b"e\r\ntwo\nth"), (STDOUT, b"ree"))
    frames = [frame async for frame in LogReader(tmp_path).follow()]
    found = [(line.time_ns, line.stream, line.data) for line in join_lines(frames)]
    assert found == [(2, STDERR, b"err\n"), (1, STDOUT, b"one\r\n"), (3, STDOUT, b"two\n"), (3, STDOUT, b"three")]


async def test_lines_come_as_soon_as_they_are_whole(tmp_path: Path) -> None:
    write_log(tmp_path, (STDOUT, b"a\nb\nc"))
    joiner = LineJoiner()
    found = [[line.data for line in joiner.feed(frame)] async for frame in LogReader(tmp_path).follow()]
    assert [*found, [line.data for line in joiner.rest()]] == [[b"a\n", b"b\n"], [b"c"]]


async def test_an_endless_line_is_not_held_back_whole(tmp_path: Path) -> None:
    write_log(tmp_path, *[(STDOUT, b"x" * 100_000)] * 10)
    joiner, longest = LineJoiner(), 0
    async for frame in LogReader(tmp_path).follow():
        longest = max([longest, *(len(line.data) for line in joiner.feed(frame))])
    assert 0 < longest < 500_000
