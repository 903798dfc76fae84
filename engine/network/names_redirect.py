"""What lets a container ask its resolver at 127.0.0.11:53 while that listens at another port: 53 stays the container's own.

Two ports are exchanged in packets that stay on the container's loopback, without connection tracking, which would keep a state
for each query. Pure but for the trial.
"""

import socket
import threading
from functools import cache

from engine.linux import nft_batch
from engine.linux.namespaces import CLONE_NEWNET, unshare
from engine.linux.nft_batch import Base
from engine.linux.route_socket import enclosed, send_messages

RESOLVER_ADDRESS = "127.0.0.11"
PLAIN_PORT = 53
HIDDEN_PORT = 61_053  # above what the kernel gives to sockets that ask for no port
_TABLE = "atelier_names"
_PRIORITY_RAW = -300
_FROM_RESOLVER, _TO_RESOLVER = (12, 0), (16, 2)  # where the address lies in struct iphdr, the port in the header behind it
_PROTOCOLS = ((17, 6), (6, 16))  # UDP and TCP, each with the place of its checksum


@cache
def redirect_message() -> bytes:
    """Return the table as one message for ``send_messages``, which fails with EEXIST where it is there already."""
    changes = [
        nft_batch.new_table(_TABLE),
        nft_batch.new_base_chain(_TABLE, "output", hook=nft_batch.HOOK_OUTPUT, priority=_PRIORITY_RAW),
    ]
    for protocol, checksum_offset in _PROTOCOLS:
        for places, old, new in ((_TO_RESOLVER, PLAIN_PORT, HIDDEN_PORT), (_FROM_RESOLVER, HIDDEN_PORT, PLAIN_PORT)):
            changes.append(nft_batch.new_rule(_TABLE, "output", _exchange(protocol, checksum_offset, places, old, new)))
    return enclosed(nft_batch.transaction(nft_batch.FAMILY_IPV4, changes))


def _exchange(protocol: int, checksum_offset: int, places: tuple[int, int], old: int, new: int) -> list[bytes]:
    address_offset, port_offset = places
    return [
        *nft_batch.match_payload(Base.NETWORK, address_offset, socket.inet_aton(RESOLVER_ADDRESS)),
        *nft_batch.match_protocol(protocol),
        *nft_batch.match_payload(Base.TRANSPORT, port_offset, old.to_bytes(2, "big")),
        *nft_batch.set_payload(Base.TRANSPORT, port_offset, new.to_bytes(2, "big"), checksum_offset=checksum_offset),
    ]


def can_redirect() -> bool:
    """Tell whether the kernel takes the table, by trying in a network namespace of a thread that ends with it."""
    taken: list[bool] = []

    def attempt() -> None:
        try:
            unshare(CLONE_NEWNET)
            send_messages([redirect_message()])
            taken.append(True)
        except OSError:
            return

    thread = threading.Thread(target=attempt, name="redirect-trial")
    thread.start()
    thread.join()
    return bool(taken)
