"""The four kinds of things that a page of workloads lists, what may be asked of each, and how one is named in a request."""

import re
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

_HEX_ID = r"[0-9a-f]{64}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """``name`` is the tab's, ``noun`` the first part of an action such as ``image.remove``.

    ``events`` are those of the engine after which its list may look different.
    """

    name: str
    noun: str
    title: StrPromise
    empty: StrPromise
    verbs: tuple[str, ...]
    pattern: re.Pattern[str]
    events: tuple[str, ...]

    def is_id(self, text: str) -> bool:
        return self.pattern.fullmatch(text) is not None


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="containers",
            noun="container",
            title=_("Containers"),
            empty=_("No containers. What you start with docker in a lab shows up here at once."),
            verbs=("start", "stop", "remove"),
            pattern=re.compile(_HEX_ID),
            events=("create", "start", "die", "destroy", "pause", "unpause", "rename", "restart", "update"),
        ),
        Kind(
            name="images",
            noun="image",
            title=_("Images"),
            empty=_("No images. What you build or pull in a lab shows up here at once."),
            verbs=("remove",),
            pattern=re.compile(f"sha256:{_HEX_ID}"),
            events=("tag", "untag", "delete", "import", "load", "pull", "build", "commit"),
        ),
        Kind(
            name="volumes",
            noun="volume",
            title=_("Volumes"),
            empty=_("No volumes."),
            verbs=("remove",),
            pattern=re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}"),
            events=("create", "destroy"),
        ),
        Kind(
            name="networks",
            noun="network",
            title=_("Networks"),
            empty=_("No networks."),
            verbs=("remove",),
            pattern=re.compile(_HEX_ID),
            events=("create", "destroy"),
        ),
    )
}
