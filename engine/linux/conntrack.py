"""The kernel's table of connections (nf_conntrack): forgetting those to a port of the host. Decides nothing.

Works in the network namespace of the calling thread. Only the daemon imports this file, as pyroute2 costs 25 MB.
"""

import errno
import socket
from contextlib import closing

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket


def forget_datagrams(port: int, *, family: int = socket.AF_INET) -> int:
    """Forget all exchanges of datagrams that were begun towards ``port``, and return how many there were. Raises OSError.

    The kernel leads each further datagram of an exchange where it led the first, until nobody has sent any for a while.
    """
    wanted = NFCTAttrTuple(family=family, proto=socket.IPPROTO_UDP, dport=port)
    try:
        with closing(NFCTSocket(nfgen_family=family)) as table:
            found = [
                NFCTAttrTuple.from_netlink(family, entry.get_attr("CTA_TUPLE_ORIG")) for entry in table.dump(tuple_orig=wanted)
            ]
            return sum(_forget(table, entry) for entry in found if entry.proto == socket.IPPROTO_UDP and entry.dport == port)
    except NetlinkError as error:
        raise OSError(error.code, f"conntrack: {error}") from error


def _forget(table: NFCTSocket, entry: NFCTAttrTuple) -> bool:
    try:
        table.entry("del", tuple_orig=entry)
    except NetlinkError as error:
        if error.code != errno.ENOENT:
            raise
        return False  # it was over meanwhile
    return True
