"""rt_sigaction(2) itself, for the two signals that the C library keeps for its threads and lets nobody set."""

from engine.linux.libc import RT_SIGACTION, syscall

_OF_THE_LIBRARY = (32, 33)
_DEFAULT = bytes(32)  # struct sigaction of the kernel: handler SIG_DFL, no flags, no mask
_MASK_BYTES = 8


def reset_library_signals() -> None:
    """Undo what posix_spawn(3) leaves behind: a program that it starts, and all that come after, ignore these."""
    for number in _OF_THE_LIBRARY:
        syscall(RT_SIGACTION, number, _DEFAULT, None, _MASK_BYTES, subject="rt_sigaction")
