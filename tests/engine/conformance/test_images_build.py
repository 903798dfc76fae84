"""build: flags, targets, contexts, what is said and refused, and which steps are made again."""

import pytest

from tests.engine.conformance.building import built, refused
from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_TWO = "FROM busybox AS one\nRUN echo 1 >/f\nCMD cat /f\nFROM busybox AS two\nRUN echo 2 >/f\nCMD cat /f"
_ECHO = "FROM busybox\nCMD echo hi"
_MEMORY = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"
_CPU = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null"

FLAGS = [
    built("--target", _TWO, "docker run --rm im1; grep -c 'echo 2' $BESIDE/log; true", "1 0", flags="--target one"),
    built("--target of the last", _TWO, says="2", flags="--target two"),
    built("without --target", _TWO, says="2"),
    built(
        "stages that nobody needs",
        f"{_TWO}\nFROM one\nCMD cat /f",
        "docker run --rm im1; grep -c 'echo 2' $BESIDE/log; true",
        "1 0",
        why="the classic builder of dockerd makes every stage before the target",
    ),
    built(
        "--label",
        "FROM busybox\nLABEL a=b c=d",
        "docker inspect -f '{{json .Config.Labels}}' im1",
        '{"a":"x","c":"d","e":"f g"}',
        flags="--label a=x --label 'e=f g'",
    ),
    built("several names", _ECHO, "docker inspect -f '{{len .RepoTags}}' im2:v1", "2", flags="-t im2:v1"),
    built(
        "--iidfile",
        _ECHO,
        'echo $(cat id); test "$(cat id)" = "$(docker images -q --no-trunc im1)" && echo same',
        "sha256:ID same",
        flags="--iidfile id",
    ),
    built("-q", _ECHO, "grep -E '^sha256:[0-9a-f]{64}$' $BESIDE/log", "sha256:ID", flags="-q"),
    built("--network none", "FROM busybox\nRUN ls /sys/class/net >/f\nCMD cat /f", says="lo", flags="--network none"),
    built("--memory", f"FROM busybox\nRUN ({_MEMORY}) >/f; true\nCMD cat /f", says="67108864", flags="--memory 64m"),
    built(
        "--cpu-quota",
        f"FROM busybox\nRUN ({_CPU}) >/f; true\nCMD cut -d' ' -f1 /f",
        says="50000",
        flags="--cpu-period 100000 --cpu-quota 50000",
    ),
    built(
        "--ulimit", "FROM busybox\nRUN ulimit -n >/f; ulimit -Hn >>/f\nCMD cat /f", says="64 128", flags="--ulimit nofile=64:128"
    ),
    built(
        "--add-host",
        "FROM busybox\nRUN grep -w db /etc/hosts >/f\nCMD cat /f; grep -c 10.0.0.9 /etc/hosts; true",
        says="10.0.0.9 db 0",
        flags="--add-host db:10.0.0.9",
    ),
    built(
        "--shm-size",
        "FROM busybox\nRUN df -k /dev/shm | tail -n 1 | awk '{print $2}' >/f\nCMD cat /f",
        says="8192",
        flags="--shm-size 8m",
    ),
    built("--compress", "FROM busybox\nCOPY f /f\nCMD cat /f", says="hi", flags="--compress", files="echo hi >f"),
    built(
        "-f",
        "FROM nosuch",
        says="hi",
        flags="-f sub/My.dockerfile",
        files="mkdir sub; printf 'FROM busybox\\nCOPY f /f\\nCMD cat /f' >sub/My.dockerfile; echo hi >f",
    ),
    built("containers are gone afterwards", "FROM busybox\nRUN true\nENV A=b", "docker ps -aq"),
    built("--rm=false", "FROM busybox\nRUN true", "docker ps -aq | wc -l", "1", flags="--rm=false"),
    Case("-f -", "echo hi >f; printf 'FROM busybox\\nCOPY f /f\\nCMD cat /f' | build -t im1 -f - . && docker run --rm im1", "hi"),
    Case(
        "a Dockerfile from standard input",
        "printf 'FROM busybox\\nRUN echo hi >/f\\nCMD cat /f' | build -t im1 - && docker run --rm im1",
        "hi",
    ),
    Case(
        "a context from standard input",
        "echo hi >f; printf 'FROM busybox\\nCOPY f /f\\nCMD cat /f' >Dockerfile; tar -c . | build -t im1 -"
        " && docker run --rm im1",
        "hi",
    ),
    Case(
        "a compressed context from standard input",
        "echo hi >f; printf 'FROM busybox\\nCOPY f /f\\nCMD cat /f' >D; tar -cz . | build -t im1 -f D - && docker run --rm im1",
        "hi",
    ),
    Case(
        "output is told",
        "printf 'FROM busybox\\nRUN echo said; echo more\\n' | build --force-rm -t im1 -;"
        " sed -n 's/ [0-9a-f]\\{12\\}$/ ID/p;/^Step/p;/^said/p;/^more/p;/^Successfully tagged/p' $BESIDE/log",
        "Step 1/2 : FROM busybox ---> ID Step 2/2 : RUN echo said;"
        " echo more ---> Running in ID said more Removing intermediate container ID ---> ID Successfully built"
        " ID Successfully tagged im1:latest",
    ),
    Case(
        "history of a build",
        "printf 'FROM busybox\\nRUN echo hi >/f\\nENV A=b\\nCMD [\"x\"]\\nEXPOSE 80\\nWORKDIR /w\\n'"
        " | build -t im1 -; docker history --no-trunc --format '{{.CreatedBy}}|{{.Size}}' im1",
        '/bin/sh -c #(nop) WORKDIR /w|SIZE /bin/sh -c #(nop) EXPOSE 80|SIZE /bin/sh -c #(nop) CMD ["x"]|SIZE'
        " /bin/sh -c #(nop) ENV A=b|SIZE /bin/sh -c echo hi >/f|SIZE |SIZE",
    ),
    Case(
        "images between",
        "printf 'FROM busybox\\nRUN true\\nENV A=b\\n' | build -t im1 -; docker images -q | wc -l;"
        " docker images -aq | wc -l; docker images -qf dangling=true | wc -l; docker rmi im1 | grep -c Deleted;"
        " docker images -aq | wc -l",
        ("2 3 0 2 1", "2 3 0 3 1"),
        why="layers are told of by dockerd alone",
    ),
    Case(
        "events of a build",
        "S=$(date +%s.%N); printf 'FROM busybox\\nRUN true\\n' | build -t im1 -;"
        " docker events --since $S --until $(date +%s.%N) --format '{{.Type}} {{.Action}}'"
        " | grep -vE 'network|volume|attach'",
        "container create container start container die container destroy image tag",
    ),
]

