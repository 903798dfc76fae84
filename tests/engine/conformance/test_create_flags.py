"""Every flag of ``docker run`` and ``docker create``: what it does inside the container, or what inspect says of it."""

import pytest

from tests.engine.conformance.cases import Case, Desk, each

pytestmark = pytest.mark.requires_root

_RUN = "docker run --rm"
_CGROUP = "cd /sys/fs/cgroup;"
_HOST_CONFIG = "docker create {flags} --name c1 busybox true >/dev/null; docker inspect -f '{{{{json .HostConfig.{field}}}}}' c1"
_V1_OR_V2 = "a host with cgroup v1 has one file, one with v2 the other"


def _host_config(flags: str, field: str) -> str:
    return _HOST_CONFIG.format(flags=flags, field=field)


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
    Case("--hostname invalid", f"{_RUN} -h 'a b' busybox hostname", "a b"),
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
        "docker create --name c1 --entrypoint 'a b' busybox x >/dev/null; docker inspect -f '{{json .Config.Entrypoint}} {{.Path}} {{.Args}}' c1",
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
    Case(
        "--network container:",
        "docker run -d --name lab busybox sleep 600 >/dev/null; A=$(docker exec lab readlink /proc/self/ns/net);"
        f" B=$({_RUN} --network container:lab busybox readlink /proc/self/ns/net); test $A = $B && echo same",
        "same",
    ),
    Case(
        "--network container: that is not there",
        f"{_RUN} --network container:none busybox true",
        complaint="no such container: none",
        code=125,
    ),
    Case(
        "--network container: with a hostname",
        f"{_RUN} -h x --network container:lab busybox true",
        complaint="conflicting options",
        code=125,
    ),
    Case("--expose", _config("--expose 80 --expose 53/udp", "ExposedPorts"), '{"53/udp":{},"80/tcp":{}}'),
    Case(
        "--publish in inspect",
        _host_config("-p 8080:80 -p 127.0.0.1::53/udp", "PortBindings"),
        '{"53/udp":[{"HostIp":"127.0.0.1","HostPort":""}],"80/tcp":[{"HostIp":"","HostPort":"8080"}]}',
    ),
    Case(
        "--publish out of range",
        "docker create -p 70000:80 busybox",
        complaint="invalid",
        code=(1, 125),
        why="the CLI's own refusal",
    ),
    Case("--publish-all in inspect", _host_config("-P", "PublishAllPorts"), "true"),
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
        "docker run -d --rm --name c1 busybox true >/dev/null; docker wait c1 >/dev/null 2>&1; sleep .5; docker ps -aq",
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
        "docker run --sig-proxy=false --name c1 busybox sh -c 'trap \"exit 4\" TERM; echo up; while :; do sleep .05; done' >out & P=$!;"
        " await grep -q up out; kill -TERM $P; sleep .3; docker inspect -f '{{.State.Running}}' c1; kill -9 $P",
        "true",
    ),
]

