"""What a build will do: the stages that are needed, in order, and how many steps they have. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.core.dockerfile_instructions import Arg, Dockerfile, Label, Stage
from engine.core.dockerfile_stages import count_steps, needed_stages

GIVEN = 0  # the line of an instruction that stands in no file


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """``args`` stand before the first FROM; ``total`` is what the steps are counted against."""

    dockerfile: Dockerfile
    args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    total: int


def plan_build(dockerfile: Dockerfile, *, target: str, labels: Mapping[str, str]) -> BuildPlan:
    """Plan a build up to a stage; the client's labels become its last instruction. Raises InvalidParameter."""
    needed = needed_stages(dockerfile, target)
    stages = [dockerfile.stages[index] for index in needed]
    total = count_steps(dockerfile, needed)
    if labels:
        stages[-1] = replace(stages[-1], instructions=(*stages[-1].instructions, _label(labels)))
        total += 1
    return BuildPlan(dockerfile, dockerfile.args, tuple(stages), total)


def _label(labels: Mapping[str, str]) -> Label:
    pairs = tuple(sorted(labels.items()))
    return Label(pairs=pairs, line=GIVEN, end_line=GIVEN, text=" ".join(["LABEL", *(f"{name}={value}" for name, value in pairs)]))
