"""The lines that a build answers with, as Docker's classic builder writes them. Pure.

Owns texts and shapes; sends nothing.
"""

import codecs
from collections.abc import Mapping, Sequence

from engine.core.digests import short_digest
from engine.core.ids import short_id
from engine.core.stdcopy import STDERR
from engine.errors import EngineError, QuotaExceeded

Line = Mapping[str, object]
_RED, _PLAIN = "\033[91m", "\033[0m"


class StepFailed(EngineError):
    """The command of a step ended with ``exit_code``, or could not be run."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def stream(text: str) -> Line:
    return {"stream": text}


def step(number: int, total: int, text: str) -> Line:
    return stream(f"Step {number}/{total} : {text}\n")


def arrow(image_id: str) -> Line:
    """The image that a step ended with; nothing stands there while there is none."""
    return stream(f" ---> {short_digest(image_id)}\n")


def cached() -> Line:
    return stream(" ---> Using cache (CACHED)\n")


def running(container_id: str) -> Line:
    return stream(f" ---> Running in {short_id(container_id)}\n")


def removing(container_id: str) -> Line:
    return stream(f"Removing intermediate container {short_id(container_id)}\n")


def triggers(count: int) -> Line:
    return stream(f"# Executing {count} build trigger{'s' if count > 1 else ''}\n")


def unused_args(names: Sequence[str]) -> Line:
    return stream(f"[Warning] One or more build-args [{' '.join(names)}] were not consumed\n")


def image_id(identity: str) -> Line:
    return {"aux": {"ID": identity}}


def built(identity: str) -> Line:
    return stream(f"Successfully built {short_digest(identity)}\n")


def tagged(reference: str) -> Line:
    return stream(f"Successfully tagged {reference}\n")


def place(dockerfile: str, line: int, text: str) -> Line:
    """Where in the file it went wrong."""
    return stream(f"{dockerfile}:{line}: {text}\n")


def failure(error: EngineError) -> Line:
    """The last line of a build that fails; a code is that of the step's command. A refused quota has its figures beside."""
    detail: dict[str, object] = {"message": error.message}
    if isinstance(error, StepFailed):
        detail = {"code": error.exit_code, **detail}
    quota = {"quota": error.figures} if isinstance(error, QuotaExceeded) else {}
    return {"errorDetail": detail, "error": error.message, **quota}


class Transcript:
    """A command's output as text: characters that are cut in two by a piece's end are joined again."""

    def __init__(self) -> None:
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}

    def feed(self, source: int, data: bytes, *, is_last: bool = False) -> Line | None:
        """Return the line for a piece of standard output or error, if it makes one."""
        decoder = self._decoders.setdefault(source, codecs.getincrementaldecoder("utf-8")(errors="replace"))
        text = decoder.decode(data, is_last)
        if not text:
            return None
        return stream(f"{_RED}{text}{_PLAIN}" if source == STDERR else text)

    def rest(self) -> list[Line]:
        """Return what the end cut off."""
        return [line for source in list(self._decoders) if (line := self.feed(source, b"", is_last=True)) is not None]