FILES = [
    Case(
        "--read-only",
        f"{_RUN} --read-only busybox sh -c 'touch /x 2>&1; touch /dev/shm/y && echo shm'",
        "touch: /x: Read-only file system shm",
    ),
    Case(
        "--read-only covers hosts",
        f"{_RUN} --read-only busybox sh -c 'echo x >>/etc/hosts'",
        complaint="read-only file system",
        code=1,
    ),
    Case(
        "--tmpfs",
        f"{_RUN} --tmpfs /t:size=1m,mode=700,uid=5 busybox sh -c 'df -k /t | tail -n1; stat -c %a:%u /t'",
        "tmpfs 1024 0 1024 0% /t 700:5",
    ),
    Case("--tmpfs with an unknown option", f"{_RUN} --tmpfs /t:bogus busybox true", complaint="invalid tmpfs option", code=125),
    Case("--tmpfs on /", f"{_RUN} --tmpfs / busybox true", complaint="destination can't be '/'", code=125),
    Case("--shm-size", f"{_RUN} --shm-size 8m busybox sh -c \"df -k /dev/shm | tail -n1 | awk '{{print \\$2}}'\"", "8192"),
    Case("--shm-size not given", f"{_RUN} busybox sh -c \"df -k /dev/shm | tail -n1 | awk '{{print \\$2}}'\"", "65536"),
    Case(
        "--volume from the host",
        f"mkdir d; echo hi >d/f; {_RUN} -v $PWD/d:/d busybox sh -c 'cat /d/f; echo in >/d/g'; cat d/g",
        "hi in",
    ),
    Case("--volume read-only", f"mkdir d; {_RUN} -v $PWD/d:/d:ro busybox touch /d/x", complaint="read-only file system", code=1),
    Case("--volume makes the folder", f"{_RUN} -v $PWD/new:/d busybox true; ls", "new"),
    Case("--volume of a file", f"echo hi >f; {_RUN} -v $PWD/f:/etc/motd busybox cat /etc/motd", "hi"),
    Case("--volume not absolute", f"{_RUN} -v a/b:/d busybox true", complaint="volume name", code=125),
    Case("--volume with an unknown mode", f"{_RUN} -v $PWD:/d:bogus busybox true", complaint="invalid mode", code=125),
    Case(
        "--mount twice at a place",
        f"{_RUN} --mount type=tmpfs,dst=/d --mount type=tmpfs,dst=/d busybox true",
        complaint="duplicate mount point",
        code=125,
    ),
    Case(
        "--mount bind",
        f"mkdir d; echo hi >d/f; {_RUN} --mount type=bind,src=$PWD/d,dst=/d,readonly busybox sh -c 'cat /d/f; touch /d/x 2>&1'",
        "hi touch: /d/x: Read-only file system",
        code=1,
    ),
    Case(
        "--mount bind of what is not there",
        f"{_RUN} --mount type=bind,src=/nosuch,dst=/d busybox true",
        complaint="bind source path does not exist: /nosuch",
        code=125,
    ),
    Case(
        "--mount tmpfs",
        f"{_RUN} --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770 busybox sh -c 'stat -c %a /t; df -k /t | tail -n1'",
        "1770 tmpfs 1024 0 1024 0% /t",
    ),
    Case("--mount of an unknown type", f"{_RUN} --mount type=bogus,dst=/t busybox true", complaint="", code=125),
    Case("--mount without a target", f"{_RUN} --mount type=tmpfs busybox true", complaint="", code=125),
    Case("--device", f"{_RUN} --device /dev/null:/dev/x:rw busybox sh -c 'echo hi >/dev/x; stat -c %t:%T /dev/x'", "1:3"),
    Case(
        "--device read only",
        f"{_RUN} --device /dev/fuse:/dev/x:r busybox sh -c '(: </dev/x) && echo read; (: >/dev/x) 2>/dev/null || echo refused'",
        "read refused",
    ),
    Case(
        "--device that is not there",
        f"{_RUN} --device /dev/nosuch busybox true",
        complaint="/dev/nosuch",
        code=(125, 127),
        why="the word exit code 127 goes by, no such file, is in the reason",
    ),
    Case("--device with an unknown mode", f"{_RUN} --device /dev/null:/dev/x:q busybox true", complaint="", code=125),
    Case("--device-cgroup-rule", _host_config("--device-cgroup-rule 'c 1:7 rwm'", "DeviceCgroupRules"), '["c 1:7 rwm"]'),
    Case("--storage-opt that is unknown", f"{_RUN} --storage-opt bogus=1 busybox true", complaint="", code=125),
]

