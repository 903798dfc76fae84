"""Rates of containers, members and teams, by transfers that take their time: how long one takes at least cannot be helped."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network, IPv6Network

import pytest

from engine.core.networks import Ipam, NetworkJoin, NetworkRequest
from engine.core.tenants import Tenant
from engine.network.attachments import Guest
from engine.network.manager import NetworkManager
from engine.network.model import Endpoint
from engine.network.names import rate_device_names, veth_name
from engine.network.rate_probe import rates_refused
from engine.network.rates import NO_RATES, Rates
from tests.engine.network.conftest import INSTANCE
from tests.engine.network.sandboxes import Sandbox, ip, udp_frame
from tests.engine.network.test_traffic import ADA, BOB, RAW, MakeSandbox, attached

pytestmark = pytest.mark.requires_root
TEAM = Tenant("demo")
MB = 1_000_000
PORT = 5001
OpenManager = Callable[..., Awaitable[NetworkManager]]

# Takes connections until one has sent everything; prints "ready", then bytes and seconds from the first to the last of all.
SINK = """
import json, selectors, socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(64)
print("ready", flush=True); left, opened, total, start, chosen = int(sys.argv[3]), set(), 0, None, selectors.DefaultSelector()
chosen.register(s, 1)
while left or opened:
    for key, _ in chosen.select():
        if key.fileobj is s:
            c, _ = s.accept(); chosen.register(c, 1); opened.add(c); left -= 1; continue
        data = key.fileobj.recv(1 << 20); start = start or time.monotonic(); total += len(data)
        if not data: chosen.unregister(key.fileobj); opened.discard(key.fileobj); key.fileobj.close()
print(json.dumps([total, time.monotonic() - start]))
"""
SOURCE = """
import socket, sys, threading
def send():
    s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 6)
    s.connect((sys.argv[1], int(sys.argv[2]))); s.sendall(bytes(int(sys.argv[3]))); s.close()
flows = [threading.Thread(target=send) for _ in range(int(sys.argv[4]))]
for flow in flows: flow.start()
for flow in flows: flow.join()
"""


class Sink:
    """Something inside a sandbox that takes all it is sent."""

    def __init__(self, sandbox: Sandbox, address: str, *, port: int = PORT, flows: int = 1) -> None:
        command = [*sandbox.enter, sys.executable, "-S", "-E", "-c", SINK, address, str(port), str(flows)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def result(self) -> tuple[int, float]:
        """Bytes, and the seconds that they took."""
        output, _ = self._process.communicate()
        total, seconds = json.loads(output)
        return total, seconds


def source(sandbox: Sandbox, address: str, size: int, *, port: int = PORT, flows: int = 1) -> "subprocess.Popen[bytes]":
    """Start sending from inside a sandbox."""
    command = [*sandbox.enter, sys.executable, "-S", "-E", "-c", SOURCE, address, str(port), str(size), str(flows)]
    return subprocess.Popen(command)


def transfer(sender: Sandbox, receiver: Sandbox, address: str, size: int, *, flows: int = 1) -> float:
    """Send so many bytes by each flow; return the seconds."""
    sink = Sink(receiver, address, flows=flows)
    assert source(sender, address, size, flows=flows).wait() == 0
    total, seconds = sink.result()
    assert total == size * flows
    return seconds


def try_inside(sandbox: Sandbox, *command: str) -> None:
    """Whether it works or not."""
    subprocess.run([*sandbox.enter, *command], check=False, capture_output=True)


def filters(address: str) -> str:
    """What tc(8) tells of filters on a container's veth."""
    name = veth_name(INSTANCE, IPv4Network(address).network_address)
    return "".join(
        subprocess.run(["tc", "filter", "show", "dev", name, side], check=True, capture_output=True, text=True).stdout
        for side in ("ingress", "egress")
    )


def classes() -> list[str]:
    """The classes of both devices, but for the engine's own."""
    shown = [
        subprocess.run(["tc", "class", "show", "dev", name], check=True, capture_output=True, text=True).stdout
        for name in rate_device_names(INSTANCE)
    ]
    return [line for text in shown for line in text.splitlines() if " parent " in line]


def devices() -> set[str]:
    return {name for name in rate_device_names(INSTANCE) if name in ip("-br link")}


