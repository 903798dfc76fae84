"""history, inspect and import: what is known of an image, and images made of archives."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

# The same image for all: made by commits, which leave a history.
_HISTORY = (
    "docker create --name maker busybox echo made >/dev/null; docker commit -a ada -m first maker im1 >/dev/null;"
    " docker commit -m second $(docker create im1 touch /f) im2 >/dev/null"
)
LOOK = [
    Case(
        "history",
        "docker history --format '{{.Comment}}|{{.CreatedBy}}|{{.Size}}' im2",
        "second|touch /f|SIZE first|echo made|SIZE Imported from -||SIZE",
    ),
    Case("history -q", "docker history -q im2", "ID ID ID"),
    Case("history -q --no-trunc", "docker history -q --no-trunc im2 | head -n 1", "sha256:ID"),
    Case("history ids", 'test "$(docker history -q im2 | head -n 1)" = "$(docker images -q im2)" && echo same', "same"),
    Case("history columns", "docker history im2 | head -n 1", "IMAGE CREATED CREATED BY SIZE COMMENT"),
    Case("history --human=false", "docker history --human=false --format '{{.Size}}' im2 | head -n 2", "0 0"),
    Case("history of what is missing", "docker history none", "", "no such image: none", 1),
    Case("history of a commit of a command", "docker history --no-trunc --format '{{.CreatedBy}}' im1 | head -n 1", "echo made"),
    Case("author and comment", "docker inspect -f '{{.Author}} {{.Comment}}' im1", "ada first"),
    Case("platform", "docker inspect -f '{{.Os}} {{.Architecture}}' im1 | sed 's/amd64\\|arm64/ARCH/'", "linux ARCH"),
    Case("configuration", "docker inspect -f '{{.Config.Cmd}} {{.Config.WorkingDir}}|' im2", "[touch /f] |"),
    Case("layers", "docker inspect -f '{{.RootFS.Type}} {{len .RootFS.Layers}}' im2", "layers 1"),
    Case(
        "layers of the base first",
        "A=$(docker inspect -f '{{index .RootFS.Layers 0}}' busybox);"
        " docker inspect -f '{{index .RootFS.Layers 0}}' im2 | grep -c $A",
        "1",
    ),
    Case("parent", 'test "$(docker inspect -f "{{.Parent}}" im2)" = "$(docker inspect -f "{{.Id}}" im1)" && echo same', "same"),
    Case("times and sizes", "docker inspect -f '{{.Created}} {{gt .Size 1000000}}' im2", "TIME true"),
    Case("digests and tags", "docker inspect -f '{{.RepoTags}} {{.RepoDigests}}' im2", "[im2:latest] []"),
    Case("by id", "docker inspect -f '{{.RepoTags}}' $(docker images -q im2)", "[im2:latest]"),
    Case("by a short id", "docker inspect -f '{{.RepoTags}}' $(docker images -q im2 | cut -c1-6)", "[im2:latest]"),
    Case("by id with the hash's name", "docker inspect -f '{{.RepoTags}}' $(docker images -q --no-trunc im2)", "[im2:latest]"),
    Case(
        "image inspect of several",
        "docker image inspect -f '{{.RepoTags}}' im1 im2 none",
        "[im1:latest] [im2:latest]",
        "no such image: none",
        1,
    ),
    # The name is none that an image's id could begin with.
    Case("image inspect of a container", "docker image inspect maker", "[]", "no such image: maker", 1),
    Case(
        "containers of an image",
        "docker ps -a --filter ancestor=im1 --format '{{.Image}}' | sort; docker ps -aq --filter ancestor=busybox | wc -l",
        "im1 2",
    ),
]

_TAR = "mkdir d; echo hi >d/f; tar -C d -cf t.tar .;"
IMPORT = [
    Case(
        "from a file",
        f"{_TAR} docker import t.tar im1; docker create im1 x >/dev/null; docker cp $(docker ps -lq):/f - | tar -xO",
        "sha256:ID hi",
    ),
    Case("from standard input", f"{_TAR} docker import - im1 <t.tar; docker images -q im1 | wc -l", "sha256:ID 1"),
    Case("without a name", f"{_TAR} docker import t.tar; docker images -qf dangling=true | wc -l", "sha256:ID 1"),
    Case("with a tag", f"{_TAR} docker import t.tar im1:v1; docker inspect -f '{{{{.RepoTags}}}}' im1:v1", "sha256:ID [im1:v1]"),
    Case(
        "-m",
        f"{_TAR} docker import -m said t.tar im1 >/dev/null; docker history --format '{{{{.Comment}}}}' im1;"
        f" docker inspect -f '{{{{.Comment}}}}' im1",
        "said said",
    ),
    Case("no -m", f"{_TAR} docker import t.tar im1 >/dev/null; docker inspect -f '{{{{.Comment}}}}' im1", "Imported from -"),
    Case(
        "-c",
        f"{_TAR} docker import -c 'CMD [\"a\",\"b\"]' -c 'ENV A=b' -c 'EXPOSE 80' -c 'USER 5' -c 'WORKDIR /w' -c"
        " 'LABEL x=\"y z\"' -c 'VOLUME /v' -c 'ENTRYPOINT [\"e\"]' t.tar im1 >/dev/null;"
        " docker inspect -f '{{json .Config.Cmd}} {{.Config.Env}} {{.Config.ExposedPorts}} {{.Config.User}}"
        " {{.Config.WorkingDir}} {{.Config.Labels}} {{.Config.Volumes}} {{.Config.Entrypoint}}' im1",
        '["a","b"] [A=b] map[80/tcp:{}] 5 /w map[x:y z] map[/v:{}] [e]',
    ),
    Case(
        "-c HEALTHCHECK and ONBUILD",
        f"{_TAR} docker import -c 'HEALTHCHECK --interval=5s CMD true' -c 'ONBUILD RUN x' t.tar im1 >/dev/null;"
        f" docker inspect -f '{{{{json .Config.Healthcheck.Test}}}} {{{{json .Config.OnBuild}}}}' im1",
        '["CMD-SHELL","true"] ["RUN x"]',
    ),
    Case("-c of what cannot be", f"{_TAR} docker import -c 'RUN true' t.tar im1; docker images -q im1", "", "run"),
    Case("-c of what is unknown", f"{_TAR} docker import -c 'FOO true' t.tar im1", "", "foo", 1),
    Case(
        "--platform",
        f"{_TAR} docker import --platform linux/arm64 t.tar im1 >/dev/null; docker inspect -f '{{{{.Os}}}}' im1",
        "linux",
    ),
    Case("compressed by gzip", f"{_TAR} gzip t.tar; docker import t.tar.gz im1 | cut -c1-7", "sha256:"),
    Case("compressed by xz", f"{_TAR} xz t.tar; docker import t.tar.xz im1 | cut -c1-7", "sha256:"),
    Case("what is no tar", "echo no >t.tar; docker import t.tar im1", "", "", 1),
    Case("to a bad name", f"{_TAR} docker import t.tar BAD", "", "must be lowercase", 1),
    Case(
        "over a name",
        f"{_TAR} docker import t.tar im1 >/dev/null; docker import t.tar im1 >/dev/null; docker images -aq | sort -u | wc -l",
        "3",
    ),
    Case(
        "export and import keep files",
        "docker create --name c1 busybox true >/dev/null; docker export c1 | docker import - im1 >/dev/null;"
        " docker run --rm im1 sh -c 'wc -l </etc/passwd'",
        "2",
    ),
]


@each(LOOK, beside=_HISTORY)
def test_history_and_inspect(players: Players, case: Case) -> None:
    players.check(case)


@each(IMPORT)
def test_import(players: Players, case: Case) -> None:
    players.check(case)