RIGHTS = [
    Case("default capabilities", f"{_RUN} busybox grep CapEff /proc/self/status", "CapEff: 00000000a80425fb"),
    Case("--cap-add", f"{_RUN} --cap-add NET_ADMIN busybox grep CapEff /proc/self/status", "CapEff: 00000000a80435fb"),
    Case(
        "--cap-drop",
        f"{_RUN} --cap-drop CAP_CHOWN busybox sh -c 'grep CapEff /proc/self/status; chown 5 /tmp 2>&1'",
        "CapEff: 00000000a80425fa chown: /tmp: Operation not permitted",
        code=1,
    ),
    Case(
        "--cap-drop all --cap-add",
        f"{_RUN} --cap-drop ALL --cap-add KILL busybox grep CapEff /proc/self/status",
        "CapEff: 0000000000000020",
    ),
    Case("--cap-add unknown", f"{_RUN} --cap-add FLY busybox true", complaint="FLY", code=125),
    Case("capabilities of another user", f"{_RUN} -u 5 busybox grep CapEff /proc/self/status", "CapEff: 0000000000000000"),
    Case(
        "no-new-privileges", f"{_RUN} --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status", "NoNewPrivs: 1"
    ),
    Case("no-new-privileges not given", f"{_RUN} busybox grep NoNewPrivs /proc/self/status", "NoNewPrivs: 0"),
    Case("seccomp not given", f"{_RUN} busybox grep Seccomp: /proc/self/status", "Seccomp: 2"),
    Case("seccomp=unconfined", f"{_RUN} --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status", "Seccomp: 0"),
    Case(
        "seccomp of a file",
        'echo \'{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}\' >p;'
        f" {_RUN} --security-opt seccomp=p busybox mkdir /x",
        complaint="operation not permitted",
        code=1,
    ),
    Case(
        "seccomp of a file that is not there",
        f"{_RUN} --security-opt seccomp=nosuch busybox true",
        complaint="opening seccomp profile",
        code=125,
    ),
    Case(
        "seccomp of a bad file",
        f"echo '{{' >p; {_RUN} --security-opt seccomp=p busybox true",
        complaint="seccomp profile",
        code=125,
    ),
    Case("an unknown security option", f"{_RUN} --security-opt bogus=1 busybox true", complaint="bogus", code=125),
    Case(
        "systempaths=unconfined",
        f"{_RUN} --security-opt systempaths=unconfined busybox sh -c 'grep -c \" /proc/timer_list \" /proc/mounts'",
        "0",
        code=1,
    ),
    Case("masked paths", f"{_RUN} busybox sh -c 'grep -c \" /proc/timer_list \" /proc/mounts'", "1"),
    Case(
        "--privileged",
        f"{_RUN} --privileged busybox sh -c 'mount -t tmpfs t /tmp && grep Seccomp: /proc/self/status'",
        "Seccomp: 0",
        only="atelier",
        why="runc wants each capability there is, which root of this machine may not have",
    ),
    Case("--privileged in inspect", _host_config("--privileged", "Privileged"), "true"),
    Case("not privileged", f"{_RUN} busybox mount -t tmpfs t /tmp", complaint="permission denied", code=1),
    Case("--userns host", _host_config("--userns host", "UsernsMode"), '"host"'),
    Case("--userns unknown", "docker create --userns bogus busybox", complaint="invalid USER mode", code=125),
]

SPACES = [
    Case("--ipc private", f"{_RUN} --ipc private busybox sh -c 'df /dev/shm >/dev/null && echo yes'", "yes"),
    Case("--ipc none", f"{_RUN} --ipc none busybox sh -c 'grep -c /dev/shm /proc/mounts'", "0", code=1),
    Case(
        "--ipc shareable",
        "docker run -d --name lab --ipc shareable busybox sh -c 'echo hi >/dev/shm/f; sleep 600' >/dev/null; sleep .2;"
        f" {_RUN} --ipc container:lab busybox cat /dev/shm/f",
        "hi",
    ),
    Case(
        "--ipc container: that does not share",
        f"docker run -d --name lab --ipc private busybox sleep 600 >/dev/null; {_RUN} --ipc container:lab busybox true",
        complaint="non-shareable",
        code=125,
    ),
    Case(
        "--ipc container: that is not there",
        f"{_RUN} --ipc container:none busybox true",
        complaint="no such container: none",
        code=125,
    ),
    Case(
        "--ipc host",
        f"A=$(readlink /proc/self/ns/ipc); B=$({_RUN} --ipc host busybox readlink /proc/self/ns/ipc); test $A = $B && echo same",
        "same",
    ),
    Case(
        "--ipc unknown",
        "docker create --ipc bogus busybox",
        complaint="",
        says=("", "ID"),
        code=(0, 1),
        why="newer ones refuse it at once",
    ),
    Case(
        "--pid container:",
        f"docker run -d --name lab busybox sleep 611 >/dev/null; {_RUN} --pid container:lab busybox sh -c 'ps | grep -c \"[s]leep 611\"'",
        "1",
    ),
    Case(
        "--pid container: that has ended",
        f"docker create --name lab busybox true >/dev/null; {_RUN} --pid container:lab busybox true",
        complaint="not running",
        code=(125, 126, 127),
        why="containerd words it so",
    ),
    Case(
        "--pid host",
        f"A=$(readlink /proc/self/ns/pid); B=$({_RUN} --pid host busybox readlink /proc/self/ns/pid); test $A = $B && echo same",
        "same",
    ),
    Case("--pid unknown", "docker create --pid bogus busybox", complaint="invalid PID mode", code=125),
    Case(
        "--uts host",
        f"A=$(readlink /proc/self/ns/uts); B=$({_RUN} --uts host busybox readlink /proc/self/ns/uts); test $A = $B && echo same",
        "same",
    ),
    Case("--uts host with a hostname", f"{_RUN} --uts host -h x busybox true", complaint="conflicting options", code=125),
    Case("--uts unknown", "docker create --uts bogus busybox", complaint="invalid UTS mode", code=125),
    Case(
        "--cgroupns private",
        f"A=$(readlink /proc/self/ns/cgroup); B=$({_RUN} --cgroupns private busybox readlink /proc/self/ns/cgroup); test $A != $B && echo other",
        "other",
    ),
    Case("--cgroupns unknown", "docker create --cgroupns bogus busybox", complaint="invalid CGROUP mode", code=125),
    Case("--init", f"{_RUN} --init busybox sh -c 'test $$ -ne 1 && echo init'", "init"),
    Case("--init passes the exit code", f"{_RUN} --init busybox sh -c 'exit 9'", code=9),
    Case(
        "--init passes signals",
        "docker run -d --init --name c1 busybox sleep 600 >/dev/null; docker stop -t 5 c1 >/dev/null; docker wait c1",
        "143",
    ),
]

