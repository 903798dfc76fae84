"""Sending of ready-made rtnetlink messages, for processes that cannot afford a netlink library; and "lo up", which needs none.

Messages are made elsewhere (struct nlmsghdr with its payload, see netlink(7)); here they are only sent and their answers read.
A whole transaction of nftables can stand among them, enclosed in a message of its own.
"""

import os
import socket
import struct

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_INTERFACE = struct.Struct("=BxHiII")  # family, device type, index, flags, change
_ERROR = struct.Struct("=i")
_RTM_NEWLINK = 16
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_NLM_F_ACK = 4
_IFF_UP = 1
_LOOPBACK_INDEX = 1  # in every network namespace
_ANSWER_BYTES = 65536
_NETLINK_NETFILTER = 12
_ENCLOSED = 0xFFFF  # a kind of message that the kernel does not know


def loopback_up() -> bytes:
    """The message that switches the loopback interface on."""
    payload = _INTERFACE.pack(socket.AF_UNSPEC, 0, _LOOPBACK_INDEX, _IFF_UP, _IFF_UP)
    return _HEADER.pack(_HEADER.size + len(payload), _RTM_NEWLINK, _NLM_F_REQUEST | _NLM_F_ACK, 0, 0) + payload


def enclosed(batch: bytes) -> bytes:
    """Make a transaction of nftables one message for ``send_messages``."""
    return _HEADER.pack(_HEADER.size + len(batch), _ENCLOSED, 0, 0, 0) + batch


def send_messages(messages: list[bytes]) -> None:
    """Send each to the current network namespace and wait for the kernel's word on it. Raises OSError for the first refusal."""
    with _netlink(socket.NETLINK_ROUTE) as connection:
        for sequence, message in enumerate(messages, start=1):
            if _HEADER.unpack_from(message)[1] == _ENCLOSED:
                _send_batch(message[_HEADER.size :], sequence)
                continue
            connection.send(_acknowledged(message, sequence))
            _check(connection.recv(_ANSWER_BYTES), sequence)


def _netlink(protocol: int) -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)


def _send_batch(batch: bytes, sequence: int) -> None:
    """The kernel answers what it refuses, and at the end the one change that asks for an answer."""
    with _netlink(_NETLINK_NETFILTER) as connection:
        connection.send(batch)
        _check(connection.recv(_ANSWER_BYTES), sequence)


def _acknowledged(message: bytes, sequence: int) -> bytes:
    length, kind, flags, _, port = _HEADER.unpack_from(message)
    return _HEADER.pack(length, kind, flags | _NLM_F_REQUEST | _NLM_F_ACK, sequence, port) + message[_HEADER.size :]


def _check(answer: bytes, sequence: int) -> None:
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    number = -_ERROR.unpack_from(answer, _HEADER.size)[0] if kind == _NLMSG_ERROR else 0
    if number:
        raise OSError(number, os.strerror(number), f"netlink message {sequence}")
