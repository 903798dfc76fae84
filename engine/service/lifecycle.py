"""The daemon's own beginning and end: wiring of the engine, opening in order, and putting right what happened meanwhile."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engine.build.staging import Staging
from engine.core.addresses import DEFAULT_POOLS, Pool
from engine.core.lifecycle import ALIVE
from engine.core.registries import RegistrySettings
from engine.image.registry_client import RegistryClient
from engine.image.sources import SourceStore
from engine.image.store import ImageStore
from engine.network.manager import NetworkManager
from engine.runtime.client import Supervisor
from engine.runtime.process import ProcessExit
from engine.runtime.seccomp_cache import SeccompCache
from engine.service.containers import ContainerStore
from engine.service.dispensable import dispensable
from engine.service.engine import Engine
from engine.service.execs import ExecStore
from engine.service.exits import handle_exit
from engine.service.health_monitor import resume_health
from engine.service.host_facts import engine_id, host_facts
from engine.service.overdrawn import look_at_sockets
from engine.service.reconcile import reconcile
from engine.service.restart_later import resume_restarts
from engine.service.resume_names import resume_names
from engine.service.tenant_cgroups import restore_kernel_limits, sweep_tenants
from engine.service.tenant_doors import TenantDoors
from engine.service.tenants import restore_io_limits, restore_limits
from engine.service.volumes import volumes_held
from engine.storage.areas import Areas
from engine.storage.disk import Disk, DiskSettings, open_disk
from engine.storage.layers import LayerStore
from engine.storage.trash import Trash
from engine.storage.volumes import VolumeStore
from engine.tenants.admission import Admission
from engine.tenants.doors import Doors
from engine.tenants.store import TenantStore

SHORT_NAME_DOMAIN = "docker.io"  # the docker command writes short names out with it before it sends them


def instance_of(data_path: Path) -> str:
    """Return 6 hexadecimal digits that tell this engine's kernel objects from those of another data folder."""
    return hashlib.sha256(str(data_path).encode()).hexdigest()[:6]


def build_engine(
    *,
    data_path: Path,
    run_path: Path,
    registries: RegistrySettings | None = None,
    disk: DiskSettings | None = None,
    pools: Sequence[Pool] = DEFAULT_POOLS,
) -> Engine:
    """Make the engine's objects and read what is on disk; nothing is started. Raises OSError, Fault, Unavailable."""
    data_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened_disk = open_disk(data_path, disk or DiskSettings())
    try:
        return _on_disk(opened_disk, data_path=data_path, run_path=run_path, registries=registries, pools=pools)
    except BaseException:
        opened_disk.close(unmount=True)
        raise


def _on_disk(
    disk: Disk, *, data_path: Path, run_path: Path, registries: RegistrySettings | None, pools: Sequence[Pool]
) -> Engine:
    data_path.chmod(0o700)  # files of containers lie here under their own ids, setuid ones among them
    trash = Trash(data_path / "trash", disk)
    tenants = TenantStore(data_path / "tenants")
    admission = Admission(tenants)
    areas = Areas(disk, limit_of=lambda tenant: tenants.limits(tenant).disk, note_refusal=admission.note_refusal)
    containers = ContainerStore(data_path / "containers", admit=admission.admit)
    layers = LayerStore(data_path / "layers", trash, areas)
    engine: Engine

    async def on_exit(ended: ProcessExit) -> None:
        await handle_exit(engine, ended)

    engine = Engine(
        instance=instance_of(data_path),
        engine_id=engine_id(data_path),
        data_path=data_path,
        disk=disk,
        areas=areas,
        host=host_facts(),
        tenants=tenants,
        admission=admission,
        images=ImageStore(data_path / "images", layers, trash, default_domain=SHORT_NAME_DOMAIN, admit=admission.admit),
        trash=trash,
        staging=Staging(data_path / "builds", trash, areas),
        volumes=VolumeStore(data_path / "volumes", trash, areas, admit=admission.admit),
        containers=containers,
        execs=ExecStore(containers),
        network=NetworkManager(
            data_path=data_path,
            run_path=run_path,
            instance=instance_of(data_path),
            pools=pools,
            admit=admission.admit,
            reaches=tenants.reaches,
        ),
        supervisor=Supervisor(run_path=run_path, on_exit=on_exit),
        seccomp=SeccompCache(data_path / "seccomp"),
        registries=RegistryClient(registries or RegistrySettings()),
        sources=SourceStore(data_path / "blobs", layers, now_ns=time.time_ns),
        doors=TenantDoors(Doors(run_path / "tenants")),
    )
    admission.names = partial(dispensable, engine)
    return engine


async def open_engine(engine: Engine) -> None:
    """Take over what runs and put the records right. Raises Unavailable, Fault."""
    strays = await asyncio.to_thread(engine.containers.load)
    await asyncio.to_thread(engine.execs.load)
    for folder in strays:
        await asyncio.to_thread(engine.trash.discard, folder)
    await asyncio.to_thread(engine.volumes.restore, volumes_held(engine.containers.all()))
    await engine.network.open()
    await restore_limits(engine)
    engine.supervisor.watcher.open()
    await engine.supervisor.open()
    await reconcile(engine)
    await restore_io_limits(engine)
    await restore_kernel_limits(engine)
    await resume_names(engine)
    await resume_health(engine)
    await resume_restarts(engine)
    engine.upkeep.start()
    engine.sockets.start(partial(look_at_sockets, engine))


async def close_engine(engine: Engine) -> None:
    """Let go. Containers that run go on, with supervisor and network; without any, nothing is left behind."""
    engine.events.close()
    await engine.builds.close()
    engine.upkeep.close()
    await engine.sockets.close()
    await engine.transfers.close()
    await engine.registries.close()
    await engine.restarts.close()
    await engine.health.close()
    await engine.quotas.close()
    is_idle = not any(record.run.state in ALIVE for record in engine.containers.all())
    await engine.supervisor.close()
    await engine.network.close(remove=is_idle)
    if is_idle:
        await asyncio.to_thread(sweep_tenants, engine)
    await asyncio.to_thread(engine.trash.close)  # else it would hold what is to be unmounted
    await asyncio.to_thread(engine.disk.close, unmount=is_idle)
