"""save and load: images as files, of one daemon and from one to the other."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine.conformance.cases import Case, Desk, clear, each
from tests.engine.conformance.players import Players
from tests.engine.daemon import EngineDaemon
from tests.engine.dockerd import BOTH, serving

pytestmark = pytest.mark.requires_root

_GONE = "docker rmi one two >/dev/null 2>&1;"
_NAMES = "docker images --format '{{.Repository}}:{{.Tag}}' | grep -v busybox | sort"

SAVE = [
    Case(
        "save -o and load -i",
        f"mk one; docker save -o s.tar one; {_GONE} docker load -i s.tar; {_NAMES}",
        "Loaded image: one:latest one:latest",
    ),
    Case(
        "by pipes", f"mk one; docker save one >s.tar; {_GONE} docker load <s.tar; {_NAMES}", "Loaded image: one:latest one:latest"
    ),
    Case(
        "the same image comes back",
        "mk one; A=$(docker images -q --no-trunc one); docker save -o s.tar one; docker rmi one >/dev/null;"
        " docker load -qi s.tar >/dev/null; [ $A = $(docker images -q --no-trunc one) ] && echo same",
        "same",
    ),
    Case(
        "a tag",
        "mk one; docker tag one one:v1; docker save -o s.tar one:v1; docker rmi one one:v1 >/dev/null;"
        f" docker load -i s.tar; {_NAMES}",
        "Loaded image: one:v1 one:v1",
    ),
    Case(
        "all tags of a name",
        "mk one; docker tag one one:v1; docker save -o s.tar one one:v1; docker rmi one one:v1 >/dev/null;"
        f" docker load -i s.tar | sort; {_NAMES}",
        "Loaded image: one:latest Loaded image: one:v1 one:latest one:v1",
    ),
    Case(
        "several",
        f"mk one; mk two; docker save -o s.tar one two; {_GONE} docker load -i s.tar | sort; {_NAMES}",
        "Loaded image: one:latest Loaded image: two:latest one:latest two:latest",
    ),
    Case(
        "by id",
        f"mk one; docker save -o s.tar $(docker images -q one); {_GONE} docker load -i s.tar; {_NAMES}",
        "Loaded image ID: sha256:ID <none>:<none>",
    ),
    Case(
        "one that is there",
        "mk one; docker save -o s.tar one; docker load -i s.tar; docker images -aq | sort -u | wc -l",
        "Loaded image: one:latest 2",
    ),
    Case(
        "a name that means another by now",
        f"mk one; docker save -o s.tar one; mk two; docker tag two one; docker load -i s.tar; {_NAMES}",
        "The image one:latest already exists, renaming the old one with ID sha256:ID to empty string Loaded"
        " image: one:latest one:latest two:latest",
    ),
    Case("load -q", "mk one; docker save -o s.tar one; docker load -qi s.tar", "Loaded image: one:latest"),
    Case(
        "load of gzip",
        "mk one; docker save one | gzip >s.tgz; docker rmi one >/dev/null; docker load -i s.tgz",
        "Loaded image: one:latest",
    ),
    Case(
        "load of xz",
        "mk one; docker save one | xz >s.txz; docker rmi one >/dev/null; docker load <s.txz",
        "Loaded image: one:latest",
    ),
    Case(
        "load of bzip2",
        "mk one; docker save one | bzip2 >s.tbz; docker rmi one >/dev/null; docker load <s.tbz",
        "Loaded image: one:latest",
    ),
    Case(
        "settings, history and files come along",
        "printf 'FROM busybox\\nENV A=b\\nRUN echo hi >/f\\nCMD cat /f; echo $A' | build -t im1 -;"
        " H=$(docker history --format '{{.CreatedBy}}' im1); docker save -o s.tar im1;"
        " docker rmi im1 >/dev/null; docker load -qi s.tar >/dev/null; docker run --rm im1;"
        ' [ "$H" = "$(docker history --format \'{{.CreatedBy}}\' im1)" ] && echo same',
        "hi b same",
    ),
    Case("what is inside", "mk one; docker save one | tar -tf - | grep -cE '^(manifest.json|repositories)$'", "2"),
    Case(
        "what the list says",
        "mk one; docker save one | tar -xOf - manifest.json | grep -o '\"RepoTags\":\\[[^]]*\\]'",
        '"RepoTags":["one:latest"]',
    ),
    Case("save of what is missing", "docker save -o s.tar none; ls", "", "none", 0),
    Case("save of one that is there and one that is missing", "mk one; docker save -o s.tar one none", "", "none", 1),
    Case("save to nowhere", "mk one; docker save -o nosuch/s.tar one", "", "no such file", 1),
    Case("load of what is no archive", "echo no >s.tar; docker load -i s.tar", "", "", 1),
    Case("load of an archive of something else", "touch f; tar -cf s.tar f; docker load -i s.tar", "", "", 1),
    Case(
        "load of a part",
        "mk one; docker save one | head -c 3000 >s.tar; docker rmi one >/dev/null;"
        " docker load -i s.tar >/dev/null; docker images -q one",
        "",
        "",
        0,
    ),
    Case(
        "events",
        "mk one; docker save -o s.tar one; docker rmi one >/dev/null; S=$(date +%s.%N);"
        " docker save -o s2.tar busybox; docker load -qi s.tar >/dev/null;"
        " docker events --since $S --until $(date +%s.%N) --format '{{.Action}}'",
        "save load",
    ),
]


@each(SAVE)
def test_save_and_load(players: Players, case: Case) -> None:
    players.check(case)


@pytest.fixture(scope="module")
def both() -> Iterator[dict[str, EngineDaemon]]:
    """This engine and a dockerd at the same time."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(serving(kind)) for kind in BOTH}


