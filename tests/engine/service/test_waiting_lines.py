"""What waits for a client that reads slowly, or never."""

import asyncio

from engine.core.progress import Line, progress_line, status_line
from engine.service.waiting_lines import WaitingLines


def taken(lines: WaitingLines) -> list[Line]:
    return asyncio.run(asyncio.wait_for(lines.take(), 5))


def test_of_progress_that_nobody_has_read_only_the_latest_is_kept() -> None:
    lines = WaitingLines()
    for current in range(100_000):
        lines.put(progress_line("Downloading", "a", current=current, total=100_000))
    lines.put(progress_line("Downloading", "b", current=1, total=2))
    assert [(line["id"], line["progressDetail"]["current"]) for line in taken(lines)] == [("a", 99_999), ("b", 1)]


def test_what_a_layer_went_through_is_told_in_order() -> None:
    lines = WaitingLines()
    lines.put(status_line("Pulling fs layer", "a"))
    lines.put(progress_line("Downloading", "a", current=1, total=2))
    lines.put(status_line("Download complete", "a"))
    lines.put(progress_line("Downloading", "a", current=2, total=2))
    assert [line["status"] for line in taken(lines)] == ["Pulling fs layer", "Downloading", "Download complete"]


def test_lines_without_end_take_a_bounded_place() -> None:
    lines = WaitingLines()
    for number in range(100_000):
        lines.put(status_line(f"Digest: {number}"))
    assert len(taken(lines)) < 5000


def test_after_the_end_nothing_more_comes() -> None:
    lines = WaitingLines()
    lines.put(status_line("last"))
    lines.close()
    assert [taken(lines), taken(lines)] == [[status_line("last")], []]
