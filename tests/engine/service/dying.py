"""``python -m engine`` that dies by SIGKILL at a chosen step of its work: a change of a file, a message to kernel or neighbour.

The file ``fuse`` in the folder ``ENGINE_FUSE`` holds the number of steps to live; it is read, and removed, at the beginning or on
SIGUSR2, after which ``steps`` tells how many there were since the last time. The engine itself is not changed.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.linux.netlink import Rtnetlink
from engine.linux.nft_elements import SetElements
from engine.linux.nftables import Nftables

_CHANGES = frozenset(
    {
        *("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chown"),
        *("fcntl.ioctl", "socket.sendmsg", "subprocess.Popen"),
    }
)


class Fuse:
    """Counts steps; the last one that it lets happen is followed by the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = sys.maxsize
        self._count = 0
        self._lock = threading.RLock()
        self._is_reading = False

    def read(self, *_: object) -> None:
        """Take the number of steps from the file, if there is one."""
        self._is_reading = True
        try:
            left = int((self._folder / "fuse").read_text())
            (self._folder / "steps").write_text(str(self._count))
            (self._folder / "fuse").unlink()
            self._left, self._count = left, 0
        except FileNotFoundError:
            pass
        finally:
            self._is_reading = False

    def step(self) -> None:
        if self._is_reading:
            return
        with self._lock:
            self._count += 1
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _audited(fuse: Fuse) -> Callable[[str, tuple[Any, ...]], None]:
    main = os.getpid()

    def hook(event: str, _: tuple[Any, ...]) -> None:
        if event in _CHANGES and os.getpid() == main:
            fuse.step()

    return hook


def _counted(fuse: Fuse, owner: type, name: str) -> None:
    """After the method, so that each change is once the last one that was made."""
    former = getattr(owner, name)

    def method(*arguments: Any, **fields: Any) -> Any:
        result = former(*arguments, **fields)
        fuse.step()
        return result

    setattr(owner, name, method)


def main() -> None:
    fuse = Fuse(Path(os.environ["ENGINE_FUSE"]))
    for owner, names in ((Rtnetlink, ["request"]), (Nftables, ["run"]), (SetElements, ["add", "delete"])):
        for name in names:
            _counted(fuse, owner, name)
    sys.addaudithook(_audited(fuse))
    signal.signal(signal.SIGUSR2, fuse.read)
    fuse.read()
    from engine.__main__ import main as engine_main

    sys.exit(engine_main(sys.argv[1:]))


if __name__ == "__main__":
    main()
