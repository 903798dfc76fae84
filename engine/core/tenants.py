"""Tenants: who owns an object and who may see it.

A tenant is a team or a member of a team. The administrators' own tenant has the empty name; acting as it shows everything.
"""

import re
from dataclasses import dataclass

from engine.errors import InvalidParameter

_PART = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, order=True)
class Tenant:
    """``Tenant()`` is the administrators', ``Tenant("demo")`` a team, ``Tenant("demo", "ada")`` its member."""

    team: str = ""
    member: str = ""

    @property
    def name(self) -> str:
        """The text form: ``""``, ``team`` or ``team/member``."""
        return f"{self.team}/{self.member}" if self.member else self.team

    @property
    def is_administrator(self) -> bool:
        return not self.team

    @property
    def scopes(self) -> tuple["Tenant", ...]:
        """Whose quotas hold for what belongs to it: its own, then its team's; none for the administrators."""
        if self.is_administrator:
            return ()
        return (self, Tenant(self.team)) if self.member else (self,)

    def sees(self, owner: "Tenant") -> bool:
        """Whether an object of ``owner`` exists for this tenant: administrators see all, a team its members."""
        if self.is_administrator:
            return True
        return owner.team == self.team and self.member in ("", owner.member)


ADMINISTRATOR = Tenant()


def parse_tenant(text: str) -> Tenant:
    """Read ``team`` or ``team/member``; an empty text is the administrators' tenant.

    Raises InvalidParameter for anything else.
    """
    if not text:
        return ADMINISTRATOR
    parts = text.split("/")
    if len(parts) > 2 or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidParameter(
            f"invalid tenant {text[:140]!r}: use team or team/member, each 1 to 63 of a-z, 0-9, dot, dash and underscore,"
            " beginning and ending with a letter or digit"
        )
    return Tenant(*parts)
