"""Who pays for a layer: the tenant that stored it, and once that one needs it no more, another that does. Pure."""

from collections.abc import Collection, Iterable, Mapping

from engine.core.tenants import Tenant


def new_payers(payers: Mapping[str, Tenant], images: Iterable[tuple[Collection[str], Collection[Tenant]]]) -> dict[str, Tenant]:
    """Return the layers that are to be charged to somebody else. ``images`` are diff ids and who needs an image with them.

    Administrators pay before tenants do. What no image has is left as it is: somebody is just bringing it in.
    """
    needed: dict[str, set[Tenant]] = {}
    for diff_ids, users in images:
        for diff_id in diff_ids:
            needed.setdefault(diff_id, set()).update(users)
    return {
        diff_id: min(users) for diff_id, users in needed.items() if users and diff_id in payers and payers[diff_id] not in users
    }
