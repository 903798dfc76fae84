"""Flags of ``docker run`` and ``docker create`` about what a container is called, says and is told of names."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_RUN = "docker run --rm"


def _config(flags: str, field: str) -> str:
    return f"docker create {flags} --name c1 busybox true >/dev/null; docker inspect -f '{{{{json .Config.{field}}}}}' c1"


IDENTITY = [
    Case("--name", "docker create --name web_1.x-y busybox >/dev/null; docker ps -a --format '{{.Names}}'", "web_1.x-y"),
    Case("--name of one letter", "docker create --name x busybox", complaint="invalid container name", code=1),
    Case("--name with a space", "docker create --name 'a b' busybox", complaint="invalid container name", code=1),
    Case("--name taken", "docker create --name c1 busybox >/dev/null; docker create --name c1 busybox", "", "already in use", 1),
    Case("--cidfile", "docker run -d --cidfile id busybox true >out; cmp out id; wc -c <id", "64", "EOF on id", 0),
    Case("--cidfile that exists", f"touch id; {_RUN} --cidfile id busybox true", complaint="container ID file found", code=125),
    Case("--cidfile of a failed create", f"{_RUN} --cidfile id nosuch:1 true --pull never; ls", complaint="", code=0),
    Case("--hostname", f"{_RUN} -h h1 busybox hostname", "h1"),
    Case("--hostname not given", f"{_RUN} busybox hostname | grep -cE '^[0-9a-f]{{12}}$'", "1"),
    Case("--hostname in hosts", f"{_RUN} -h h1 busybox grep -ow h1 /etc/hosts", "h1"),
    Case(
        "--hostname invalid",
        f"{_RUN} -h 'a b' busybox hostname",
        ("a b", ""),
        code=(0, 125),
        why="newer ones and this engine refuse it",
    ),
    Case("--domainname", f"{_RUN} -h h1 --domainname d.ex busybox sh -c 'hostname; cat /proc/sys/kernel/domainname'", "h1 d.ex"),
    Case("--domainname in hosts", f"{_RUN} -h h1 --domainname d.ex busybox grep -o 'h1.*' /etc/hosts", "h1.d.ex h1"),
    Case("--label", _config("-l a=1 -l b= -l c --label a=2", "Labels"), '{"a":"2","b":"","c":""}'),
    Case("--label-file", f"printf 'x=1\\ny=\\n' >f; {_config('--label-file f', 'Labels')}", '{"x":"1","y":""}'),
    Case("--annotation", "docker create --annotation a=b busybox", ("", "ID"), code=(0, 1), why="API 1.43 has them"),
    Case("--env", f"E=5 {_RUN} -e A=b -e E -e UNSET -e 'S=a b' busybox env | grep -E '^(A|E|UNSET|S)=' | sort", "A=b E=5 S=a b"),
    Case("--env-file", f"printf '# no\\nA=1\\nB=x y\\n' >f; {_RUN} --env-file f -e A=2 busybox sh -c 'echo $A-$B'", "2-x y"),
    Case("--env-file with a bad name", f"printf 'a b=1\\n' >f; {_RUN} --env-file f busybox env", complaint="variable", code=125),
    Case(
        "defaults of the environment",
        f"{_RUN} -h h1 busybox env | sort",
        "HOME=/root HOSTNAME=h1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    Case("a terminal sets TERM", f"{_RUN} -t busybox sh -c 'echo $TERM'", "xterm"),
    Case("--workdir", f"{_RUN} -w /a/b busybox pwd", "/a/b"),
    Case("--workdir not absolute", f"{_RUN} -w a/b busybox pwd", complaint="working directory", code=125),
    Case(
        "--workdir that is a file",
        f"{_RUN} -w /etc/passwd busybox pwd",
        complaint="not a directory",
        code=(125, 126, 127),
        why="runc words it so",
    ),
    Case("--user by name", f"{_RUN} -u ada busybox sh -c 'id -u; id -g; id -G; echo $HOME'", "1000 1000 1000 50 /home/ada"),
    Case("--user and group by name", f"{_RUN} -u ada:staff busybox id", "uid=1000(ada) gid=50(staff) groups=50(staff)"),
    Case("--user by numbers", f"{_RUN} -u 1000 busybox id -u", "1000"),
    Case("--user that is not there", f"{_RUN} -u bob busybox id", complaint="unable to find user bob", code=125),
    Case(
        "--user with a group that is not there", f"{_RUN} -u ada:none busybox id", complaint="unable to find group none", code=125
    ),
    Case("--user out of range", f"{_RUN} -u 4294967296 busybox id", complaint="", code=125),
    Case("--group-add", f"{_RUN} -u 7:8 --group-add staff --group-add 99 busybox id -G", "8 50 99"),
    Case("--group-add that is not there", f"{_RUN} --group-add none busybox id", complaint="unable to find group none", code=125),
    Case("--entrypoint", f"{_RUN} --entrypoint echo busybox a b", "a b"),
    Case("--entrypoint empties the command", f"{_RUN} --entrypoint pwd busybox", "/"),
    Case(
        "--entrypoint in inspect",
        "docker create --name c1 --entrypoint 'a b' busybox x >/dev/null;"
        " docker inspect -f '{{json .Config.Entrypoint}} {{.Path}} {{.Args}}' c1",
        '["a b"] a b [x]',
    ),
    Case("--platform", f"{_RUN} --platform linux/amd64 busybox echo yes", "yes"),
    Case(
        "--platform of another machine",
        f"{_RUN} --pull never --platform linux/s390x busybox true",
        complaint="platform",
        code=125,
    ),
    Case("--pull never", f"{_RUN} --pull never nosuch:1 true", complaint="no such image", code=125),
    Case("--quiet", f"{_RUN} -q --pull never busybox echo yes", "yes"),
    Case("--isolation default", f"{_RUN} --isolation default busybox echo yes", "yes"),
    Case("--runtime that is not there", f"{_RUN} --runtime nosuch busybox true", complaint="runtime", code=125),
    Case("--gpus", f"{_RUN} --gpus all busybox true", complaint="could not select device driver", code=125),
    Case("--disable-content-trust", f"{_RUN} --disable-content-trust busybox echo yes", "yes"),
]

NAMES = [
    Case(
        "--add-host",
        f"{_RUN} --add-host db:10.0.0.9 --add-host v6:fe80::1 busybox grep -E 'db|v6' /etc/hosts",
        "10.0.0.9 db fe80::1 v6",
    ),
    Case("--add-host without an address", f"{_RUN} --add-host db busybox true", complaint="bad format for add-host", code=125),
    Case(
        "--dns",
        f"{_RUN} --dns 9.9.9.9 --dns 9.9.9.10 busybox grep nameserver /etc/resolv.conf",
        "nameserver 9.9.9.9 nameserver 9.9.9.10",
    ),
    Case("--dns invalid", f"{_RUN} --dns x busybox true", complaint="ip address is not correctly formatted", code=125),
    Case("--dns-search", f"{_RUN} --dns-search a.ex --dns-search b.ex busybox grep search /etc/resolv.conf", "search a.ex b.ex"),
    Case("--dns-search none", f"{_RUN} --dns-search . busybox grep -c search /etc/resolv.conf", "0", code=1),
    Case("--dns-option", f"{_RUN} --dns-option ndots:2 busybox grep options /etc/resolv.conf", "options ndots:2"),
    Case("--network none", f"{_RUN} --network none busybox ls /sys/class/net", "lo"),
    Case("the default network", f"{_RUN} busybox sh -c 'ls /sys/class/net; ip route | grep -c default'", "eth0 lo 1"),
    Case("--expose", _config("--expose 80 --expose 53/udp", "ExposedPorts"), '{"53/udp":{},"80/tcp":{}}'),
    Case(
        "--publish out of range",
        "docker create -p 70000:80 busybox",
        complaint="invalid",
        code=(1, 125),
        why="the CLI's own refusal",
    ),
]

STREAMS = [
    Case("-d", "docker run -d --name c1 busybox echo hi; docker wait c1; docker logs c1", "ID 0 hi"),
    Case("-i", f"echo hi | {_RUN} -i busybox cat", "hi"),
    Case("without -i", f"echo hi | {_RUN} busybox cat"),
    Case("-t", f"{_RUN} -t busybox sh -c 'test -t 1 && echo tty'", "tty"),
    Case("-t joins both streams", f"{_RUN} -t busybox sh -c 'echo err >&2'", "err"),
    Case("-a stdout", f"{_RUN} -a stdout busybox sh -c 'echo out; echo err >&2'", "out"),
    Case("-a stderr", f"{_RUN} -a stderr busybox sh -c 'echo out; echo err >&2'", "", "err"),
    Case("-a with -d", "docker run -d -a stdout busybox true", complaint="conflicting options", code=1),
    Case(
        "-a stdin alone",
        "echo hi | docker run -a stdin -i --name c1 busybox sh -c 'read x; echo $x'; docker wait c1; docker logs c1",
        "0 hi",
    ),
    Case("--rm", f"{_RUN} busybox true; docker ps -aq"),
    Case("--rm after a failure", f"{_RUN} busybox nosuch 2>/dev/null; docker ps -aq"),
    Case(
        "--rm with -d",
        "docker run -d --rm --name c1 busybox true >/dev/null; await '[ -z \"$(docker ps -aq)\" ]' && echo gone",
        "gone",
    ),
    Case("--rm with a restart policy", f"{_RUN} --restart always busybox true", complaint="conflicting options", code=125),
    Case("--rm takes anonymous volumes along", f"{_RUN} -v /data busybox true; docker volume ls -q"),
    Case(
        "--sig-proxy",
        "docker run --name c1 busybox sh -c 'trap \"echo got; exit 4\" TERM; echo up; while :; do sleep .05; done' >out & P=$!;"
        " await grep -q up out; kill -TERM $P; wait $P; echo $?; cat out",
        "4 up got",
    ),
    Case(
        "--sig-proxy=false",
        'docker run --sig-proxy=false --name c1 busybox sh -c \'trap "exit 4" TERM; echo up; while :; do sleep .05;'
        " done' >out & P=$!;"
        " await grep -q up out; kill -TERM $P; sleep .3; docker inspect -f '{{.State.Running}}' c1; kill -9 $P",
        "true",
    ),
]


@each([*IDENTITY, *NAMES, *STREAMS])
def test_a_flag_has_its_effect(players: Players, case: Case) -> None:
    players.check(case)