LIMITS = [
    Case(
        "--memory",
        f"{_RUN} -m 64m busybox sh -c '{_CGROUP} cat memory.max memory/memory.limit_in_bytes 2>/dev/null'",
        "67108864",
        code=1,
    ),
    Case("--memory too small", f"{_RUN} -m 1m busybox true", complaint="6MB", code=125),
    Case(
        "--memory-swap",
        f"{_RUN} -m 64m --memory-swap 96m busybox sh -c '{_CGROUP} cat memory.swap.max memory/memory.memsw.limit_in_bytes 2>/dev/null'",
        ("100663296", "33554432"),
        code=1,
        why="v1 counts both together, v2 the swap alone",
    ),
    Case("--memory-swap in inspect", _host_config("-m 64m", "MemorySwap"), "134217728"),
    Case("--memory-swap unlimited", _host_config("-m 64m --memory-swap -1", "MemorySwap"), "-1"),
    Case("--memory-swap without memory", f"{_RUN} --memory-swap 64m busybox true", complaint="", code=125),
    Case(
        "--memory-reservation",
        f"{_RUN} --memory-reservation 32m busybox sh -c '{_CGROUP} cat memory.low memory/memory.soft_limit_in_bytes 2>/dev/null'",
        "33554432",
        code=1,
    ),
    Case("--memory-swappiness", _host_config("--memory-swappiness 10", "MemorySwappiness"), "10"),
    Case(
        "--memory-swappiness out of range",
        "docker create --memory-swappiness 200 busybox",
        complaint="swappiness range is 0-100",
        code=125,
    ),
    Case("--oom-kill-disable", _host_config("-m 64m --oom-kill-disable", "OomKillDisable"), "true"),
    Case("--oom-score-adj", f"{_RUN} --oom-score-adj 300 busybox cat /proc/self/oom_score_adj", "300"),
    Case("--oom-score-adj out of range", "docker create --oom-score-adj 2000 busybox", complaint="2000", code=1),
    Case(
        "--cpus",
        f"{_RUN} --cpus .5 busybox sh -c '{_CGROUP} cat cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us 2>/dev/null'",
        "50000 100000",
        code=1,
    ),
    Case("--cpus more than there are", f"{_RUN} --cpus 999 busybox true", complaint="available", code=125),
    Case(
        "--cpu-quota and --cpu-period",
        f"{_RUN} --cpu-quota 20000 --cpu-period 50000 busybox sh -c '{_CGROUP} cat cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us 2>/dev/null'",
        "20000 50000",
        code=1,
    ),
    Case("--cpus with --cpu-quota", f"{_RUN} --cpus 1 --cpu-quota 20000 busybox true", complaint="conflicting options", code=125),
    Case(
        "--cpu-shares",
        f"{_RUN} --cpu-shares 512 busybox sh -c '{_CGROUP} cat cpu.weight cpu/cpu.shares 2>/dev/null'",
        ("512", "20"),
        code=1,
        why=_V1_OR_V2,
    ),
    Case(
        "--cpuset-cpus",
        f"{_RUN} --cpuset-cpus 0 busybox sh -c 'grep Cpus_allowed_list /proc/self/status; nproc'",
        "Cpus_allowed_list: 0 1",
    ),
    Case("--cpuset-mems", f"{_RUN} --cpuset-mems 0 busybox grep Mems_allowed_list /proc/self/status", "Mems_allowed_list: 0"),
    Case("--cpuset-mems out of range", f"{_RUN} --cpuset-mems 99 busybox true", complaint="available", code=125),
    Case(
        "--pids-limit", f"{_RUN} --pids-limit 50 busybox sh -c '{_CGROUP} cat pids.max pids/pids.max 2>/dev/null'", "50", code=1
    ),
    Case("--pids-limit unlimited", _host_config("--pids-limit -1", "PidsLimit"), ("-1", "0", "null"), why="each means no limit"),
    Case(
        "--ulimit", f"{_RUN} --ulimit nofile=64:128 --ulimit core=0 busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c'", "64 128 0"
    ),
    Case("--ulimit in inspect", _host_config("--ulimit nofile=64:128", "Ulimits"), '[{"Name":"nofile","Hard":128,"Soft":64}]'),
    Case("--ulimit unknown", "docker create --ulimit bogus=1 busybox", complaint="invalid ulimit type", code=125),
    Case(
        "--ulimit soft above hard",
        "docker create --ulimit nofile=9:8 busybox",
        complaint="ulimit soft limit must be less",
        code=125,
    ),
    Case(
        "--blkio-weight in inspect",
        _host_config("--blkio-weight 300", "BlkioWeight"),
        ("300", "0"),
        why="0 with a warning where the kernel has no weights",
    ),
    Case(
        "--blkio-weight out of range",
        "docker create --blkio-weight 5 busybox",
        code=(0, 1),
        says=("", "ID"),
        why="dropped with a warning where the kernel has no weights",
    ),
    Case(
        "--device-read-bps of what is not there",
        f"{_RUN} --device-read-bps /dev/nosuch:1mb busybox true",
        complaint="/dev/nosuch",
        code=(125, 127),
        why="as of --device",
    ),
    Case(
        "--sysctl",
        f"{_RUN} --sysctl net.ipv4.ip_local_port_range='2000 3000' busybox cat /proc/sys/net/ipv4/ip_local_port_range",
        "2000 3000",
    ),
    Case("--sysctl of ipc", f"{_RUN} --sysctl kernel.msgmax=9000 busybox cat /proc/sys/kernel/msgmax", "9000"),
    Case(
        "--sysctl that is the host's",
        f"{_RUN} --sysctl kernel.pid_max=9000 busybox true",
        complaint="kernel.pid_max",
        code=(125, 126, 127),
        why="runc refuses it when it starts",
    ),
]

