"""Holds what the kernel has of an engine against the engine's records, in both directions: links, rules, classes, sockets, disk.

Each room is a function that returns differences in words. Nothing here asks the engine's own code what it thinks it has made.
"""

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.agreement_disk import disk_differences
from tests.engine.service.agreement_tenants import socket_differences, tenant_differences
from tests.engine.service.faults import lies

_RESOLVER = "0B00007F:"  # 127.0.0.11, as /proc writes it
_LISTENS = "0A"


@dataclass
class View:
    """What was found of one engine, each thing looked up once."""

    engine: EngineDaemon
    containers: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        found = self.engine.request("GET", "/containers/json?all=1").document
        answers = (self.engine.request("GET", f"/containers/{one['Id']}/json") for one in found)
        self.containers = {answer.document["Id"]: answer.document for answer in answers if answer.status == 200}

    @property
    def data(self) -> Path:
        return self.engine.data_path / "engine"

    @cached_property
    def networks(self) -> dict[str, Any]:
        return {path.parent.name: json.loads(path.read_text()) for path in (self.data / "networks").glob("*/network.json")}

    @cached_property
    def leases(self) -> list[Any]:
        return [json.loads(path.read_text()) for path in (self.data / "networks").glob("*/*.lease")]

    @cached_property
    def ports(self) -> dict[str, Any]:
        found = (json.loads(path.read_text()) for path in (self.data / "networks").glob("*.ports"))
        return {record["container_id"]: record["published"] for record in found}

    @cached_property
    def links(self) -> dict[str, Any]:
        return {link["ifname"]: link for link in json.loads(_run("ip", "-j", "addr")) if self.engine.instance in link["ifname"]}

    @property
    def running(self) -> dict[str, Any]:
        return {key: one for key, one in self.containers.items() if one["State"]["Running"]}

    def bridge(self, network_id: str) -> str:
        return f"b{self.engine.instance}{int(IPv4Network(self.networks[network_id]['subnet'])[0]):08x}"

    def veth(self, address: str) -> str:
        return f"v{self.engine.instance}{int(IPv4Address(address)):08x}"

    def table(self, family: str) -> dict[str, list[Any]]:
        """Elements of the sets and maps of one of the engine's tables, by name."""
        command = ["nft", "-j", "list", "table", family, f"atelier_{self.engine.instance}"]
        listed = subprocess.run(command, check=False, capture_output=True, text=True)
        if listed.returncode:  # it is not there: nothing of what is recorded is in it
            return defaultdict(list)
        found = json.loads(listed.stdout)["nftables"]
        sets = [one.get("set") or one.get("map") for one in found if "set" in one or "map" in one]
        return {one["name"]: one.get("elem", []) for one in sets}


def differences(engine: EngineDaemon) -> list[str]:
    """Return in words where records and kernel differ; empty where they agree."""
    view = View(engine)
    rooms = (_leases, _devices, _rules, _ports, _inside, _classes, _files)
    return [
        *lies(engine),
        *(one for room in rooms for one in room(view)),
        *disk_differences(engine, view.containers),
        *tenant_differences(engine),
        *socket_differences(engine),
    ]


def assert_agreement(engine: EngineDaemon) -> None:
    """What the engine does a moment later by itself, as sweeping, is waited for."""
    wait_until(lambda: not differences(engine), "records and kernel to agree", hint=lambda: "; ".join(differences(engine)))


def differ(what: str, recorded: Iterable[object], found: Iterable[object]) -> list[str]:
    """Tell of each thing that only one side has."""
    one, other = set(map(str, recorded)), set(map(str, found))
    return [f"{what} only in records: {text}" for text in sorted(one - other)] + [
        f"{what} only in the kernel: {text}" for text in sorted(other - one)
    ]


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _leases(view: View) -> list[str]:
    """Leases are those of running containers, on the networks that they are to be on."""
    shown = {
        (key, network["NetworkID"], network["IPAddress"])
        for key, one in view.running.items()
        for network in one["NetworkSettings"]["Networks"].values()
        if network["IPAddress"]
    }
    kept = {(lease["container_id"], lease["network_id"], lease["address"]) for lease in view.leases}
    named = {network["Id"] for network in view.engine.request("GET", "/networks").document if network["Driver"] == "bridge"}
    lost = [f"lease on a network that is none: {one}" for one in kept if one[1] not in view.networks]
    return [*differ("lease", kept, shown), *lost, *(f"network without a record: {one}" for one in _made(named, view))]


