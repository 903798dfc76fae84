"""cp, export and commit: files into a container, out of it, all of them, and an image made of them."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab busybox sleep 600 >/dev/null;"
_FRESH = "docker create --name fresh busybox true >/dev/null;"

COPY = [
    Case("a file in", f"{_LAB} echo hi >f; docker cp f lab:/tmp/g 2>/dev/null; docker exec lab cat /tmp/g", "hi"),
    Case("a file out", f"{_LAB} docker exec lab sh -c 'echo hi >/f'; docker cp lab:/f g 2>/dev/null; cat g", "hi"),
    Case("into a folder", f"{_LAB} echo hi >f; docker cp f lab:/tmp 2>/dev/null; docker exec lab cat /tmp/f", "hi"),
    Case("into a folder that is not there", f"{_LAB} echo hi >f; docker cp f lab:/nosuch/", "", "no such directory", 1),
    Case(
        "into a parent that is not there",
        f"{_LAB} echo hi >f; docker cp f lab:/nosuch/g",
        "",
        "could not find the file /nosuch",
        1,
    ),
    Case(
        "a folder in",
        f"{_LAB} mkdir -p d/e; echo hi >d/e/f; docker cp d lab:/tmp/n 2>/dev/null; docker exec lab cat /tmp/n/e/f",
        "hi",
    ),
    Case(
        "a folder into a folder",
        f"{_LAB} mkdir d; echo hi >d/f; docker cp d lab:/tmp 2>/dev/null; docker exec lab cat /tmp/d/f",
        "hi",
    ),
    Case(
        "a folder's content",
        f"{_LAB} mkdir d; echo hi >d/f; docker cp d/. lab:/tmp 2>/dev/null; docker exec lab cat /tmp/f",
        "hi",
    ),
    Case("a folder onto a file", f"{_LAB} mkdir d; docker cp d lab:/etc/passwd", "", "cannot copy directory", 1),
    Case(
        "a folder out",
        f"{_LAB} docker exec lab sh -c 'mkdir -p /d/e; echo hi >/d/e/f'; docker cp lab:/d out 2>/dev/null; cat out/e/f",
        "hi",
    ),
    Case(
        "a folder's content out",
        f"{_LAB} docker exec lab sh -c 'mkdir -p /d/e; echo hi >/d/e/f'; mkdir out; docker cp lab:/d/. out 2>/dev/null;"
        f" cat out/e/f",
        "hi",
    ),
    Case("from what never ran", f"{_FRESH} docker cp fresh:/etc/passwd - | tar -tf -", "passwd"),
    Case(
        "into what never ran", f"{_FRESH} echo hi >f; docker cp f fresh:/f 2>/dev/null; docker cp fresh:/f - | tar -xOf -", "hi"
    ),
    Case("from what has ended", "docker run --name c1 busybox sh -c 'echo hi >/f'; docker cp c1:/f - | tar -xOf -", "hi"),
    Case("a tar in", f"{_LAB} mkdir d; echo hi >d/f; tar -c d | docker cp - lab:/tmp; docker exec lab cat /tmp/d/f", "hi"),
    Case("a tar out", f"{_LAB} docker cp lab:/etc - | tar -tf - | grep -c '^etc/passwd$'", "1"),
    Case("what is no tar", f"{_LAB} echo x | docker cp - lab:/tmp", "", "", 1),
    Case(
        "a symlink stays one",
        f"{_LAB} docker exec lab ln -s /etc/passwd /l; docker cp lab:/l l 2>/dev/null; readlink l",
        "/etc/passwd",
    ),
    Case("-L follows it", f"{_LAB} docker exec lab ln -s /etc/passwd /l; docker cp -L lab:/l l 2>/dev/null; grep -c root l", "1"),
    Case("a symlink in", f"{_LAB} ln -s /etc/group l; docker cp l lab:/l 2>/dev/null; docker exec lab readlink /l", "/etc/group"),
    Case(
        "through a symlink to a folder",
        f"{_LAB} docker exec lab ln -s /tmp /l; echo hi >f; docker cp f lab:/l/ 2>/dev/null; docker exec lab cat /tmp/f",
        "hi",
    ),
    Case(
        "a symlink leads inside only",
        f"{_LAB} docker exec lab ln -s ../../../../../etc/passwd /l; docker cp -L lab:/l - | tar -xOf - | grep -c ada",
        "1",
    ),
    Case(
        "owners without -a",
        f"{_LAB} echo hi >f; chown 5:6 f; docker cp f lab:/f 2>/dev/null; docker exec lab stat -c %u:%g /f",
        "5:6",
    ),
    Case(
        "owners with -a",
        f"{_LAB} echo hi >f; chown 5:6 f; docker cp -a f lab:/f 2>/dev/null; docker exec lab stat -c %u:%g /f",
        "5:6",
    ),
    Case(
        "owners out with -a",
        f"{_LAB} docker exec lab sh -c 'echo hi >/f; chown 5:6 /f'; docker cp -a lab:/f f 2>/dev/null; stat -c %u:%g f",
        "0:0",
    ),
    Case(
        "modes",
        f"{_LAB} echo hi >f; chmod 4751 f; docker cp f lab:/f 2>/dev/null; docker exec lab stat -c %a /f",
        ("4751", "751"),
        why="the set-user bit depends on the CLI",
    ),
    Case("from what is not there", f"{_LAB} docker cp lab:/nosuch .", "", "could not find the file /nosuch", 1),
    Case("of a missing container", "docker cp none:/etc/passwd .", "", "no such container: none", 1),
    Case("into a missing container", "touch f; docker cp f none:/", "", "no such", 1),
    Case("between containers", f"{_LAB} docker cp lab:/a lab:/b", "", "copying between containers is not supported", 1),
    Case(
        "from a volume",
        "docker run -d --name lab -v data:/data busybox sh -c 'echo hi >/data/f; sleep 600' >/dev/null;"
        " await docker exec lab test -s /data/f; docker cp lab:/data/f - | tar -xOf -",
        "hi",
    ),
    Case(
        "into a volume",
        "docker create --name c1 -v data:/data busybox true >/dev/null; echo hi >f; docker cp f c1:/data/f 2>/dev/null;"
        " docker run --rm -v data:/d busybox cat /d/f",
        "hi",
    ),
    Case(
        "into a read-only volume",
        "docker create --name c1 -v data:/data:ro busybox true >/dev/null; echo hi >f; docker cp f c1:/data/f",
        "",
        "read-only",
        1,
    ),
    Case(
        "into a read-only root",
        "docker create --name c1 --read-only busybox true >/dev/null; echo hi >f; docker cp f c1:/f",
        "",
        "read-only",
        1,
    ),
    Case(
        "a large file",
        f"{_LAB} head -c 30000000 /dev/zero >f; docker cp f lab:/f 2>/dev/null; docker exec lab stat -c %s /f;"
        f" docker cp lab:/f g 2>/dev/null; cmp f g && echo same",
        "30000000 same",
    ),
]

EXPORT = [
    Case("export", "docker run --name c1 busybox sh -c 'echo hi >/f'; docker export c1 | tar -xOf - f", "hi"),
    Case("export -o", f"{_FRESH} docker export -o out.tar fresh; tar -tf out.tar | grep -c '^etc/passwd$'", "1"),
    Case("export of what runs", f"{_LAB} docker exec lab sh -c 'echo hi >/f'; docker export lab | tar -xOf - f", "hi"),
    Case(
        "export without volumes",
        "docker run --name c1 -v data:/data busybox touch /data/f; docker export c1 | tar -tf - | grep -c data/f",
        "0",
        code=1,
    ),
    Case(
        "export and import",
        "docker run --name c1 busybox sh -c 'echo hi >/f'; docker export c1 | docker import - im1 >/dev/null;"
        " docker run --rm im1 cat /f",
        "hi",
    ),
    Case("export missing", "docker export none >/dev/null", "", "no such container: none", 1),
]

COMMIT = [
    Case(
        "commit",
        "docker run --name c1 busybox sh -c 'echo hi >/f; rm /etc/group'; docker commit c1 im1 | cut -c1-7;"
        " docker run --rm im1 sh -c 'cat /f; ls /etc/group 2>/dev/null'",
        "sha256: hi",
        code=1,
    ),
    Case(
        "commit without a name", f"{_FRESH} docker commit fresh | cut -c1-7; docker images -qf dangling=true | wc -l", "sha256: 1"
    ),
    Case(
        "commit -a -m",
        f"{_FRESH} docker commit -a 'Ada <a>' -m 'a message' fresh im1 >/dev/null;"
        f" docker inspect -f '{{{{.Author}}}} {{{{.Comment}}}}' im1",
        "Ada <a> a message",
    ),
    Case(
        "commit -c",
        f"{_FRESH} docker commit -c 'CMD [\"echo\",\"changed\"]' -c 'ENV A=b' -c 'LABEL x=y' -c 'USER 5' -c 'WORKDIR /tmp'"
        f" fresh im1 >/dev/null; docker run --rm im1; docker run --rm im1 sh -c 'echo $A; id -u; pwd'",
        "changed b 5 /tmp",
    ),
    Case("commit -c of what cannot be", f"{_FRESH} docker commit -c 'RUN true' fresh im1", "", "run", 1),
    Case(
        "commit keeps the command",
        "docker create --name c1 -e A=b -w /tmp busybox echo hi >/dev/null; docker commit c1 im1 >/dev/null;"
        " docker run --rm im1; docker inspect -f '{{.Config.WorkingDir}} {{.Config.Env}}' im1 | grep -c '/tmp .*A=b'",
        "hi 1",
    ),
    Case(
        "commit pauses",
        f"{_LAB} S=$(date +%s.%N); docker commit lab im1 >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --format '{{{{.Action}}}}' | grep -cE '^(un)?pause'",
        "2",
    ),
    Case(
        "commit --pause=false",
        f"{_LAB} S=$(date +%s.%N); docker commit -p=false lab im1 >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --format '{{{{.Action}}}}' | grep -cE '^(un)?pause'",
        "0",
        code=1,
    ),
    Case(
        "commit without volumes",
        "docker run --name c1 -v data:/data busybox touch /data/f; docker commit c1 im1 >/dev/null; docker run --rm im1 ls /data",
    ),
    Case("commit missing", "docker commit none im1", "", "no such container: none", 1),
    Case("commit to a bad name", f"{_FRESH} docker commit fresh BAD", "", "repository name", 1),
    Case(
        "history of a commit",
        f"{_FRESH} docker commit -m said fresh im1 >/dev/null; docker history --format '{{{{.Comment}}}}' im1 | head -n 1",
        "said",
    ),
]


@each(COPY)
def test_cp(players: Players, case: Case) -> None:
    players.check(case)


@each(EXPORT)
def test_export(players: Players, case: Case) -> None:
    players.check(case)


@each(COMMIT)
def test_commit(players: Players, case: Case) -> None:
    players.check(case)