LIFE = [
    Case(
        "--stop-signal",
        "docker run -d --name c1 --stop-signal USR1 busybox sh -c 'trap \"exit 5\" USR1; echo up; while :; do sleep .05; done' >/dev/null;"
        " await 'docker logs c1 | grep -q up'; docker stop -t 9 c1; docker wait c1",
        "c1 5",
    ),
    Case("--stop-signal unknown", "docker create --stop-signal BOGUS busybox", complaint="BOGUS", code=1),
    Case(
        "--stop-timeout",
        "docker run -d --name c1 --stop-timeout 0 busybox sleep 600 >/dev/null; docker stop c1; docker wait c1",
        "c1 137",
    ),
    Case("--stop-timeout in inspect", _config("--stop-timeout 7", "StopTimeout"), "7"),
    Case(
        "--restart in inspect",
        _host_config("--restart on-failure:3", "RestartPolicy"),
        '{"Name":"on-failure","MaximumRetryCount":3}',
    ),
    Case(
        "--restart not given",
        _host_config("", "RestartPolicy"),
        ('{"Name":"no","MaximumRetryCount":0}', '{"Name":"","MaximumRetryCount":0}'),
        why="the CLI names it",
    ),
    Case("--restart unknown", "docker create --restart bogus busybox", complaint="invalid restart policy", code=1),
    Case(
        "--restart with a bad count",
        "docker create --restart on-failure:x busybox",
        complaint="maximum retry count must be an integer",
        code=125,
    ),
    Case("--restart always with a count", "docker create --restart always:3 busybox", complaint="maximum retry count", code=1),
    Case(
        "--log-driver none",
        "docker run --log-driver none --name c1 busybox echo hi; docker logs c1",
        "hi",
        "configured logging driver does not support reading",
        1,
    ),
    Case("--log-driver unknown", "docker run --log-driver bogus busybox true", complaint="bogus", code=125),
    Case(
        "--log-opt in inspect",
        _host_config("--log-driver json-file --log-opt max-size=1m --log-opt max-file=2", "LogConfig"),
        '{"Type":"json-file","Config":{"max-file":"2","max-size":"1m"}}',
    ),
    Case("--log-opt unknown", "docker create --log-opt bogus=1 busybox", complaint="unknown log opt 'bogus'", code=1),
    Case("--log-opt with a bad size", "docker run --log-opt max-size=x busybox true", complaint="", code=125),
]

CASES = [*IDENTITY, *NAMES, *STREAMS, *FILES, *RIGHTS, *SPACES, *LIMITS, *LIFE]


@each(CASES)
def test_a_flag_has_its_effect(desk: Desk, case: Case) -> None:
    desk.check(case)
