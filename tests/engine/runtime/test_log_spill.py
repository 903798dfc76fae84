"""The spill: while a log has no room, whoever follows it gets everything, once and in order; the log tells what it lacks."""

import asyncio
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.launch import LogSpec
from engine.runtime.log_cursor import Frame
from engine.runtime.log_format import LOST, STDERR, STDOUT, segment_positions
from engine.runtime.log_lines import join_lines
from engine.runtime.log_merge import MergedCursor, Place
from engine.runtime.log_reader import LogReader, LogStart
from engine.runtime.log_spill import SEGMENT_BYTES, SEGMENTS
from engine.runtime.log_watch import LogWatcher
from engine.runtime.log_writer import LogWriter

Said = list[tuple[int, bytes]]
HUGE = b"x" * 100_000 + b"\n"


@pytest.fixture(autouse=True, scope="module")
def tries_always() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.runtime.log_writer._REFUSED_SECONDS", 0.0)
        patch.setattr("engine.runtime.log_spill._REFUSED_SECONDS", 0.0)
        yield


class Disk:
    """A writer whose way to the log's folder can be taken away, which stands for a disk without room: readers still read."""

    def __init__(self, path: Path, *, keep_segments: int = 0) -> None:
        self.path, self.way, self.spill = path / "log", path / "way", path / "spill"
        self.path.mkdir()
        self.free()
        self.spec: LogSpec = {
            "directory": str(self.way),
            "segment_bytes": 1 << 20,
            "keep_segments": keep_segments,
            "spill": str(self.spill),
        }
        self.time_ns = 0
        self.writer = self.begin()

    def begin(self) -> LogWriter:
        self.writer = LogWriter(self.spec)
        self.writer.begin()
        return self.writer

    def write(self, data: bytes, stream: int = STDOUT) -> None:
        self.time_ns += 1
        self.writer.write(stream, memoryview(data), self.time_ns)

    def fill(self) -> None:
        """The open file is let go of, so that the next frame needs one."""
        state = self.writer.state()
        if state["fd"] >= 0:
            os.close(state["fd"])
        self.writer = LogWriter(self.spec, {**state, "fd": -1})
        self.way.unlink()

    def free(self) -> None:
        self.way.symlink_to(self.path)

    def reader(self, watcher: LogWatcher | None = None) -> LogReader:
        return LogReader(self.path, spill=self.spill, watcher=watcher)

    def cursor(self, start: LogStart | None = None) -> MergedCursor:
        start = start or LogStart()
        return MergedCursor(str(self.path), str(self.spill), start=Place(start.position, start.spilled), end=None)

    def read(self, start: LogStart | None = None) -> bytes:
        """As who does not follow."""
        follower = self.reader().follow(start=start)

        async def all_of_it() -> bytes:
            return b"".join([frame.data async for frame in follower])

        return asyncio.run(all_of_it())


def joined(frames: list[Frame]) -> Said:
    """What was said, with what is said in pieces put together."""
    return [
        (stream, b"".join(frame.data for frame in pieces)) for stream, pieces in groupby(frames, key=lambda frame: frame.stream)
    ]


def read_on(cursor: MergedCursor) -> list[Frame]:
    found: list[Frame] = []
    while True:
        before = cursor.place
        frames = cursor.read()
        found += frames
        if not frames and cursor.place == before:
            return found


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["fill", "free", "read", "renew", "succeed"]),
        st.tuples(st.sampled_from([STDOUT, STDERR]), st.sampled_from([b"a\n", b"b", b"c\nd\n", b"\n", b"e" * 999])),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_who_reads_now_and_then_gets_all_once_in_order_and_in_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str | tuple[int, bytes]]
) -> None:
    """Also where another writer takes over, by its state or after a sudden death, between any two of the frames."""
    disk = Disk(tmp_path_factory.mktemp("disk"))
    cursor, found, said, is_full = disk.cursor(), list[Frame](), Said(), False
    for step in steps:
        if isinstance(step, tuple):
            disk.write(step[1], step[0])
            said.append(step)
        elif step == "read":
            found += read_on(cursor)
        elif step == "fill" and not is_full:
            disk.fill()
            is_full = True
        elif step == "free" and is_full:
            disk.free()
            is_full = False
        elif step == "renew":
            disk.writer = LogWriter(disk.spec, disk.writer.state())
        elif step == "succeed" and not is_full:
            disk.writer = LogWriter(disk.spec)
            disk.writer.resume_line()
    if is_full:
        disk.free()
    disk.writer.close()
    found += read_on(cursor)
    assert b"".join(data for stream, data in joined(found)) == b"".join(data for _, data in said)
    for stream in (STDOUT, STDERR):
        assert b"".join(f.data for f in found if f.stream == stream) == b"".join(data for s, data in said if s == stream)
    if "succeed" not in steps:  # it knows of the line of one stream only
        for stream in (STDOUT, STDERR):
            whole = b"".join(data for s, data in said if s == stream).splitlines(keepends=True)
            assert [line.data for line in join_lines(found) if line.stream == stream] == whole


