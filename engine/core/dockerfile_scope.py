"""Variables of a build: which names an instruction may use, and what they stand for. Immutable values; holds no state of a build.

Grammar: Dockerfile reference, "ARG". An ARG before the first FROM counts for FROM lines and, where a stage names it again, there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.core.dockerfile_arguments import check_text
from engine.core.dockerfile_instructions import Arg, Dockerfile, Instruction

# What a RUN is given though no ARG names it, and what history does not tell.
PROXY_ARGS = frozenset(
    name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY") for name in (upper, upper.lower())
)


@dataclass(frozen=True, slots=True)
class Variables:
    """The ARGs of one scope: the file's, or one stage's. Each change gives a new value."""

    build_args: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, str] = field(default_factory=dict)
    file_args: Mapping[str, str | None] = field(default_factory=dict)
    declared: Mapping[str, str | None] = field(default_factory=dict)
    is_stage: bool = False

    @classmethod
    def of_file(cls, build_args: Mapping[str, str], platform_args: Mapping[str, str]) -> "Variables":
        """Return the scope above the first FROM, where the platform's names are known without an ARG.

        Raises InvalidParameter for build args that no environment can hold.
        """
        for name, value in build_args.items():
            check_text(f"{name}={value}")
        return cls(build_args=dict(build_args), platform=dict(platform_args))

    def stage(self) -> "Variables":
        """Return the scope of a stage that begins: nothing is declared yet."""
        file_args = self.file_args if self.is_stage else self.declared
        return replace(self, file_args=file_args, declared={}, is_stage=True)

    def declare(self, arg: Arg) -> "Variables":
        """Return the scope after an ARG whose words are resolved."""
        declared = dict(self.declared)
        for name, default in arg.args:
            declared[name] = self._value(name, default)
        return replace(self, declared=declared)

    def _value(self, name: str, default: str | None) -> str | None:
        """The build's own value counts first, then the default here, then the file's, then the platform's."""
        if name in self.build_args:
            return self.build_args[name]
        if default is not None:
            return default
        if self.file_args.get(name) is not None:
            return self.file_args[name]
        return self.platform.get(name)

    def values(self, env: Sequence[str] = ()) -> dict[str, str]:
        """Return what words may use: ARGs, hidden by the environment of the image (``name=value``)."""
        known = {} if self.is_stage else {**self.platform, **_given(self.platform, self.build_args)}
        known.update({name: value for name, value in self.declared.items() if value is not None})
        known.update(_split(env))
        return known

    def run_environment(self, env: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the ``name=value`` that a RUN gets beside the image's environment: declared ARGs, proxies of the build."""
        proxies = {name: value for name, value in self.build_args.items() if name in PROXY_ARGS}
        return _beside(env, {**proxies, **self.declared})

    def history_args(self, env: Sequence[str] = ()) -> tuple[str, ...]:
        """Return those of them that make a difference to the cache and are told: proxies count only where an ARG names them."""
        return _beside(env, self.declared)


def _given(names: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name] for name in names if name in values}


def _split(env: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (item.partition("=") for item in env)}


def _beside(env: Sequence[str], values: Mapping[str, str | None]) -> tuple[str, ...]:
    hidden = _split(env)
    return tuple(f"{name}={value}" for name, value in sorted(values.items()) if value is not None and name not in hidden)


def platform_args(
    *,
    target_os: str,
    target_architecture: str,
    target_variant: str = "",
    build_os: str = "",
    build_architecture: str = "",
    build_variant: str = "",
    target_stage: str = "",
) -> dict[str, str]:
    """Return the names that tell for what and on what a build runs; what is not said of the host is as the target."""
    build = (build_os or target_os, build_architecture or target_architecture, build_variant if build_os else target_variant)
    target = (target_os, target_architecture, target_variant)
    return {
        **_platform("TARGET", *target),
        **_platform("BUILD", *build),
        "TARGETSTAGE": target_stage or "default",
    }


def _platform(prefix: str, os: str, architecture: str, variant: str) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": "/".join(part for part in (os, architecture, variant) if part),
        f"{prefix}OS": os,
        f"{prefix}ARCH": architecture,
        f"{prefix}VARIANT": variant,
    }


def unused_build_args(
    dockerfile: Dockerfile,
    build_args: Iterable[str],
    *,
    stages: Sequence[int] | None = None,
    triggers: Iterable[Instruction] = (),
) -> tuple[str, ...]:
    """Return the names of build args that no ARG names, sorted. ``stages`` were built, ``triggers`` came with ONBUILD."""
    built = range(len(dockerfile.stages)) if stages is None else stages
    instructions = [*dockerfile.args, *triggers]
    for index in built:
        instructions += dockerfile.stages[index].instructions
    named = {name for instruction in instructions if isinstance(instruction, Arg) for name, _ in instruction.args}
    return tuple(sorted(set(build_args) - named - PROXY_ARGS))
