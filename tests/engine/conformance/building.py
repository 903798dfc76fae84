"""How a case about builds is written: a Dockerfile, files beside it, and what to do with what comes of it."""

from tests.engine.conformance.cases import Case

RUN = "docker run --rm im1"


def built(
    label: str,
    dockerfile: str,
    script: str = RUN,
    says: str | tuple[str, ...] = "",
    *,
    files: str = "",
    flags: str = "",
    why: str = "",
) -> Case:
    """A Dockerfile that builds as ``im1``, after which ``script`` tells; ``files`` is a script that makes the context.

    A reason beside a single answer says why this engine alone can do it.
    """
    only = "atelier" if why and isinstance(says, str) else ""
    return Case(label, f"{_written(dockerfile, files)} build -t im1 {flags} . && {script}", says, only=only, why=why)


def refused(label: str, dockerfile: str, complaint: str, *, files: str = "", flags: str = "", code: int = 1) -> Case:
    """A Dockerfile whose build ends with a complaint and leaves neither a name nor a container."""
    after = "C=$?; docker images -q im1; docker ps -aq; exit $C"
    return Case(label, f"{_written(dockerfile, files)} build --force-rm -t im1 {flags} .; {after}", "", complaint, code)


def _written(dockerfile: str, files: str) -> str:
    return f"{files}\ncat >Dockerfile <<'.END.'\n{dockerfile.strip()}\n.END.\n"
