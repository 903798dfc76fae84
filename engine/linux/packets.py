"""Messages between processes of the engine: one JSON object in each SOCK_SEQPACKET message, descriptors beside it.

Owns the wire only; what the messages mean is for the two ends to know. Used by the supervisor, so standard library and no typing
at run time.

A message names its descriptors in ``fds``, in the order in which they travel. A request carries a number ``n``, its answer
carries it back as ``re``; messages without either are events. A body too large for one packet travels in a memfd.
"""

from __future__ import annotations

import array
import json
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Body = dict[str, Any]
else:
    Body = dict

MAX_PACKET_BYTES = 64 * 1024  # well below net.core.wmem_default
MAX_FDS = 16
_IN_MEMFD = b"@"
_FDS_BYTES = socket.CMSG_SPACE(MAX_FDS * array.array("i").itemsize)
_MSG_CMSG_CLOEXEC = 0x40000000  # without it received descriptors leak into containers; the socket module does not name it


class EndOfStream(Exception):
    """The other end is gone."""


def send(sock: socket.socket, body: Body, fds: Mapping[str, int] | None = None) -> None:
    """Send one message; descriptors of -1 are left out. Raises BlockingIOError when the socket is full."""
    present = {name: fd for name, fd in (fds or {}).items() if fd >= 0}
    packet = json.dumps({**body, "fds": list(present)}).encode()
    if len(packet) <= MAX_PACKET_BYTES:
        _send_packet(sock, packet, list(present.values()))
        return
    memfd = _as_memfd(packet)
    try:
        _send_packet(sock, _IN_MEMFD, [memfd, *present.values()])
    finally:
        os.close(memfd)


def receive(sock: socket.socket) -> tuple[Body, dict[str, int]]:
    """Take one message and its descriptors, which the caller then owns.

    Raises BlockingIOError when there is none, EndOfStream when the other end is gone.
    """
    try:
        packet, ancillary, _, _ = sock.recvmsg(MAX_PACKET_BYTES, _FDS_BYTES, _MSG_CMSG_CLOEXEC)
    except ConnectionError as error:
        raise EndOfStream from error
    fds = _received(ancillary)
    if not packet:
        raise EndOfStream
    if packet == _IN_MEMFD:
        packet = _read_memfd(fds.pop(0))
    body = json.loads(packet)
    return body, dict(zip(body.pop("fds"), fds, strict=True))


def _received(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """By hand, since socket.recv_fds takes flags but ignores them."""
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data)
    return list(fds)


def _send_packet(sock: socket.socket, packet: bytes, fds: list[int]) -> None:
    try:
        sock.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
    except ConnectionError as error:
        raise EndOfStream from error


def _as_memfd(packet: bytes) -> int:
    memfd = os.memfd_create("message", os.MFD_CLOEXEC)
    with open(memfd, "wb", closefd=False) as file:
        file.write(packet)
    return memfd


def _read_memfd(memfd: int) -> bytes:
    with open(memfd, "rb") as file:
        file.seek(0)  # sender and receiver share one file offset
        return file.read()
