"""Traffic control (tc(8)) as far as rate limits need it: messages as bytes, the program of a filter, what the kernel lists.

A device's traffic is led to an intermediate device (ifb) and sent on from there at the rate of a class of its hierarchical token
bucket (HTB). The class is named in the packet's priority, which a program of four instructions writes: no packet can choose.
"""

import socket
import struct
from typing import NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl import (
    RTM_DELTCLASS,
    RTM_DELTFILTER,
    RTM_NEWLINK,
    RTM_NEWQDISC,
    RTM_NEWTCLASS,
    RTM_NEWTFILTER,
)
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from engine.linux.bpf import load_classifier
from engine.linux.netlink_codec import CHANGE, CREATE, PUT, encode

INGRESS, EGRESS = 0xFFFF_FFF2, 0xFFFF_FFF3  # parents of filters: what a device receives, what it sends

_IFF_UP = 1
_ROOT, _CLSACT = 0xFFFF_FFFF, 0xFFFF_FFF1
_CLSACT_HANDLE = 0xFFFF_0000
_HTB_VERSION = 3
_LINK_LAYER_ETHERNET = 1  # spares the tables of rates that old kernels wanted
_TICK_NS = 64  # PSCHED_SHIFT
_NS_PER_S = 10**9
_WORD = 2**32 - 1
_PREFERENCE = 1
_FILTER_INFO = _PREFERENCE << 16 | socket.htons(3)  # ETH_P_ALL
_FILTER_HANDLE = 1
_REDIRECT, _STOLEN = 1, 4  # TCA_EGRESS_REDIR, TC_ACT_STOLEN
_PRIORITY_OFFSET = 32  # in struct __sk_buff
_INSTRUCTION = struct.Struct("=BBhi")  # opcode, registers, offset, value


class TrafficClass(NamedTuple):
    """A class as listed. ``sent_bytes``: what has left it."""

    handle: int
    parent: int
    sent_bytes: int


def ifb_message(name: str, *, group: int) -> bytes:
    """Make an intermediate device, up."""
    attributes = [("IFLA_IFNAME", name), ("IFLA_GROUP", group), ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "ifb")]})]
    return encode(ifinfmsg, RTM_NEWLINK, CREATE, {"flags": _IFF_UP, "change": _IFF_UP}, attributes)


def token_bucket_message(index: int, handle: int) -> bytes:
    """Let a device send by classes; what names none passes at once. EEXIST when it does so already."""
    options = {"version": _HTB_VERSION, "rate2quantum": 10, "defcls": 0, "debug": 0, "direct_pkts": 0}
    return _tc(RTM_NEWQDISC, CREATE, index, "htb", [("TCA_HTB_INIT", options)], parent=_ROOT, handle=handle)


def class_message(index: int, handle: int, *, parent: int, rate: int, ceiling: int, burst_bytes: int) -> bytes:
    """Make a class, or change it while it is in use: ``rate`` is its own, up to ``ceiling`` it borrows. Bytes a second."""
    parameters = {
        "rate": min(rate, _WORD),
        "ceil": min(ceiling, _WORD),
        "rate___reserved": _LINK_LAYER_ETHERNET,
        "ceil___reserved": _LINK_LAYER_ETHERNET,
        "buffer": _ticks(burst_bytes, rate),
        "cbuffer": _ticks(burst_bytes, ceiling),
        "quantum": 60_000,
    }
    options = [("TCA_HTB_PARMS", parameters), ("TCA_HTB_RATE64", rate), ("TCA_HTB_CEIL64", ceiling)]
    return _tc(RTM_NEWTCLASS, PUT, index, "htb", options, parent=parent, handle=handle)


def queue_message(index: int, class_handle: int, *, limit_bytes: int) -> bytes:
    """Give a class a queue that holds so many bytes, or change that."""
    return _tc(RTM_NEWQDISC, PUT, index, "bfifo", struct.pack("=I", limit_bytes), parent=class_handle, handle=0)


def delete_class_message(index: int, handle: int) -> bytes:
    """Remove a class with all that it holds. EBUSY while it has classes below, ENOENT when there is none."""
    return encode(tcmsg, RTM_DELTCLASS, CHANGE, {"index": index, "handle": handle, "parent": 0}, ())


def hooks_message(index: int) -> bytes:
    """Let a device have filters on what it receives and sends. EEXIST when it can already."""
    return _tc(RTM_NEWQDISC, CREATE, index, "clsact", None, parent=_CLSACT, handle=_CLSACT_HANDLE)


def redirect_message(index: int, direction: int, *, program_fd: int, to_index: int) -> bytes:
    """Run a program on each packet of a device and send it on by another; one filter that is there is replaced at once."""
    parameters = {"action": _STOLEN, "eaction": _REDIRECT, "ifindex": to_index}
    action = {
        "attrs": [("TCA_ACT_KIND", "mirred"), ("TCA_ACT_OPTIONS", {"attrs": [("TCA_MIRRED_PARMS", parameters)]})],
    }
    options = [("TCA_BPF_ACT", {"attrs": [("TCA_ACT_PRIO_1", action)]}), ("TCA_BPF_FD", program_fd), ("TCA_BPF_NAME", "rate")]
    fields = {"handle": _FILTER_HANDLE, "info": _FILTER_INFO}
    return _tc(RTM_NEWTFILTER, PUT, index, "bpf", options, parent=direction, **fields)


def delete_redirect_message(index: int, direction: int) -> bytes:
    """Remove the filter. ENOENT or EINVAL when there is none, ENODEV without the device."""
    fields = {"index": index, "parent": direction, "handle": _FILTER_HANDLE, "info": _FILTER_INFO}
    return encode(tcmsg, RTM_DELTFILTER, CHANGE, fields, [("TCA_KIND", "bpf")])


def load_class_program(class_handle: int) -> int:
    """Load the program that names a class in each packet's priority; a descriptor. Raises OSError."""
    instructions = (
        (0xB4, 0x02, 0, class_handle - 2**32 if class_handle >= 2**31 else class_handle),  # r2 = class
        (0x63, 0x21, _PRIORITY_OFFSET, 0),  # packet.priority = r2
        (0xB4, 0x00, 0, -1),  # matches
        (0x95, 0x00, 0, 0),
    )
    return load_classifier(b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions))


def traffic_classes(index: int) -> list[TrafficClass]:
    """Return the classes of a device; none for one without. Not in a thread with an event loop: pyroute2 runs one."""
    with IPRoute() as route:
        found = route.get_classes(index=index)
        return [TrafficClass(one["handle"], one["parent"], _sent_bytes(one)) for one in found]


def _sent_bytes(listed: tcmsg) -> int:
    basic = listed.get_attr("TCA_STATS")
    return basic["bytes"] if basic is not None else 0


def _ticks(burst_bytes: int, rate: int) -> int:
    """The time that a burst takes at its rate, as the kernel wants it."""
    return min(burst_bytes * _NS_PER_S // rate // _TICK_NS, _WORD)


def _tc(message_type: int, flags: int, index: int, kind: str, options: object, **fields: int) -> bytes:
    value = {"attrs": options} if isinstance(options, list) else options
    attributes = [("TCA_KIND", kind), *([("TCA_OPTIONS", value)] if value is not None else [])]
    return encode(tcmsg, message_type, flags, {"index": index, **fields}, attributes)
