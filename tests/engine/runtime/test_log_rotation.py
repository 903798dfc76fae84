"""Logs that are cut: how long they grow, what readers see of a line that was cut, and how lines are joined over frames."""

import asyncio
import errno
import re
from pathlib import Path

import pytest

from engine.runtime.log_cursor import Frame
from engine.runtime.log_format import OVERHEAD_BYTES, STDOUT, segment_positions
from engine.runtime.log_lines import LineJoiner, join_lines
from engine.runtime.log_reader import LogReader, LogStart
from engine.runtime.log_watch import LogWatcher
from tests.engine.runtime.test_log_reader import read, write_log


async def test_no_segment_grows_beyond_its_length_and_only_so_many_are_kept(tmp_path: Path) -> None:
    writer = write_log(tmp_path, segment_bytes=1024, keep_segments=3)
    assert writer.frame_bytes == 1024 - OVERHEAD_BYTES
    for number in range(500):
        writer.write(STDOUT, memoryview(f"{number:050}\n".encode()), number + 1)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 3
    assert max(sizes) <= 1024
    shown = await read(tmp_path, LogStart(whole_lines=True))
    assert [int(data) for _, data in shown] == list(range(500 - len(shown), 500))


async def test_a_writer_that_goes_on_with_a_log_deletes_what_a_former_one_left(tmp_path: Path) -> None:
    write_log(tmp_path, *[(STDOUT, b"x" * 90)] * 10, segment_bytes=100).close()
    write_log(tmp_path, *[(STDOUT, b"y" * 90)] * 2, segment_bytes=100, keep_segments=3).close()
    assert len(list(tmp_path.iterdir())) == 3


async def test_what_is_left_of_a_line_whose_begin_was_pruned_is_not_shown(tmp_path: Path) -> None:
    writer = write_log(tmp_path, segment_bytes=80, keep_segments=1)
    for piece in (b"the begin of a line that is cut later", b" and its end\nwhole\n", b"last\n"):
        writer.write(STDOUT, memoryview(piece), 1)
    shown = b"".join(data for _, data in await read(tmp_path, LogStart(whole_lines=True)))
    assert shown == b"whole\nlast\n"


async def test_a_follower_that_is_overtaken_goes_on_with_the_oldest_whole_line_kept(tmp_path: Path) -> None:
    writer = write_log(tmp_path, segment_bytes=100, keep_segments=2)
    writer.write(STDOUT, memoryview(b"first\nhalf"), 1)
    ended, watcher = asyncio.Event(), LogWatcher()
    with LogReader(tmp_path, watcher=watcher).follow(start=LogStart(whole_lines=True), ended=ended) as follower:
        assert [frame.data for frame in await follower.batch()] == [b"first\nhalf"]
        for number in range(40):
            writer.write(STDOUT, memoryview(f" a line\nof {number}".encode()), 2)
        ended.set()
        rest = b"".join([frame.data async for frame in follower])
        assert follower.skipped_bytes > 0
    watcher.close()
    numbers = [int(number) for number in re.findall(rb"of (\d+)", rest)]
    gap = next(at for at, number in enumerate(numbers) if number != at)
    assert numbers[gap:] == list(range(numbers[gap], 40))


async def test_five_followers_of_a_log_that_is_cut_all_see_its_end_in_order(tmp_path: Path) -> None:
    writer, ended, watcher = write_log(tmp_path, segment_bytes=2048, keep_segments=2), asyncio.Event(), LogWatcher()

    async def numbers() -> list[int]:
        with LogReader(tmp_path, watcher=watcher).follow(start=LogStart(whole_lines=True), ended=ended) as follower:
            return [int(line) async for frame in follower for line in frame.data.split()]

    followers = [asyncio.create_task(numbers()) for _ in range(5)]
    for number in range(3000):
        writer.write(STDOUT, memoryview(f"{number}\n".encode()), number + 1)
        if number % 50 == 0:
            await asyncio.sleep(0)
    ended.set()
    for seen in await asyncio.gather(*followers):
        assert seen == sorted(set(seen))
        assert seen[-1] == 2999
    watcher.close()


async def test_a_line_that_a_run_left_unfinished_is_not_joined_with_the_next_run(tmp_path: Path) -> None:
    write_log(tmp_path, (STDOUT, b"cut")).close()
    write_log(tmp_path, (STDOUT, b"new\n")).close()
    frames = [frame async for frame in LogReader(tmp_path).follow()]
    assert [line.data for line in join_lines(frames)] == [b"cut", b"new\n"]


def test_a_line_written_byte_by_byte_is_joined_without_copying_it_each_time() -> None:
    joiner, count = LineJoiner(), 250_000
    for number in range(count):
        assert joiner.feed(Frame(1, STDOUT, b"x", number, number + 1, continues=number > 0)) == []
    assert [len(line.data) for line in joiner.rest()] == [count]


async def test_pieces_of_an_endless_line_are_told_apart_from_its_begin(tmp_path: Path) -> None:
    write_log(tmp_path, *[(STDOUT, b"x" * 100_000)] * 10, (STDOUT, b"\nnext\n"))
    lines = join_lines([frame async for frame in LogReader(tmp_path).follow()])
    assert [line.continues for line in lines] == [False, *[True] * (len(lines) - 2), False]
    assert b"".join(line.data for line in lines) == b"x" * 1_000_000 + b"\nnext\n"


async def test_a_log_is_followed_though_the_host_has_no_watches_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted() -> int:
        raise OSError(errno.EMFILE, "too many open files", "inotify")

    monkeypatch.setattr("engine.linux.inotify.inotify_init", exhausted)
    writer, ended, watcher = write_log(tmp_path, (STDOUT, b"a\n")), asyncio.Event(), LogWatcher()
    watcher.open()
    with LogReader(tmp_path, watcher=watcher).follow(ended=ended) as follower:
        assert [frame.data for frame in await follower.batch()] == [b"a\n"]
        waiting = asyncio.create_task(follower.batch())
        await asyncio.sleep(0)
        writer.write(STDOUT, memoryview(b"b\n"), 2)
        assert [frame.data for frame in await waiting] == [b"b\n"]


def test_what_a_reader_still_needs_is_kept_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.log_segments._HELD_BYTES", 1000)
    writer = write_log(tmp_path, *[(STDOUT, b"x" * 80)] * 3, segment_bytes=100, keep_segments=1)
    writer.needed_from = segment_positions(str(tmp_path))[0]
    for number in range(5):
        writer.write(STDOUT, memoryview(b"y" * 80), number)
    assert segment_positions(str(tmp_path))[0] == writer.needed_from
    for number in range(20):
        writer.write(STDOUT, memoryview(b"z" * 80), number)
    assert len(segment_positions(str(tmp_path))) * 97 <= 1000 + 97
    writer.needed_from = None
    writer.write(STDOUT, memoryview(b"end"), 1)
    writer.write(STDOUT, memoryview(b"w" * 80), 1)
    assert len(segment_positions(str(tmp_path))) == 1
