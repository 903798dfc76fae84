"""Arithmetic on layers: chain ids and the order in which an overlay wants them. Knows no folder."""

from collections.abc import Sequence

from engine.core.digests import sha256_of

# moby's ceiling, far below the kernel's 500; images beyond it would run nowhere else.
MAX_LAYERS = 125
# The diff id of a tar without members: two empty blocks.
EMPTY_LAYER = sha256_of(bytes(1024))


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Name each layer together with all below it (OCI image specification, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(diff_id if not chain else sha256_of(f"{chain[-1]} {diff_id}"))
    return chain


def distinct_layers(diff_ids: Sequence[str]) -> list[str]:
    """Drop a layer that occurs again further up; base first, as given.

    A layer is one folder however often an image names it, and the kernel refuses an overlay with the same folder twice.
    Leaving out the lower one changes nothing: each path that it sets is set again, alike, by the upper one.
    """
    return list(reversed(dict.fromkeys(reversed(diff_ids))))