REFUSED = [
    refused(
        "a RUN that fails",
        "FROM busybox\nRUN echo a; exit 3",
        "the command '/bin/sh -c echo a; exit 3' returned a non-zero code: 3",
        code=3,
    ),
    refused("a RUN of a program that is not there", 'FROM busybox\nRUN ["nosuch"]', "nosuch"),
    refused(
        "a RUN after --network none",
        "FROM busybox\nRUN ping -c 1 -W 1 10.9.9.9 2>/dev/null",
        "returned a non-zero code: 1",
        flags="--network none",
    ),
    refused("an unknown instruction", "FROM busybox\nFOO x", "unknown instruction: foo"),
    refused("nothing", "# nothing", "no instructions"),
    refused("no FROM", "RUN true", "no build stage in current context"),
    refused("FROM without a name", "FROM", "from requires"),
    refused("a name in tall letters", "FROM busybox", "lowercase", flags="-t BAD", code=125),
    refused("FROM of no name", "ARG A\nFROM $A", "base name ($A) should not be blank"),
    refused("an unknown flag", "FROM busybox\nCOPY --foo=bar a /", "unknown flag: foo"),
    refused("ENV without a value", "FROM busybox\nENV A", "env must have two arguments"),
    refused("LABEL without a value", "FROM busybox\nLABEL", "label requires at least one argument"),
    refused("WORKDIR without a folder", "FROM busybox\nWORKDIR", "workdir requires exactly one argument"),
    refused("an unknown signal", "FROM busybox\nSTOPSIGNAL FOO", "invalid signal"),
    refused("a port that cannot be", "FROM busybox\nEXPOSE 99999", "99999"),
    refused("ONBUILD of what cannot be", "FROM busybox\nONBUILD FROM busybox", "from isn't allowed as an onbuild trigger"),
    refused("HEALTHCHECK of what cannot be", "FROM busybox\nHEALTHCHECK FOO", "unknown type"),
    refused("SHELL that is no list", "FROM busybox\nSHELL sh", "shell requires the arguments to be in json form"),
    refused("a variable without its end", "FROM busybox\nENV A=${B", "${b"),
    refused("an unknown target", "FROM busybox", "failed to reach build target nosuch in dockerfile", flags="--target nosuch"),
    Case("-f of what is not there in a context", "touch x; tar -c x | build -f nosuch -", "", "nosuch", 1),
    Case("a context that is none", "head -c 2000 /dev/urandom | build -", "", "", 1),
    Case(
        "arguments that nobody asked for",
        "printf 'FROM busybox\\nENV A=b\\n' | build --build-arg C=1 - ; grep Warning $BESIDE/log",
        "[Warning] One or more build-args [C] were not consumed",
    ),
]

