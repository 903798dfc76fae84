"""fsopen(2), fsconfig(2), fsmount(2): a new file system as a detached mount, with the kernel's own words when it fails."""

import os

from engine.linux.libc import FSCONFIG, FSMOUNT, FSOPEN, syscall

_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_SET_FLAG = 0
_SET_STRING = 1
_SET_FD = 5
_CMD_CREATE = 6
_MESSAGE_BYTES = 4096


class FilesystemContext:
    """A file system being configured; a context manager that closes the descriptor."""

    def __init__(self, filesystem: str) -> None:
        self._filesystem = filesystem
        self._fd = syscall(FSOPEN, os.fsencode(filesystem), _FSOPEN_CLOEXEC, subject=filesystem)

    def __enter__(self) -> "FilesystemContext":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def set_flag(self, key: str) -> None:
        """An option without a value."""
        self._configure(_SET_FLAG, key, None, 0)

    def set_string(self, key: str, value: str) -> None:
        """An option with a value; the kernel takes at most 255 bytes."""
        self._configure(_SET_STRING, key, os.fsencode(value), 0)

    def set_fd(self, key: str, fd: int) -> None:
        """An option whose value is a descriptor, such as an overlay's layer."""
        self._configure(_SET_FD, key, None, fd)

    def create(self) -> None:
        """Make the superblock. Raises OSError with the kernel's message."""
        self._configure(_CMD_CREATE, None, None, 0)

    def mount(self, attributes: int = 0) -> int:
        """A detached mount of what ``create`` made, as a descriptor."""
        try:
            return syscall(FSMOUNT, self._fd, _FSMOUNT_CLOEXEC, attributes)
        except OSError as error:
            raise self._explained(error) from None

    def _configure(self, command: int, key: str | None, value: bytes | None, auxiliary: int) -> None:
        try:
            syscall(FSCONFIG, self._fd, command, None if key is None else os.fsencode(key), value, auxiliary)
        except OSError as error:
            raise self._explained(error) from None

    def _explained(self, error: OSError) -> OSError:
        """The error with what the kernel wrote into the context, one line for each message."""
        lines = []
        while True:
            try:
                lines.append(os.read(self._fd, _MESSAGE_BYTES).decode(errors="replace").strip())
            except OSError:
                break
        detail = "; ".join(lines)
        return OSError(error.errno, f"{error.strerror} ({detail})" if detail else error.strerror, self._filesystem)


def new_mount(filesystem: str, attributes: int, **options: str) -> int:
    """A detached mount of a new instance of a file system with string options."""
    with FilesystemContext(filesystem) as context:
        context.set_string("source", filesystem)
        for key, value in options.items():
            context.set_string(key, value)
        context.create()
        return context.mount(attributes)