def _made(named: set[str], view: View) -> set[str]:
    """A default network is listed before it is made."""
    return {one for one in named - view.networks.keys() if any(lease["network_id"] == one for lease in view.leases)}


def _devices(view: View) -> list[str]:
    """Each lease has its veth, on the bridge of its network; bridges are those of networks, and there where they are needed."""
    veths = {view.veth(lease["address"]): view.bridge(lease["network_id"]) for lease in view.leases}
    found = {name: link.get("master", "none") for name, link in view.links.items() if name.startswith("v")}
    bridges = {view.bridge(network_id): record for network_id, record in view.networks.items()}
    there = {name: link for name, link in view.links.items() if name.startswith("b")}
    stray = [f"bridge without a network: {name}" for name in there.keys() - bridges.keys()]
    lost = [f"no bridge {name} for a lease" for name in set(veths.values()) - there.keys()]
    down = [f"bridge {name} is down" for name, link in there.items() if "UP" not in link["flags"]]
    bare = [f"bridge {name} lacks its address" for name in there.keys() & bridges.keys() if not _has_gateway(view, name)]
    return [*differ("veth", veths.items(), found.items()), *stray, *lost, *down, *bare]


def _has_gateway(view: View, name: str) -> bool:
    return any(address["family"] == "inet" for address in view.links[name]["addr_info"])


def _rules(view: View) -> list[str]:
    routed, bridged = view.table("inet"), view.table("bridge")
    subnets = {(view.bridge(network_id), record["subnet"]) for network_id, record in view.networks.items()}
    sources = {(one["concat"][0], _text(one["concat"][1])) for one in routed["sources"]}
    inward = {view.bridge(network_id) for network_id, record in view.networks.items() if record["internal"]}
    guards = {(view.veth(lease["address"]), lease["mac"], lease["address"]) for lease in view.leases}
    speaking = {tuple(map(_text, one["concat"])) for one in bridged["leases"]}
    return [
        *differ("source", subnets, sources),
        *differ("pair of a bridge", {(name, name) for name, _ in subnets}, {tuple(one["concat"]) for one in routed["same"]}),
        *differ("inward bridge", inward, routed["inward"]),
        *differ("guard", guards, speaking),
    ]


def _text(element: Any) -> str:
    if isinstance(element, Mapping) and "prefix" in element:
        return f"{element['prefix']['addr']}/{element['prefix']['len']}"
    return str(element)


def _ports(view: View) -> list[str]:
    """What is shown, kept, led on by the firewall and held by sockets is the same."""
    shown = {
        (key, inside, place["HostIp"], int(place["HostPort"]))
        for key, one in view.running.items()
        for inside, places in one["NetworkSettings"]["Ports"].items()
        for place in places or ()
    }
    kept = {
        (key, f"{port['port']['number']}/{port['port']['protocol']}", port["host_address"], port["host_port"])
        for key, published in view.ports.items()
        for port in published
    }
    listening = {port for _, inside, address, port in kept if inside.endswith("/tcp") and "." in address}
    return [
        *differ("published port", kept, shown),
        *differ("forward", _expected_forwards(view), _forwards(view)),
        *differ("held port", listening, _held(view.engine.pid)),
    ]


def _expected_forwards(view: View) -> set[tuple[str, int, str, int]]:
    """Ports lead to the container's first network that leads out."""
    found = set()
    for key, published in view.ports.items():
        ways = sorted(
            (one["number"], one["address"]) for one in view.leases if one["container_id"] == key and _leads_out(view, one)
        )
        for port in published if ways else ():
            if "." in port["host_address"]:
                found.add((port["port"]["protocol"], port["host_port"], ways[0][1], port["port"]["number"]))
    return found


def _leads_out(view: View, lease: Any) -> bool:
    return not view.networks[lease["network_id"]]["internal"]


def _forwards(view: View) -> set[tuple[str, int, str, int]]:
    routed = view.table("inet")
    found = set()
    for key, value in (*routed["published"], *routed["published_at"]):
        protocol, port = key["concat"][-2:]
        found.add((protocol, port, *value["concat"]))
    return found


def _held(pid: int) -> set[int]:
    """The TCP ports that a process listens at."""
    links = (path for path in Path(f"/proc/{pid}/fd").iterdir())
    inodes = {target.removeprefix("socket:[").rstrip("]") for target in map(_target, links) if target.startswith("socket:[")}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[1].partition(":")[2], 16) for line in lines if line[3] == _LISTENS and line[9] in inodes}


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # closed meanwhile
        return ""