# Build, change something, build again: how many steps came from what was there, and whether the outcome is the same image.
_CACHED = (
    "A=$(docker images -q im1); {change} build -t im1 {flags} . && grep -c 'Using cache' $BESIDE/log;"
    " [ $A = $(docker images -q im1) ] && echo same || echo other"
)
_FILES = "echo hi >f; mkdir d; echo 1 >d/g;"
_STEPS = "FROM busybox\nARG A=a\nRUN echo $A >/a\nCOPY f d /x/\nENV B=c\nRUN cat /x/f >/b"


def again(label: str, change: str, says: str, *, flags: str = "", dockerfile: str = _STEPS) -> Case:
    """The same build a second time, after a change."""
    return built(label, dockerfile, _CACHED.format(change=change, flags=flags), says, files=_FILES)


CACHE = [
    again("nothing changed", "", "5 same"),
    again(
        "no container is made",
        "S=$(date +%s.%N); docker build -q . >/dev/null;"
        " docker events --since $S --until $(date +%s.%N) --filter type=container --format '{{.Action}}';",
        "5 same",
    ),
    again("a file that is written anew", "rm f; echo hi >f; touch -d 2001-01-01 d;", "5 same"),
    again("a file that changed", "echo ho >f;", "2 other"),
    again("a file that has another name", "mv d/g d/h;", "2 other"),
    again("a file with another mode", "chmod 755 f;", "2 other"),
    again("a file that nobody copies", "touch other;", "5 same"),
    again("an argument that changed", "", "1 other", flags="--build-arg A=b"),
    again("an argument that is the same", "", "5 same", flags="--build-arg A=a"),
    again("--no-cache", "", "0 other", flags="--no-cache"),
    again("a line that changed", "sed -i 's/B=c/B=d/' Dockerfile;", "3 other"),
    again("a comment that changed", "sed -i 's/^ENV/# hi\\nENV/' Dockerfile;", "5 same"),
    again("a line less", "sed -i '$d' Dockerfile;", "4 other"),
    again("--cache-from what is not known", "", "0 other", flags="--cache-from nosuch"),
    again("a label more", "", "5 other", flags="--label x=y"),
    again(
        "a stage that is the same",
        "",
        "4 same",
        dockerfile="FROM busybox AS a\nRUN echo 1 >/f\nRUN echo 2 >>/f\nFROM busybox\nCOPY --from=a /f /g\nRUN cat /g",
    ),
    again(
        "a stage that comes to the same files",
        "sed -i 's/echo 2/echo 2 2>\\&1/' Dockerfile;",
        "3 same",
        dockerfile="FROM busybox AS a\nRUN echo 1 >/f\nRUN echo 2 >>/f\nFROM busybox\nCOPY --from=a /f /g\nRUN cat /g",
    ),
    Case(
        "steps before a failure",
        "printf 'FROM busybox\\nRUN true\\nRUN false\\n' >Dockerfile; build --force-rm . 2>/dev/null;"
        " sed -i s/false/true/ Dockerfile; build . && grep -c 'Using cache' $BESIDE/log",
        "1",
    ),
]


@each(FLAGS)
def test_build(players: Players, case: Case) -> None:
    players.check(case)


@each(REFUSED)
def test_refusals(players: Players, case: Case) -> None:
    players.check(case)


@each(CACHE)
def test_cache(players: Players, case: Case) -> None:
    players.check(case)
