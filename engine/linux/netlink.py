"""rtnetlink(7): messages as bytes, and a socket that sends them and reads the answers.

Messages are encoded by pyroute2's classes and sent through a socket of our own: that takes half the time of its request
objects, and the same bytes can be sent by another process in another network namespace. Only the daemon imports this file, as
pyroute2 costs 25 MB.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWLINKPROP, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from engine.linux.netlink_codec import CHANGE, CREATE, encode

INTERFACE_NAME_BYTES = 15

_IFF_UP = 1
_IN6_ADDR_GEN_MODE_NONE = 1
_RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RTN_UNICAST = 254, 4, 0, 1

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10  # answers do not repeat the request
_NETLINK_EXT_ACK = 11  # answers carry the kernel's own words
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_DUMP_INTR = 0x10
_IFA_F_NODAD = 2
_DUMP_ATTEMPTS = 5
_DUMP_BYTES = 262_144
_NLMSGERR_ATTR_MSG = 1
_NLM_F_ACK_TLVS = 0x200
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_INDEX = struct.Struct("=i")
_DESCRIPTOR = struct.Struct("=I")
_INDEX_OFFSET = _HEADER.size + 4  # in struct ifinfomsg, behind family and device type
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ALIGNMENT = 4
_IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_BR_MULTI_BOOLOPT = 18, 1, 2, 46
_OPTIONS = struct.Struct("=II")  # struct br_boolopt_multi: values, and which of them are meant
_BR_NO_LL_LEARN = 1


def bridge_message(name: str, *, index: int, mac: str, mtu: int, group: int) -> bytes:
    """Make a bridge that forwards at once, does not take part in spanning trees and does not listen to multicast groups."""
    data = [("IFLA_BR_FORWARD_DELAY", 0), ("IFLA_BR_STP_STATE", 0), ("IFLA_BR_MCAST_SNOOPING", 0)]
    attributes = [
        ("IFLA_IFNAME", name),
        ("IFLA_ADDRESS", mac),
        ("IFLA_MTU", mtu),
        ("IFLA_GROUP", group),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge"), ("IFLA_INFO_DATA", {"attrs": data})]}),
    ]
    return encode(ifinfmsg, RTM_NEWLINK, CREATE, {"index": index}, attributes)


def veth_message(
    name: str,
    *,
    index: int,
    bridge_index: int,
    mtu: int,
    group: int,
    peer_name: str,
    peer_index: int,
    peer_mac: str,
) -> bytes:
    """Make a veth pair: this end up and on the bridge, the peer down and straight in the namespace that ``into_namespace`` adds.

    The kernel takes an index for the peer only beside one for this end (veth_newlink). Moving a device later would cost an RCU
    grace period, and a peer that is to be up at once is refused with ENOTCONN.
    """
    peer = [("IFLA_IFNAME", peer_name), ("IFLA_ADDRESS", peer_mac), ("IFLA_MTU", mtu), ("IFLA_NET_NS_FD", 0)]
    data = [("VETH_INFO_PEER", {"index": peer_index, "attrs": peer})]
    attributes = [
        ("IFLA_IFNAME", name),
        ("IFLA_MASTER", bridge_index),
        ("IFLA_MTU", mtu),
        ("IFLA_GROUP", group),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": data})]}),
    ]
    return encode(ifinfmsg, RTM_NEWLINK, CREATE, {"index": index, "flags": _IFF_UP, "change": _IFF_UP}, attributes)


def forgo_link_local_learning_message(index: int) -> bytes:
    """Let a bridge learn no sender from frames to 01:80:c2:00:00:0x, the addresses of bridges: they pass by the first filter.

    Written by hand, as pyroute2 does not know the attribute yet.
    """
    option = _attribute(_IFLA_BR_MULTI_BOOLOPT, _OPTIONS.pack(_BR_NO_LL_LEARN, _BR_NO_LL_LEARN))
    info = _attribute(_IFLA_INFO_KIND, b"bridge") + _attribute(_IFLA_INFO_DATA, option)
    empty = encode(ifinfmsg, RTM_NEWLINK, CHANGE, {"index": index}, ())
    message = empty + _attribute(_IFLA_LINKINFO, info)
    return len(message).to_bytes(4, sys.byteorder) + message[4:]


def _attribute(kind: int, payload: bytes) -> bytes:
    padding = bytes(-len(payload) % _ALIGNMENT)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + padding


def bridge_port_message(index: int, bridge_index: int) -> bytes:
    """Put a device on a bridge."""
    return encode(ifinfmsg, RTM_NEWLINK, CHANGE, {"index": index}, [("IFLA_MASTER", bridge_index)])


def isolate_port_message(index: int) -> bytes:
    """Let a device on a bridge talk to the bridge itself, but to no other device that is so isolated."""
    data = {"attrs": [("IFLA_BRPORT_ISOLATED", 1)]}
    slave = {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", data)]}
    return encode(ifinfmsg, RTM_NEWLINK, CHANGE, {"index": index}, [("IFLA_LINKINFO", slave)])


def hairpin_port_message(index: int) -> bytes:
    """Let a device on a bridge be sent what came from it."""
    data = {"attrs": [("IFLA_BRPORT_MODE", 1)]}
    slave = {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", data)]}
    return encode(ifinfmsg, RTM_NEWLINK, CHANGE, {"index": index}, [("IFLA_LINKINFO", slave)])


def into_namespace(message: bytes, netns_fd: int) -> bytes:
    """Name the network namespace of a veth message's peer, which is its last attribute's value."""
    return message[: -_DESCRIPTOR.size] + _DESCRIPTOR.pack(netns_fd)


def no_ipv6_address_message(index: int) -> bytes:
    """Let the device come up without a link-local IPv6 address."""
    message = _no_ipv6_address_template()
    return message[:_INDEX_OFFSET] + _INDEX.pack(index) + message[_INDEX_OFFSET + _INDEX.size :]


@cache
def _no_ipv6_address_template() -> bytes:
    """Two of these go with each container, and encoding one takes a quarter of a millisecond."""
    mode = [("IFLA_INET6_ADDR_GEN_MODE", _IN6_ADDR_GEN_MODE_NONE)]
    attributes = [("IFLA_AF_SPEC", {"attrs": [("AF_INET6", {"attrs": mode})]})]
    return encode(ifinfmsg, RTM_NEWLINK, CHANGE, {"index": 0}, attributes)


def link_up_message(index: int) -> bytes:
    """Set a device up."""
    return encode(ifinfmsg, RTM_NEWLINK, CHANGE, {"index": index, "flags": _IFF_UP, "change": _IFF_UP}, ())


def address_message(index: int, address: IPv4Address, subnet: IPv4Network) -> bytes:
    """Give a device its address in ``subnet``."""
    attributes = [
        ("IFA_LOCAL", str(address)),
        ("IFA_ADDRESS", str(address)),
        ("IFA_BROADCAST", str(subnet.broadcast_address)),
    ]
    fields = {"family": socket.AF_INET, "prefixlen": subnet.prefixlen, "index": index}
    return encode(ifaddrmsg, RTM_NEWADDR, CREATE, fields, attributes)


def address6_message(index: int, address: IPv6Address, subnet: IPv6Network) -> bytes:
    """Give a device its IPv6 address, to be used at once: who else could have it is known here (RFC 4862, 5.1)."""
    fields = {"family": socket.AF_INET6, "prefixlen": subnet.prefixlen, "index": index, "flags": _IFA_F_NODAD}
    return encode(ifaddrmsg, RTM_NEWADDR, CREATE, fields, [("IFA_LOCAL", str(address)), ("IFA_ADDRESS", str(address))])


def default_route_message(index: int, gateway: IPv4Address | IPv6Address) -> bytes:
    """Send all that is not on the device's own subnet to ``gateway``."""
    fields = {
        "family": socket.AF_INET if gateway.version == 4 else socket.AF_INET6,
        "table": _RT_TABLE_MAIN,
        "proto": _RTPROT_STATIC,
        "scope": _RT_SCOPE_UNIVERSE,
        "type": _RTN_UNICAST,
    }
    return encode(rtmsg, RTM_NEWROUTE, CREATE, fields, [("RTA_GATEWAY", str(gateway)), ("RTA_OIF", index)])


