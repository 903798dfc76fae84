"""Which stages of a Dockerfile a build needs, and how many steps that makes. Pure."""

from collections.abc import Iterator, Sequence

from engine.core.dockerfile_errors import DockerfileError, cut
from engine.core.dockerfile_instructions import Copy, Dockerfile, Instruction, Run, Stage
from engine.errors import InvalidParameter


def needed_stages(dockerfile: Dockerfile, target: str = "") -> tuple[int, ...]:
    """Return the indexes of the target's stage (name or number; the last without one) and of all it builds on, in order.

    Raises InvalidParameter for a target that does not exist, and for a stage that copies from itself or a later one.
    """
    last = _target_index(dockerfile, target)
    needed = {last}
    for index in range(last, -1, -1):
        if index in needed:
            needed.update(_sources(dockerfile, dockerfile.stages[index]))
    return tuple(sorted(needed))


def source_stage(dockerfile: Dockerfile, name: str, before: int, *, by_number: bool = False) -> int | None:
    """Return the index of an earlier stage with that name (in any case) or, where asked for, number; None: an image is meant."""
    for stage in dockerfile.stages[:before]:
        if stage.name and stage.name == name.lower():
            return stage.index
    return _number(name, before) if by_number else None


def copied_names(instruction: Instruction) -> tuple[str, ...]:
    """Return what an instruction takes files from: stages by name or number, or images."""
    if isinstance(instruction, Copy):
        return (instruction.from_,) if instruction.from_ else ()
    if isinstance(instruction, Run):
        return tuple(mount.from_ for mount in instruction.mounts if mount.from_)
    return ()


def count_steps(dockerfile: Dockerfile, stages: Sequence[int]) -> int:
    """Return the m of "Step n/m": the ARGs before the first stage, and FROM with what follows for each stage."""
    return len(dockerfile.args) + sum(1 + len(dockerfile.stages[index].instructions) for index in stages)


def _target_index(dockerfile: Dockerfile, target: str) -> int:
    if not target:
        return len(dockerfile.stages) - 1
    index = source_stage(dockerfile, target, len(dockerfile.stages), by_number=True)
    if index is None:
        names = [stage.name for stage in dockerfile.stages if stage.name]
        known = f": its stages are {cut(', '.join(names), 200)}" if names else ": its stages have no names"
        raise InvalidParameter(f"failed to reach build target {cut(target)} in Dockerfile{known}")
    return index


def _number(name: str, before: int) -> int | None:
    is_number = name.isascii() and name.isdigit() and len(name) <= 6
    return int(name) if is_number and int(name) < before else None


def _sources(dockerfile: Dockerfile, stage: Stage) -> Iterator[int]:
    base = source_stage(dockerfile, stage.base, stage.index)
    if base is not None:
        yield base
    for instruction in stage.instructions:
        for name in copied_names(instruction):
            source = source_stage(dockerfile, name, stage.index, by_number=True)
            _check_source(dockerfile, stage, instruction, name, source)
            if source is not None:
                yield source


def _check_source(dockerfile: Dockerfile, stage: Stage, instruction: Instruction, name: str, source: int | None) -> None:
    if source is not None:
        return
    is_number = name.isascii() and name.isdigit()
    later = next((other for other in dockerfile.stages[stage.index :] if other.name and other.name == name.lower()), None)
    if is_number or later is not None:
        reason = f"invalid from flag value {cut(name)}: it refers to this build stage or one after it, copy from an earlier one"
        raise DockerfileError(reason, line=instruction.line, text=instruction.text)
