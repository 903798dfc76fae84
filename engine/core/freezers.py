"""Which control file freezes a container, and what it says. Pure."""

from dataclasses import dataclass

from engine.core.limits import CgroupLayout


@dataclass(frozen=True, slots=True)
class Freezer:
    """``control`` takes a wish, ``state`` tells what is; cgroup-v2 and freezer-subsystem of the kernel's documentation."""

    control: str
    freeze: str
    thaw: str
    state: str

    @property
    def is_told(self) -> bool:
        """Whether the kernel wakes whoever polls ``state``."""
        return self.control != self.state


def plan_freezers(layout: CgroupLayout, path: list[str]) -> list[Freezer]:
    """Return what can freeze the container at ``path``, best first. The tree of version 2 is also there on hybrid hosts."""
    found = []
    if layout.unified:
        directory = "/".join([layout.unified, *path])
        found.append(Freezer(f"{directory}/cgroup.freeze", "1", "0", f"{directory}/cgroup.events"))
    if "freezer" in layout.mounts:
        file = "/".join([layout.mounts["freezer"], *path, "freezer.state"])
        found.append(Freezer(file, "FROZEN", "THAWED", file))
    return found


def is_frozen_text(text: str) -> bool:
    """Whether the state file says that all processes stand still. FREEZING is not there yet."""
    return text.strip() == "FROZEN" or "frozen 1" in text.splitlines()