def test_the_log_alone_tells_once_what_it_lacks_and_goes_on(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write(b"kept\n")
    disk.fill()
    position = disk.writer.position
    for _ in range(3):
        disk.write(b"lost\n")
    assert disk.writer.position == position
    disk.free()
    disk.write(b"next\n")
    disk.write(b"last\n")
    assert disk.read() == b"kept\nlost\nlost\nlost\nnext\nlast\n"
    disk.writer.close()
    disk.begin()
    assert disk.read() == b"kept\n" + LOST % 15 + b"next\nlast\n"


def test_what_was_never_told_is_told_by_the_next_run(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write(b"kept\n")
    disk.fill()
    disk.write(b"lost\n")
    disk.writer.close()
    disk.free()
    assert disk.read() == b"kept\nlost\n"
    disk.begin()
    assert disk.read() == b"kept\n"
    disk.write(b"next\n")
    assert disk.read() == b"kept\n" + LOST % 5 + b"next\n"


def test_the_spill_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write(b"kept\n")
    disk.fill()
    for number in range(30):
        disk.write(b"%d%s" % (number, HUGE))
        assert sum(path.stat().st_size for path in disk.spill.iterdir()) <= SEGMENTS * SEGMENT_BYTES
    disk.free()
    disk.write(b"next\n")
    told = disk.read()
    assert told.startswith(b"kept\n")
    assert told.endswith(b"29" + HUGE + LOST % disk.writer.dropped_bytes + b"next\n")
    assert told.count(b"were lost here") == 1


def test_who_comes_later_sees_what_is_said_from_then_on(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write(b"kept\n")
    disk.fill()
    disk.write(b"before\n")
    disk.free()
    now, tail, since = disk.reader().now(), disk.reader().tail(1), disk.reader().since(2)
    disk.fill()
    disk.write(b"after\n")
    disk.free()
    assert disk.read(now) == b"after\n"
    assert disk.read(tail) == b"kept\nafter\n"
    assert disk.read(since) == b"before\nafter\n"


def test_positions_go_on_where_a_spill_is_cleared(tmp_path: Path) -> None:
    """A client that waits for the start of a container has noted where its output will begin."""
    disk = Disk(tmp_path)
    disk.fill()
    disk.write(b"old\n")
    disk.writer.close()
    disk.free()
    start, late = disk.reader().now(), disk.cursor()
    disk.begin()
    (empty,) = disk.spill.iterdir()
    assert (empty.stat().st_size, segment_positions(str(disk.spill))) == (0, [start.spilled])
    disk.fill()
    disk.write(b"new\n")
    disk.free()
    assert disk.read(start) == b"new\n"
    assert [frame.data for frame in read_on(late)] == [b"new\n"]


def test_short_spells_throw_nothing_away_that_was_kept(tmp_path: Path) -> None:
    disk = Disk(tmp_path, keep_segments=3)
    disk.write(b"kept\n")
    for _ in range(10):
        disk.fill()
        disk.write(b"lost\n")
        disk.free()
    assert segment_positions(str(disk.path)) == [0]
    assert disk.read() == b"kept\n" + b"lost\n" * 10


def test_where_the_spill_has_no_room_either_it_is_as_without(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write(b"kept\n")
    disk.fill()
    disk.spill.rmdir()
    disk.write(b"lost\n")
    disk.free()
    disk.write(b"next\n")
    assert disk.read() == b"kept\n" + LOST % 5 + b"next\n"
    assert not disk.spill.exists()  # the container may be on its way out


async def test_who_waits_is_woken_by_what_is_spilled(tmp_path: Path) -> None:
    disk, watcher, ended = Disk(tmp_path), LogWatcher(), asyncio.Event()
    disk.write(b"kept\n")
    with disk.reader(watcher).follow(ended=ended) as follower:
        assert [frame.data for frame in await follower.batch()] == [b"kept\n"]
        waiting = asyncio.create_task(follower.batch())
        await asyncio.sleep(0)  # until it waits
        disk.fill()
        disk.write(b"spilled\n")
        assert [frame.data for frame in await waiting] == [b"spilled\n"]
        ended.set()
        assert await follower.batch() == []
    assert watcher.is_idle
    watcher.close()
