"""A container's isolation beyond the usual: who may ask for what, and what it comes to at the start.

Owns that a shared namespace is one of the same tenant's, and that what reaches the host is for administrators only.
"""

from dataclasses import replace

from engine.core.capabilities import DEFAULT, effective_capabilities
from engine.core.containers import ContainerRecord, HostConfig
from engine.core.devices import device_rules, formatted
from engine.core.ids import short_id
from engine.core.launch import CgroupSpec, JoinSpec, LaunchSpec, NamespacesSpec
from engine.core.lifecycle import State
from engine.core.limits import cgroup_path, plan_cgroup
from engine.core.mount_plan import wants_host_paths
from engine.core.namespace_modes import HOST, join_mode, joined_container
from engine.core.tenants import Tenant
from engine.errors import Conflict, Forbidden, InvalidParameter, NotFound
from engine.service.container_groups import starting_limits
from engine.service.devices import find_devices, with_numbers
from engine.service.engine import Engine
from engine.service.network_modes import network_owner

_SHAREABLE = "shareable"


def check_allowed(host: HostConfig) -> None:
    """What would reach the host, or take a guard between a tenant and the kernel away. Raises Forbidden."""
    asked = {
        "binds of the host's paths": wants_host_paths(host.bind_texts, host.mounts),
        "privileged containers": host.privileged,
        "devices of the host": bool(host.devices or host.device_rules),
        "a CapAdd beyond Docker's default set": not set(effective_capabilities(add=host.cap_add, drop=[])) <= set(DEFAULT),
        "seccomp=unconfined": host.seccomp == "unconfined",
        "options of AppArmor and SELinux": bool(host.security_labels),
        "MaskedPaths and ReadonlyPaths": host.masked_paths is not None or host.readonly_paths is not None,
        "OomKillDisable": host.limits.oom_kill_disable,  # who looks at a process that hangs for want of memory may hang too
        "an OomScoreAdj below 0": host.oom_score_adj < 0,
        **{f"{name} host": mode == HOST for name, mode in _modes(host).items()},
    }
    for what, is_asked in asked.items():
        if is_asked:
            raise Forbidden(f"only administrators may use {what}: leave it out")


def check_possible(host: HostConfig, *, hostname: str) -> None:
    """What the kernel cannot do, or what contradicts itself. Raises InvalidParameter."""
    if host.userns_mode == HOST:
        raise InvalidParameter(
            "invalid UsernsMode 'host': root of a container is never root of the host, leave it out;"
            " Privileged gives all rights inside the container"
        )
    if host.uts_mode == HOST and hostname:
        raise InvalidParameter("conflicting options: hostname and the UTS mode host, leave one out")


def resolve_modes(engine: Engine, tenant: Tenant, host: HostConfig) -> HostConfig:
    """Return the configuration with the ids of the containers that it joins. Raises NotFound, Forbidden, Conflict."""
    ipc, pid, net = (_resolved(engine, tenant, mode) for mode in (host.ipc_mode, host.pid_mode, host.network_mode))
    if (name := joined_container(ipc)) and engine.containers.find(tenant, name).host.ipc_mode != _SHAREABLE:
        raise Conflict(_not_shareable(name))
    return replace(host, ipc_mode=ipc, pid_mode=pid, network_mode=net)


def container_cgroup(engine: Engine, record: ContainerRecord) -> CgroupSpec:
    """Return the plan of a container's cgroups for a start. Blocking. Raises InvalidParameter for a device that has gone."""
    host = record.host
    rules = device_rules(find_devices(host.devices), host.device_rules)
    path = cgroup_path(engine.instance, record.tenant, record.container_id)
    limits, further = starting_limits(engine, record)
    plan = plan_cgroup(engine.host.cgroups, path, with_numbers(limits), devices=formatted(rules), further=further)
    if (host.writable_cgroups or host.privileged) and engine.host.cgroups.unified:
        plan["delegated"] = True
    return plan


def isolate(engine: Engine, record: ContainerRecord, spec: LaunchSpec) -> LaunchSpec:
    """Return the specification with what is not usual. Blocking. Raises NotFound, Conflict, InvalidParameter."""
    host = record.host
    nodes = find_devices(host.devices)
    return {
        **spec,
        "namespaces": _namespaces(engine, record),
        "devices": [node for node, _ in nodes],
        "device_rules": device_rules(nodes, host.device_rules),
        "shared_memory": host.ipc_mode != "none",
        "writable_kernel": host.privileged,
    }


def _modes(host: HostConfig) -> dict[str, str]:
    return {
        "IpcMode": host.ipc_mode,
        "PidMode": host.pid_mode,
        "UTSMode": host.uts_mode,
        "UsernsMode": host.userns_mode,
        "CgroupnsMode": host.cgroupns_mode,
        "NetworkMode": host.network_mode,
    }


def _resolved(engine: Engine, tenant: Tenant, mode: str) -> str:
    """Sharing a namespace is sharing the user namespace, so ids must be the same."""
    name = joined_container(mode)
    if not name:
        return mode
    try:
        target = engine.containers.find(tenant, name)
    except NotFound as error:  # not found is the image's word: clients would fetch it and try again
        raise InvalidParameter(error.message) from None
    if target.tenant != tenant:
        raise Forbidden(f"container {target.name} belongs to {target.tenant.name or 'administrators'}: join one of your own")
    return join_mode(target.container_id)


def _namespaces(engine: Engine, record: ContainerRecord) -> NamespacesSpec:
    host = record.host
    net = network_owner(engine, record).host.network_mode
    modes = {
        "ipc": host.ipc_mode,
        "pid": _followed(engine, record),
        "uts": host.uts_mode,
        "cgroup": host.cgroupns_mode,
        "net": net,
    }
    spec: NamespacesSpec = {"host": [name for name, mode in modes.items() if mode == HOST]}
    if name := joined_container(modes["ipc"]):
        spec["ipc"] = _join(engine, record, name, "IPC")
        if engine.containers.current(name).host.ipc_mode != _SHAREABLE:
            raise Conflict(_not_shareable(name))
    if name := joined_container(modes["pid"]):
        spec["pid"] = _join(engine, record, name, "PID")
    if net != HOST and (name := joined_container(host.network_mode)):
        spec["net"] = _join(engine, record, name, "network")
    return spec


def _followed(engine: Engine, record: ContainerRecord) -> str:
    """A container that shares the processes of one that shares the host's shares the host's."""
    mode = record.host.pid_mode
    if not (name := joined_container(mode)):
        return mode
    return HOST if engine.containers.find(record.tenant, name).host.pid_mode == HOST else mode


def _join(engine: Engine, record: ContainerRecord, name: str, what: str) -> JoinSpec:
    target = engine.containers.find(record.tenant, name)
    if target.run.state not in (State.RUNNING, State.PAUSED):
        raise Conflict(f"cannot join {what} of a non running container: {short_id(target.container_id)} is not running")
    return {"container_id": target.container_id, "pid": target.run.pid, "identity": target.run.identity}


def _not_shareable(container_id: str) -> str:
    hint = "(hint: use IpcMode:shareable for the donor container)"
    return f"cannot join IPC of container {short_id(container_id)}: non-shareable IPC {hint}"
