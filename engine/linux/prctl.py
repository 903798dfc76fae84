"""prctl(2) and the session keyring: attributes of the calling process."""

from engine.linux.libc import KEYCTL, call, syscall

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_GET_SECUREBITS = 27
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47

PR_CAP_AMBIENT_CLEAR_ALL = 4
SECBIT_NO_SETUID_FIXUP = 1 << 2

_KEYCTL_JOIN_SESSION_KEYRING = 1


def prctl(option: int, argument: int = 0) -> int:
    """prctl(2) with one argument; the unused ones are zero, as newer options demand."""
    return call("prctl", option, argument, 0, 0, 0, subject=f"prctl {option}")


def join_new_session_keyring() -> None:
    """Leave the inherited session keyring for an empty one (keyctl(2)). Raises OSError."""
    syscall(KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, None, subject="session keyring")
