"""Labels by which whoever manages a tenant's containers knows its own among them again. Pure.

No image hands them on, else a copy of a managed container would be taken for it; nor does a tenant set them through its own
socket.
"""

from collections.abc import Iterable, Mapping

PREFIX = "atelier."


def without_own(labels: Mapping[str, str]) -> dict[str, str]:
    """Return what an image may have of a container's labels, or a container of an image's."""
    return {name: value for name, value in labels.items() if not name.startswith(PREFIX)}


def find_own(names: Iterable[str]) -> str:
    """Return a name that is kept for those who manage, or an empty text."""
    return next((name for name in names if name.startswith(PREFIX)), "")