def _inside(view: View) -> list[str]:
    """Who is on a network that leads out has a way out; who is on a user's has a resolver; hosts tells its addresses."""
    found = []
    for key, one in view.running.items():
        own = [lease for lease in view.leases if lease["container_id"] == key]
        if not own:
            continue
        pid = one["State"]["Pid"]
        leads_out = any(_leads_out(view, lease) for lease in own)
        has_names = any(view.networks[lease["network_id"]]["name"] != "bridge" for lease in own)
        found += _unlike(f"{one['Name']}: way out", leads_out, _has_default_route(pid))
        found += _unlike(f"{one['Name']}: resolver", has_names, _RESOLVER in Path(f"/proc/{pid}/net/udp").read_text())
        found += differ(f"{one['Name']}: address in hosts", {lease["address"] for lease in own}, _own_addresses(view, key, one))
    return found


def _unlike(what: str, wanted: bool, found: bool) -> list[str]:
    return [] if wanted == found else [f"{what} is {'missing' if wanted else 'left over'}"]


def _has_default_route(pid: int) -> bool:
    return any(line.split()[1] == "00000000" for line in Path(f"/proc/{pid}/net/route").read_text().splitlines()[1:])


def _own_addresses(view: View, container_id: str, container: Any) -> set[str]:
    folder = view.data / "containers" / container_id
    path = next(path for path in (folder / "etc/hosts", folder / "hosts") if path.exists())
    lines = path.read_text().splitlines()
    words = [line.split() for line in lines]
    return {one[0] for one in words if container["Config"]["Hostname"] in one[1:] and ":" not in one[0]}


def _classes(view: View) -> list[str]:
    """A class for each limited container and what is around it, a filter on each of its devices, no other."""
    limits = _tenant_limits(view.data)
    receivers, senders, nodes = set(), set(), set()
    for lease in view.leases:
        owner = view.networks[lease["network_id"]]["owner"]
        path = [owner.split("/")[0], owner, lease["container_id"]] if owner else [lease["container_id"]]
        chain = [limits.get(name, {}) for name in dict.fromkeys(path[:-1])] + [_own_limits(view, lease["container_id"])]
        ways = [any(one.get(f"network_{way}_bps") for one in chain) for way in ("in", "out")]
        receivers |= {view.veth(lease["address"])} if ways[0] else set()
        senders |= {view.veth(lease["address"])} if ways[1] else set()
        nodes |= {tuple(dict.fromkeys(path))[:depth] for depth in range(1, len(path) + 1)} if any(ways) else set()
    devices = [name for name in view.links if name.startswith("r")]
    if not devices:
        return [f"no devices for rates of {len(nodes)} classes"] if nodes else []
    counts = [
        f"{name} has {_class_count(name)} classes, not {len(nodes)}" for name in devices if _class_count(name) != len(nodes)
    ]
    veths = [name for name in view.links if name.startswith("v")]
    return [
        *counts,
        *differ("filter for what is received", receivers, {name for name in veths if _has_filter(name, "egress")}),
        *differ("filter for what is sent", senders, {name for name in veths if _has_filter(name, "ingress")}),
    ]


def _tenant_limits(data: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((data / "tenants/limits.json").read_text())["limits"])
    except FileNotFoundError:
        return {}


def _own_limits(view: View, container_id: str) -> dict[str, Any]:
    record = json.loads((view.data / "containers" / container_id / "container.json").read_text())
    return dict(record["host"]["limits"])


def _class_count(device: str) -> int:
    listed = subprocess.run(["tc", "class", "show", "dev", device], check=False, capture_output=True, text=True).stdout
    return sum(1 for line in listed.splitlines() if " root " not in line)


def _has_filter(device: str, direction: str) -> bool:
    command = ["tc", "filter", "show", "dev", device, direction]
    return bool(subprocess.run(command, check=False, capture_output=True).stdout.strip())  # the device may just be going


def _files(view: View) -> list[str]:
    """No half of a record stays beside networks, and no socket beside the daemon's and its tenants'."""
    halves = [path for path in (view.data / "networks").rglob("*") if path.name.endswith(".new")]
    known = {"engine.sock", "control.sock"}
    sockets = [path for path in view.engine.run_path.glob("*") if path.is_socket() and path.name not in known]
    return [f"left over: {path}" for path in (*halves, *sockets)]