def second_name_message(index: int, name: str) -> bytes:
    """Let a device be found by a further name. EEXIST when another device has it."""
    names = {"attrs": [("IFLA_ALT_IFNAME", name)]}
    return encode(ifinfmsg, RTM_NEWLINKPROP, CREATE, {"index": index}, [("IFLA_PROP_LIST", names)])


def delete_link_message(name: str) -> bytes:
    """Delete a device. ENODEV when there is none.

    Costs some 16 ms of waiting in the kernel, which holds up all other changes to devices.
    """
    return encode(ifinfmsg, RTM_DELLINK, CHANGE, {}, [("IFLA_IFNAME", name)])


def delete_group_message(group: int) -> bytes:
    """Delete all devices of a group, for about the price of one. ENODEV when there are none."""
    return encode(ifinfmsg, RTM_DELLINK, CHANGE, {}, [("IFLA_GROUP", group)])


class Rtnetlink:
    """A socket to the routing part of the kernel, in the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket.bind((0, 0))

    def request(self, *messages: bytes) -> None:
        """Send messages that ask for an acknowledgement, and wait for all of them.

        The kernel works on each in turn, also after one that failed. Raises OSError of the first that did.
        """
        self._socket.send(b"".join(messages))
        failures: list[OSError] = []
        answered = 0
        while answered < len(messages):
            for error in _acknowledgements(self._socket.recv(65536)):
                answered += 1
                failures += [error] if error is not None else []
        if failures:
            raise failures[0]

    def dump(self, request: bytes) -> Iterator[bytes]:
        """Send a request for a list, and yield what each message of the answer says. Raises OSError."""
        payloads: list[bytes] = []
        for _ in range(_DUMP_ATTEMPTS):
            self._socket.send(request)
            payloads, is_whole = self._receive_dump()
            if is_whole:
                break
        return iter(payloads)

    def _receive_dump(self) -> tuple[list[bytes], bool]:
        """The kernel marks an answer during which something changed: entries may be missing."""
        payloads: list[bytes] = []
        is_whole = True
        while True:
            for kind, flags, payload in _messages(self._socket.recv(_DUMP_BYTES)):
                is_whole &= not flags & _NLM_F_DUMP_INTR
                if kind == _NLMSG_DONE:
                    return payloads, is_whole
                if kind == _NLMSG_ERROR and (failure := _failure(payload, flags)) is not None:
                    raise failure
                payloads.append(payload)

    def close(self) -> None:
        self._socket.close()


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, flags and content of each."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, offset)
        yield kind, flags, data[offset + _HEADER.size : offset + length]
        offset += max(_HEADER.size, (length + 3) & ~3)


def _acknowledgements(data: bytes) -> Iterator[OSError | None]:
    for kind, flags, payload in _messages(data):
        if kind == _NLMSG_ERROR:
            yield _failure(payload, flags)


def _failure(payload: bytes, flags: int) -> OSError | None:
    """``payload`` is struct nlmsgerr, and with NLM_F_ACK_TLVS attributes after it."""
    errno = -int.from_bytes(payload[:4], "little" if struct.pack("=H", 1)[0] else "big", signed=True)
    if errno == 0:
        return None
    words = _kernel_words(payload[4 + _HEADER.size :]) if flags & _NLM_F_ACK_TLVS else ""
    return OSError(errno, f"{os.strerror(errno)} ({words})" if words else os.strerror(errno))


def _kernel_words(attributes: bytes) -> str:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, offset)
        if kind == _NLMSGERR_ATTR_MSG:
            return attributes[offset + _ATTRIBUTE.size : offset + length].rstrip(b"\0").decode(errors="replace")
        offset += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return ""
