"""Takes the questions out of replayed terminal output. Pure.

A program asks its terminal where the cursor is, or what it can do, by output, and gets the answer as input. When old output is
shown again the browser's terminal would answer again, and the answers would be typed into a shell that asked long ago.
"""

import re

# Device status and attributes (CSI … n, CSI … c), mode requests (CSI ? … $ p), and colours (OSC 4, 10, 11, 12 with "?").
_QUESTION = re.compile(rb"\x1b\[[?>=]?[0-9;]*[nc]|\x1b\[\??[0-9;]*\$p|\x1b\](?:4;[0-9]+|1[0-2]);\?(?:\x07|\x1b\\)")
_UNFINISHED = re.compile(rb"\x1b(?:\[[?>=]?[0-9;]*\$?|\][0-9;]*\??\x1b?)?\Z")
_LONGEST = 32


class QuestionFilter:
    """Feed it the replayed pieces in order; ``finish`` gives back what it held because it might have become a question."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        clean = _QUESTION.sub(b"", self._held + data)
        unfinished = _UNFINISHED.search(clean, max(0, len(clean) - _LONGEST))
        self._held = unfinished.group() if unfinished else b""
        return clean[: len(clean) - len(self._held)]

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return held