@pytest.mark.parametrize("scope", [TEAM, ADA, "one"], ids=["team", "member", "container"])
async def test_what_a_container_sends_and_receives_takes_its_time(
    manager: NetworkManager, sandbox: MakeSandbox, scope: Tenant | str
) -> None:
    one, other = sandbox("one"), sandbox("other")
    here, there = await attached(manager, one, ADA), await attached(manager, other, ADA)
    await manager.set_rates(scope, Rates(out_bps=4 * MB))
    assert transfer(one, other, there.address, 8 * MB) > 1.5
    await manager.set_rates(scope, Rates(in_bps=4 * MB))
    assert transfer(other, one, here.address, 8 * MB) > 1.5


async def test_two_containers_of_a_member_share_what_the_member_has(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    first, second, sink = sandbox("first"), sandbox("second"), sandbox("sink")
    for one in (first, second):
        await attached(manager, one, ADA)
    there = await attached(manager, sink, ADA)
    await manager.set_rates(ADA, Rates(out_bps=4 * MB))
    taken = Sink(sink, there.address, flows=2)
    senders = [source(one, there.address, 4 * MB) for one in (first, second)]
    assert [sender.wait() for sender in senders] == [0, 0]
    total, seconds = taken.result()
    assert total == 8 * MB
    assert seconds > 1.5


async def test_the_smallest_limit_on_the_way_holds(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    sender, sink = sandbox("sender"), sandbox("sink")
    await attached(manager, sender, ADA)
    there = await attached(manager, sink, ADA)
    await manager.set_rates("sender", Rates(out_bps=100 * MB))
    await manager.set_rates(ADA, Rates(out_bps=50 * MB))
    await manager.set_rates(TEAM, Rates(out_bps=4 * MB))
    assert transfer(sender, sink, there.address, 8 * MB) > 1.5


async def test_a_limit_that_is_lifted_lets_a_transfer_go_on_at_once(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    """At the first limit it would take minutes."""
    sender, sink = sandbox("sender"), sandbox("sink")
    await attached(manager, sender, ADA)
    there = await attached(manager, sink, ADA)
    await manager.set_rates(TEAM, Rates(out_bps=50_000))
    taken, sending = Sink(sink, there.address), source(sender, there.address, 20 * MB)
    await manager.set_rates(TEAM, Rates(out_bps=500 * MB))
    await manager.set_rates(TEAM, NO_RATES)
    assert sending.wait() == 0
    assert taken.result()[0] == 20 * MB
    assert filters(there.address) == ""
    assert classes() == []


async def test_many_flows_priorities_and_queues_of_its_own_are_no_way_around(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    """The source sets the highest priority that it may."""
    hostile, sink = sandbox("hostile"), sandbox("sink")
    here = await attached(manager, hostile, ADA)
    there = await attached(manager, sink, ADA)
    await manager.set_rates("hostile", Rates(out_bps=4 * MB))
    assert transfer(hostile, sink, there.address, MB // 2, flows=16) > 1.5
    for attempt in ("qdisc replace dev eth0 root pfifo_fast", "qdisc add dev eth0 clsact", "qdisc del dev eth0 clsact"):
        try_inside(hostile, "tc", *attempt.split())
    hostile.command("ip", "link", "set", "eth0", "txqueuelen", "10000", "gso_max_size", "65536")
    assert transfer(hostile, sink, there.address, 8 * MB) > 1.5
    assert "bpf" in filters(here.address)


async def test_rates_hold_for_ipv6(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    sender, sink = sandbox("sender"), sandbox("sink")
    await manager.create_network(ADA, NetworkRequest("six", ipam=Ipam(subnet6=IPv6Network("fd00:5::/64")), has_ipv6=True))
    endpoints: list[Endpoint] = []
    for one in (sender, sink):
        endpoints += await manager.attach(Guest(one.name, ADA, one.name, joins=(NetworkJoin("six"),)), one.netns)
        one.configure(endpoints[-1])
    await manager.set_rates("sender", Rates(out_bps=4 * MB))
    assert endpoints[1].address6
    assert transfer(sender, sink, endpoints[1].address6, 8 * MB) > 1.5


async def test_who_has_no_limit_has_neither_filter_nor_class_nor_device(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    first, second = sandbox("first"), sandbox("second")
    here = await attached(manager, first, ADA)
    assert devices() == set()
    await manager.set_rates("first", Rates(in_bps=MB))
    there = await attached(manager, second, ADA)
    assert "bpf" in filters(here.address)
    assert filters(there.address) == ""
    await manager.set_rates("first", NO_RATES)
    assert filters(here.address) == ""
    assert classes() == []


def sent_bytes(ceiling: str) -> int:
    """What has left the class with a ceiling, as tc(8) names that, on the device for what containers send."""
    command = ["tc", "-s", "class", "show", "dev", rate_device_names(INSTANCE)[1]]
    lines = iter(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines())
    return next(int(next(lines).split()[1]) for line in lines if f"ceil {ceiling} " in line)


async def test_packets_under_a_neighbours_addresses_count_for_who_sent_them(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    hostile, victim, sink = sandbox("hostile"), sandbox("victim"), sandbox("sink")
    await attached(manager, hostile, ADA)
    robbed, there = await attached(manager, victim, ADA), await attached(manager, sink, ADA)
    await manager.set_rates("hostile", Rates(out_bps=3 * MB))
    await manager.set_rates("victim", Rates(out_bps=5 * MB))
    before = sent_bytes("40Mbit")
    fields = {"source_mac": robbed.mac, "target_mac": there.mac, "source": robbed.address, "target": there.address}
    frame = udp_frame(**fields, port=9, payload=bytes(1000))
    hostile.command("ip", "link", "set", "eth0", "down")
    hostile.command("ip", "link", "set", "eth0", "address", robbed.mac, "up")
    hostile.python(RAW, *([frame.hex()] * 50))
    assert sent_bytes("24Mbit") >= 50 * 1000
    assert sent_bytes("40Mbit") - before < 50 * 1000


async def test_a_daemon_that_comes_back_puts_classes_and_filters_in_agreement_with_its_limits(
    open_manager: OpenManager, sandbox: MakeSandbox
) -> None:
    """The one before it is cut off; what it has made goes on, and is replaced without a gap."""
    first, second, sink = sandbox("first"), sandbox("second"), sandbox("sink")
    before = await open_manager()
    here, other = await attached(before, first, ADA), await attached(before, second, ADA)
    there = await attached(before, sink, ADA)
    await before.set_rates("second", Rates(in_bps=MB))
    await before.set_rates(ADA, Rates(in_bps=MB))
    await before.close(remove=False)
    after = await open_manager()
    await after.set_rates("first", Rates(out_bps=4 * MB))
    await after.reconcile(dict.fromkeys(("first", "second", "sink")))
    assert "bpf" in filters(here.address)
    assert (filters(other.address), filters(there.address)) == ("", "")
    assert len(classes()) == 2 * len(("team", "member", "container"))
    assert transfer(first, sink, there.address, 8 * MB) > 1.5
    await after.close(remove=False)
    last = await open_manager()
    await last.reconcile(dict.fromkeys(("first", "second", "sink")))
    assert filters(here.address) == ""
    assert devices() == set()


async def test_who_leaves_takes_its_classes_along(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    one = sandbox("one")
    await manager.set_rates(TEAM, Rates(in_bps=MB))
    await attached(manager, one, ADA)
    assert len(classes()) == 2 * len(("team", "member", "container"))
    one.stop()
    await manager.detach("one")
    assert classes() == []


async def test_traffic_is_counted_from_the_containers_view_and_only_grows(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    sender, sink = sandbox("sender"), sandbox("sink")
    await attached(manager, sender, ADA)
    there = await attached(manager, sink, ADA)
    transfer(sender, sink, there.address, MB)
    counted = await manager.traffic(ADA)
    assert min(counted.in_bytes, counted.out_bytes) >= MB
    assert (await manager.traffic(BOB)).in_bytes == 0
    assert await manager.traffic(TEAM) == await manager.traffic(ADA)
    sink.stop()
    await manager.detach("sink")
    after = await manager.traffic(TEAM)
    assert after.in_bytes >= counted.in_bytes
    assert after.out_bytes >= counted.out_bytes


def test_doctor_tells_whether_rates_can_be_limited_and_leaves_nothing() -> None:
    assert rates_refused() == ""
    assert rate_device_names("000000")[0] not in ip("-br link")
