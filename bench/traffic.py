"""One end of a measurement, run by itself inside the network namespace of a container: prints one number, or serves.

    python traffic.py serve ADDRESS PORT | send ADDRESS PORT SECONDS | look-up NAME COUNT | storm NAME SECONDS

Standard library only and no module of the bench, so that the same file runs in any network namespace.
"""

import os
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

RESOLVER = ("127.0.0.11", 53)
BLOCK = 1 << 20
SEND_BYTES = 256 << 20  # of a file in memory, sent over and over
TIMEOUT_SECONDS = 5.0
IN_FLIGHT = 32


def serve(address: str, port: str) -> None:
    """Swallow whatever anybody sends, until killed."""
    with socket.create_server((address, int(port))) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=swallow, args=(connection,), daemon=True).start()


def swallow(connection: socket.socket) -> None:
    """Read to the end, then tell how much it was."""
    buffer, total = bytearray(BLOCK), 0
    with connection:
        while size := connection.recv_into(buffer):
            total += size
        connection.sendall(struct.pack("!Q", total))


def send(address: str, port: str, seconds: str) -> float:
    """Return the megabytes a second that arrive at a server."""
    with open(os.memfd_create("load"), "r+b") as source, connect(address, int(port)) as connection:
        source.truncate(SEND_BYTES)
        begin = time.perf_counter()
        while time.perf_counter() < begin + float(seconds):
            connection.sendfile(source)
        connection.shutdown(socket.SHUT_WR)
        (arrived,) = struct.unpack("!Q", connection.recv(8, socket.MSG_WAITALL))
        return float(arrived / (time.perf_counter() - begin) / 1e6)


def connect(address: str, port: int) -> socket.socket:
    """The server may just be starting."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return socket.create_connection((address, port), TIMEOUT_SECONDS)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def look_up(name: str, count: str) -> float:
    """Return the milliseconds of the median of lookups, one after the other."""
    taken = []
    with resolver() as asked:
        for number in range(int(count)):
            begin = time.perf_counter()
            asked.send(query(name, number))
            check(asked.recv(512))
            taken.append((time.perf_counter() - begin) * 1000)
    return sorted(taken)[len(taken) // 2]


def storm(name: str, seconds: str) -> float:
    """Return the lookups a second, with many under way, each on a socket of its own."""
    question = query(name, 1)
    answered, begin = 0, time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for asked in [resolver() for _ in range(IN_FLIGHT)]:
            selector.register(asked, selectors.EVENT_READ, asked)
            asked.send(question)
        while time.perf_counter() < begin + float(seconds):
            for key, _ in selector.select(TIMEOUT_SECONDS):
                check(key.data.recv(512))
                key.data.send(question)
                answered += 1
    return answered / (time.perf_counter() - begin)


def resolver() -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.settimeout(TIMEOUT_SECONDS)
    found.connect(RESOLVER)
    return found


def query(name: str, number: int) -> bytes:
    """A question for the IPv4 address of a name, as RFC 1035 has it."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def check(answer: bytes) -> None:
    """End with a message where a resolver knows nothing of a name."""
    _, flags, _, answers = struct.unpack_from("!4H", answer)
    if flags & 0xF or not answers:
        raise SystemExit(f"bench: a name is not answered: flags {flags:#x}, {answers} addresses")


if __name__ == "__main__":
    ends: dict[str, Callable[..., object]] = {"serve": serve, "send": send, "look-up": look_up, "storm": storm}
    print(ends[sys.argv[1]](*sys.argv[2:]))
