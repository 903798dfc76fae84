"""System call filters as data: the engine's default for a set of capabilities, and profiles in Docker's JSON. Daemon only."""

import errno
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import InvalidParameter
from engine.runtime.seccomp_calls import ALLOWED, BY_ARCHITECTURE, BY_CAPABILITY

Comparison = Literal["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]

# All namespace flags of clone(2): CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NEW_NAMESPACES = 0x7E020000
_AF_ALG = 38  # kernel crypto: a large attack surface
_AF_VSOCK = 40  # reaches the hypervisor's side, past every network namespace
# personality(2): Linux, Linux with 4 GB, and both with UNAME26; 0xffffffff asks what it is.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_DOCKER_ARCHITECTURES = {"x86_64": {"amd64", "x86", "x32"}, "aarch64": {"arm64", "arm"}}


@dataclass(frozen=True, slots=True)
class Condition:
    """Argument number ``index`` compared with ``value``; MASKED_EQ compares it, masked by ``value``, with ``second``."""

    index: int
    comparison: Comparison
    value: int
    second: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to these calls when all conditions hold: ``errno`` 0 allows them."""

    names: tuple[str, ...]
    errno: int = 0
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """``default_errno`` 0 allows what no rule names."""

    default_errno: int
    rules: tuple[Rule, ...]


def default_profile(capabilities: Collection[str], *, machine: str = platform.machine()) -> Profile:
    """The engine's own filter for a container that has these capabilities."""
    rules = [Rule((*ALLOWED, *BY_ARCHITECTURE.get(machine, ())))]
    rules += [Rule(("socket",), conditions=(Condition(0, "LT", _AF_ALG),))]
    rules += [Rule(("socket",), conditions=(Condition(0, "EQ", _AF_ALG + 1),))]
    rules += [Rule(("socket",), conditions=(Condition(0, "GT", _AF_VSOCK),))]
    rules += [Rule(("personality",), conditions=(Condition(0, "EQ", value),)) for value in _PERSONALITIES]
    rules += [Rule(tuple(names.split())) for capability, names in BY_CAPABILITY.items() if capability in capabilities]
    if "CAP_SYS_ADMIN" not in capabilities:
        rules.append(Rule(("clone",), conditions=(Condition(0, "MASKED_EQ", _NEW_NAMESPACES, 0),)))
        # Its flags are behind a pointer, where no filter can look; the C library takes clone instead on this answer.
        rules.append(Rule(("clone3",), errno=errno.ENOSYS))
    return Profile(errno.EPERM, tuple(rules))


def parse_profile(document: Any, capabilities: Collection[str], *, machine: str = platform.machine()) -> Profile:
    """A profile in Docker's JSON form, as far as it applies to these capabilities. Raises InvalidParameter."""
    try:
        default = _parse_action(document["defaultAction"], document.get("defaultErrnoRet"))
        entries = [entry for entry in document.get("syscalls") or () if _applies(entry, set(capabilities), machine)]
        return Profile(default, tuple(_parse_rule(entry) for entry in entries))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidParameter(f"invalid seccomp profile: {type(error).__name__} {error}") from error


def _parse_rule(entry: Mapping[str, Any]) -> Rule:
    names = tuple(entry.get("names") or (entry["name"],))
    return Rule(
        names, _parse_action(entry["action"], entry.get("errnoRet")), tuple(map(_parse_condition, entry.get("args") or ()))
    )


def _parse_action(action: str, errno_return: int | None) -> int:
    if action == "SCMP_ACT_ALLOW":
        return 0
    if action == "SCMP_ACT_ERRNO":
        return errno.EPERM if errno_return is None else int(errno_return)
    raise InvalidParameter(f"invalid seccomp profile: action {action} is not supported, use SCMP_ACT_ALLOW or SCMP_ACT_ERRNO")


def _parse_condition(argument: Mapping[str, Any]) -> Condition:
    comparisons: dict[str, Comparison] = {f"SCMP_CMP_{name}": name for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")}
    return Condition(
        int(argument["index"]), comparisons[argument["op"]], int(argument["value"]), int(argument.get("valueTwo") or 0)
    )


def _applies(entry: Mapping[str, Any], capabilities: set[str], machine: str) -> bool:
    """``includes`` must all hold, ``excludes`` must not; conditions on the kernel's version hold on every kernel we run on."""
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    ours = _DOCKER_ARCHITECTURES.get(machine, {machine})
    if includes.get("arches") and not ours & set(includes["arches"]):
        return False
    if excludes.get("arches") and ours & set(excludes["arches"]):
        return False
    return set(includes.get("caps") or ()) <= capabilities and not set(excludes.get("caps") or ()) & capabilities
