"""Whose sockets keep more of the kernel's memory than their limits leave: what the kernel counts for nobody is judged here.

Owns the rule, which is the kernel's own for all other memory: what is in use and cannot be dropped, together with what sockets
keep, is at most the limit of the container, and of its tenant. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.core.tenants import Tenant

FEW_BYTES = 1 << 20  # of one container: answers that are just being read


@dataclass(frozen=True, slots=True)
class Keeper:
    """Containers that share one network, by the id of the one whose it is. ``kept_bytes``: what no cgroup counts."""

    container_id: str
    tenant: Tenant
    kept_bytes: int
    used_bytes: int
    limit_bytes: int | None  # of all of them together, None where one has none


@dataclass(frozen=True, slots=True)
class Account:
    """What a tenant has of memory, by its cgroup, and its limit."""

    used_bytes: int
    limit_bytes: int


def choose_overdrawn(keepers: Sequence[Keeper], accounts: Mapping[Tenant, Account]) -> list[Keeper]:
    """Return those that are past a limit of their own, and the largest one of each tenant that is past its limit."""
    large = [keeper for keeper in keepers if keeper.kept_bytes > FEW_BYTES]
    chosen = [one for one in large if one.limit_bytes is not None and one.used_bytes + one.kept_bytes > one.limit_bytes]
    for tenant, account in accounts.items():
        within = [one for one in keepers if tenant in one.tenant.scopes]
        left = account.limit_bytes - account.used_bytes - sum(one.kept_bytes for one in within if one not in chosen)
        candidates = [one for one in within if one in large and one not in chosen]
        if left < 0 and candidates:
            chosen.append(max(candidates, key=lambda one: one.kept_bytes))
    return chosen
