"""What a client asks of a build, as data. Pure; knows no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.core.containers import HostConfig
from engine.core.registries import Credentials


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """``host`` is how the containers of RUN run; ``labels`` become a last instruction, as with dockerd."""

    dockerfile: str = "Dockerfile"
    tags: tuple[str, ...] = ()
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    is_quiet: bool = False
    uses_cache: bool = True
    cache_from: tuple[str, ...] = ()
    pulls: bool = False
    removes: bool = True  # the containers of steps that went well
    force_removes: bool = False  # also of those that failed
    host: HostConfig = field(default_factory=HostConfig)
    credentials: Mapping[str, Credentials] = field(default_factory=dict, repr=False)  # by domain, for this build alone
