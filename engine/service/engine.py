"""The engine as one object: the stores and helpers that the verbs work on.

Owns nothing but the wiring; each verb is a function in its own file that is handed this.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from engine.build.staging import Staging
from engine.core.capabilities import container_capabilities
from engine.core.containers import ContainerRecord
from engine.core.limits import CgroupLayout
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import NotFound
from engine.image.registry_client import RegistryClient
from engine.image.sources import SourceStore
from engine.image.store import Image, ImageStore
from engine.image.transfers import Transfers
from engine.network.manager import NetworkManager
from engine.runtime.client import Supervisor
from engine.runtime.log_reader import LogReader
from engine.runtime.process import Process
from engine.runtime.seccomp_cache import SeccompCache
from engine.service.builds import Builds
from engine.service.containers import ContainerStore
from engine.service.dials import Dials
from engine.service.events import EventBus
from engine.service.execs import ExecStore
from engine.service.fillers import Fillers
from engine.service.health_monitors import HealthMonitors
from engine.service.io_limiter import IoLimiter
from engine.service.milestones import Milestones
from engine.service.pull_upkeep import PullUpkeep
from engine.service.quota_keeper import QuotaKeeper
from engine.service.readers import Readers
from engine.service.restart_timers import RestartTimers
from engine.service.slow_work import SlowWork
from engine.service.socket_watch import SocketWatch
from engine.service.starts import Starts
from engine.service.tenant_doors import TenantDoors
from engine.service.turns import Turns
from engine.service.usage_watches import UsageWatches
from engine.service.watches import Watches
from engine.storage.areas import Areas
from engine.storage.disk import Disk
from engine.storage.rootfs import logs_of, spill_of
from engine.storage.trash import Trash
from engine.storage.volumes import VolumeStore
from engine.tenants.admission import Admission
from engine.tenants.rates import RateBook
from engine.tenants.store import TenantStore

LAUNCHES_AT_ONCE = 4  # of one tenant: the supervisor makes one process after the other, for all
LAUNCH_SECONDS = 1.0  # a launch takes milliseconds; one that a hostile image stalls gives its turn to the next
LOOKS_AT_ONCE = 2  # of one tenant, by the host's ps: each is a process that no container accounts for
COPIES_AT_ONCE = 8  # of one tenant: each is a process, which a container that stands still does not account for


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the daemon found out about its host at its start."""

    name: str
    kernel: str
    machine: str
    system: str
    architecture: str  # as images name it
    processors: frozenset[int]
    memory_nodes: frozenset[int]
    memory_bytes: int
    cgroups: CgroupLayout
    is_seccomp_available: bool

    @property
    def cpus(self) -> int:
        return len(self.processors)


@dataclass(slots=True)
class Engine:
    """All parts of a running daemon. ``instance`` tells two engines of one host apart in names of kernel objects."""

    instance: str
    engine_id: str
    data_path: Path
    disk: Disk
    areas: Areas
    host: HostFacts
    tenants: TenantStore
    admission: Admission
    images: ImageStore
    trash: Trash
    staging: Staging
    volumes: VolumeStore
    containers: ContainerStore
    execs: ExecStore
    network: NetworkManager
    supervisor: Supervisor
    seccomp: SeccompCache
    registries: RegistryClient
    sources: SourceStore
    doors: TenantDoors
    events: EventBus = field(default_factory=EventBus)
    milestones: Milestones = field(default_factory=Milestones)
    slow: SlowWork = field(default_factory=SlowWork)
    copies: Turns = field(default_factory=lambda: Turns(COPIES_AT_ONCE))
    looks: Turns = field(default_factory=lambda: Turns(LOOKS_AT_ONCE))
    launches: Turns = field(default_factory=lambda: Turns(LAUNCHES_AT_ONCE))
    fillers: Fillers = field(init=False)
    transfers: Transfers = field(init=False)
    upkeep: PullUpkeep = field(init=False)
    readers: Readers = field(default_factory=Readers)
    dials: Dials = field(default_factory=Dials)
    health: HealthMonitors = field(default_factory=HealthMonitors)
    restarts: RestartTimers = field(default_factory=RestartTimers)
    starts: Starts = field(default_factory=Starts)
    watches: Watches = field(default_factory=Watches)
    builds: Builds = field(default_factory=Builds)
    io: IoLimiter = field(default_factory=IoLimiter)
    quotas: QuotaKeeper = field(default_factory=QuotaKeeper)
    sockets: SocketWatch = field(default_factory=SocketWatch)
    rates: RateBook = field(default_factory=RateBook)
    usage_watches: UsageWatches = field(default_factory=UsageWatches)
    collecting: set[asyncio.Future[None]] = field(default_factory=set)  # images that nobody needs any more

    def __post_init__(self) -> None:
        self.fillers = Fillers(self.slow)
        self.transfers = Transfers(self.images.layers, self.sources, run_slow=self.slow.run, release=self.images.release)
        self.upkeep = PullUpkeep(self.sources, self.collect_images)

    def process(self, container_id: str) -> Process | None:
        """Return a container's init while it lives."""
        process = self.supervisor.processes.get(container_id)
        return process if process is not None and process.exit is None else None

    def log(self, container_id: str) -> LogReader:
        """Return a container's log, whether it runs or not."""
        path = self.containers.path(container_id)
        return LogReader(logs_of(path), watcher=self.supervisor.watcher, spill=spill_of(path))

    def publish(self, record: ContainerRecord, action: str, **attributes: str) -> None:
        """Tell what happened to a container."""
        described = {**record.config.labels, "image": record.config.image, "name": record.name, **attributes}
        self.events.publish("container", action, record.container_id, described, tenant=record.tenant)

    def publish_image(self, action: str, image: Image, tenant: Tenant, *, name: str = "") -> None:
        """Tell what happened to an image; a name stands in the event only where it is given, else the id, as with dockerd."""
        self.events.publish("image", action, image.id, {**image.config.labels, "name": name or image.id}, tenant=tenant)

    def seccomp_paths(self, record: ContainerRecord) -> tuple[str, str]:
        """Return the compiled system call filters of a container; empty for none. Blocking.

        A profile of an administrator's stands in place of the engine's filter, that of a tenant's holds as well as it.
        """
        capabilities, wanted = container_capabilities(record.host), record.host.seccomp
        if wanted == "unconfined" or (record.host.privileged and not wanted):
            return "", ""
        if not wanted:
            return self.seccomp.path(capabilities), ""
        own = self.seccomp.path(capabilities, document=wanted)
        return (own, "") if record.tenant.is_administrator else (self.seccomp.path(capabilities), own)

    def collect_image(self, image_id: str) -> None:
        """After a container has gone: delete its image when that was kept for it alone."""
        try:
            self.images.get(ADMINISTRATOR, image_id)
        except NotFound:  # nobody holds it
            self.collect_images()

    def collect_images(self) -> None:
        """Delete in the background what no tenant holds and no container needs any more."""

        def used() -> set[str]:
            return {record.image_id for record in self.containers.all()} | self.builds.images()

        def collect() -> None:
            self.images.collect(used)
            self.settle_payers()

        collecting = asyncio.get_running_loop().run_in_executor(None, collect)
        self.collecting.add(collecting)
        collecting.add_done_callback(self.collecting.discard)

    def settle_payers(self) -> None:
        """Charge layers to those who still need them. Blocking."""
        if self.disk.has_limits:
            self.images.settle_payers(self._image_users)

    def _image_users(self) -> dict[str, set[Tenant]]:
        users: dict[str, set[Tenant]] = {}
        for record in self.containers.all():
            users.setdefault(record.image_id, set()).add(record.tenant)
        return users