_BUILT = """cat >Dockerfile <<'END'
FROM busybox
RUN mkdir -p /d/e && echo hi >/d/e/f && ln /d/e/f /d/hard && ln -s e/f /d/soft && chown 1000:50 /d/e/f && chmod 4755 /d/e/f
RUN rm /etc/group && rm -r /home/ada && mkdir /home/ada && mkfifo /d/pipe
ENV A=b
LABEL x=y
CMD stat -c '%n %a %u:%g %h' /d/e/f /d/soft /d/hard; ls /etc/group; ls /home/ada; echo $A
END
build -t im1 . && docker save -o ../s.tar im1 && docker images -q --no-trunc im1"""
_SAME = "docker load -qi ../s.tar && docker images -q --no-trunc im1 && docker history --no-trunc --format '{{.CreatedBy}}' im1"


@pytest.mark.parametrize(("source", "target"), [BOTH, BOTH[::-1]])
def test_an_image_goes_from_one_engine_to_the_other_and_back(
    both: dict[str, EngineDaemon], source: str, target: str, tmp_path: Path
) -> None:
    here, there = _desks(both, source, target, tmp_path)
    made = here.run(_BUILT)
    assert made.returncode == 0, made.stderr
    loaded = there.run(_SAME)
    assert loaded.stdout.splitlines()[1] == made.stdout.strip(), loaded.stderr
    told = [desk.run("docker run --rm im1").stdout for desk in (here, there)]
    assert told[0] == told[1] != ""
    saved_again = there.run("docker save -o ../t.tar im1")
    assert saved_again.returncode == 0, saved_again.stderr
    assert layers_of(tmp_path / "t.tar") == layers_of(tmp_path / "s.tar")


@pytest.mark.parametrize(("source", "target"), [BOTH, BOTH[::-1]])
def test_a_container_goes_from_one_engine_to_the_other(
    both: dict[str, EngineDaemon], source: str, target: str, tmp_path: Path
) -> None:
    here, there = _desks(both, source, target, tmp_path)
    here.run("docker run --name c1 busybox sh -c 'echo hi >/f; chown 1000:50 /f'; docker export -o ../e.tar c1")
    told = there.run('docker import -c \'CMD ["stat","-c","%u:%g","/f"]\' ../e.tar im1 >/dev/null; docker run --rm im1')
    assert told.stdout == "1000:50\n", told.stderr


def layers_of(archive: Path) -> list[str]:
    """The diff ids in the configuration of an archive's only image."""
    with tarfile.open(archive) as members:
        manifest = json.loads(_read(members, "manifest.json"))
        config = json.loads(_read(members, manifest[0]["Config"]))
    return [str(diff_id) for diff_id in config["rootfs"]["diff_ids"]]


def _read(members: tarfile.TarFile, name: str) -> bytes:
    file = members.extractfile(name)
    assert file is not None
    return file.read()


def _desks(both: dict[str, EngineDaemon], source: str, target: str, folder: Path) -> tuple[Desk, Desk]:
    """A desk at each, without what another test has left."""
    desks = []
    for kind in (source, target):
        clear(both[kind])
        place = folder / kind
        place.mkdir()
        desks.append(Desk(both[kind], place))
    return desks[0], desks[1]
