"""How the stores ask whether a tenant may have more of something, without knowing who decides. Pure."""

from collections.abc import Callable
from typing import Protocol

from engine.core.tenants import Tenant

Used = Callable[[Tenant], float]  # what a team with all its members, or a member, has now


class Admit(Protocol):
    """Asked in the very step that takes what is asked for, so that nobody else can come in between. From any thread."""

    def __call__(self, tenant: Tenant, resource: str, /, *, requested: float | Used, used: Used) -> None:
        """Raise QuotaExceeded where ``requested`` more would pass a quota of the tenant or its team.

        What is shared within a team may be more for a member than for the team, so it may be a function too.
        """


def admit_all(tenant: Tenant, resource: str, *, requested: float | Used, used: Used) -> None:
    """Refuse nobody: for stores that belong to no engine."""
