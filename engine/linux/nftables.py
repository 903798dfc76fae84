"""nftables through libnftables (libnftables(3)): commands as text, in one transaction each. Decides nothing about rules."""

import ctypes
import errno
import socket
import struct
from functools import cache

_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_NFNLGRP_NFTABLES = 7
_NFT_MSG_DELTABLE = 10 << 8 | 2  # subsystem NFNL_SUBSYS_NFTABLES, message 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libnftables.so.1")
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_ctx_free.restype = None
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("output", "error"):
        getattr(library, f"nft_ctx_buffer_{name}").argtypes = [ctypes.c_void_p]
        getattr(library, f"nft_ctx_get_{name}_buffer").argtypes = [ctypes.c_void_p]
        getattr(library, f"nft_ctx_get_{name}_buffer").restype = ctypes.c_char_p
    return library


class Nftables:
    """A libnftables context, bound to the network namespace of the thread that makes it. Not for several threads at once.

    Raises OSError when the library is missing or no context can be had.
    """

    def __init__(self) -> None:
        self._library = _library()
        self._context: int | None = self._library.nft_ctx_new(0)
        if not self._context:
            raise OSError(errno.ENOMEM, "cannot make an nftables context")
        # Buffered, or libnftables would write to our standard output and error.
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> str:
        """Run commands in the syntax of nft(8), all or none of them, and return what they print.

        Raises OSError with nft's own words. ENOENT stands for any refusal: the library does not hand the kernel's number out.
        """
        status = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        output = self._text("output")
        error = self._text("error")
        if status != 0:
            raise OSError(errno.ENOENT, f"nftables: {' '.join(error.split()) or 'command refused'}")
        return output

    def _text(self, name: str) -> str:
        """Return a buffer's text and empty it."""
        text: bytes | None = getattr(self._library, f"nft_ctx_get_{name}_buffer")(self._context)
        return text.decode(errors="replace") if text else ""

    def close(self) -> None:
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None


class TableWatch:
    """Notices that some table was deleted, in the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)

    def fileno(self) -> int:
        """Readable when something about nftables has changed."""
        return self._socket.fileno()

    def saw_deletion(self) -> bool:
        """Read what has come in; tell whether a table was deleted, or so much happened that the kernel dropped messages."""
        seen = False
        while True:
            try:
                seen = _NFT_MSG_DELTABLE in _message_types(self._socket.recv(1 << 20)) or seen
            except BlockingIOError:
                return seen
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                seen = True

    def close(self) -> None:
        self._socket.close()


def _message_types(data: bytes) -> set[int]:
    types = set()
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, message_type, *_ = _HEADER.unpack_from(data, offset)
        types.add(message_type)
        offset += max(_HEADER.size, (length + 3) & ~3)
    return types
