"""Flags of ``docker run`` and ``docker create`` about files, rights and shared namespaces."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_RUN = "docker run --rm"
_HOST_CONFIG = "docker create {flags} --name c1 busybox true >/dev/null; docker inspect -f '{{{{json .HostConfig.{field}}}}}' c1"


def _host_config(flags: str, field: str) -> str:
    return _HOST_CONFIG.format(flags=flags, field=field)


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
        code=(0, 1),
        why="here it covers the image's files, not those that the engine makes",
    ),
    Case(
        "--tmpfs",
        f"{_RUN} --tmpfs /t:size=1m,mode=700,uid=5 busybox sh -c 'df -k /t | tail -n1; stat -c %a:%u /t'",
        "tmpfs 1024 0 1024 0% /t 700:5",
    ),
    Case("--tmpfs with an unknown option", f"{_RUN} --tmpfs /t:bogus busybox true", complaint="invalid tmpfs option", code=125),
    Case("--tmpfs on /", f"{_RUN} --tmpfs / busybox true", complaint="'/'", code=125),
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
        complaint="/nosuch",
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
    Case(
        "--userns host",
        _host_config("--userns host", "UsernsMode"),
        '"host"',
        only="dockerd",
        why="root of a container is never root of the host here",
    ),
    Case("--userns unknown", "docker create --userns bogus busybox", complaint="invalid USER mode", code=125),
]

SPACES = [
    Case("--ipc private", f"{_RUN} --ipc private busybox sh -c 'df /dev/shm >/dev/null && echo yes'", "yes"),
    Case("--ipc none", f"{_RUN} --ipc none busybox sh -c 'grep -c /dev/shm /proc/mounts'", "0", code=1),
    Case(
        "--ipc shareable",
        "docker run -d --name lab --ipc shareable busybox sh -c 'echo hi >/dev/shm/f; sleep 600' >/dev/null;"
        " await docker exec lab test -s /dev/shm/f;"
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
        f"docker run -d --name lab busybox sleep 611 >/dev/null;"
        f" {_RUN} --pid container:lab busybox sh -c 'ps | grep -c \"[s]leep 611\"'",
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
        f"A=$(readlink /proc/self/ns/cgroup); B=$({_RUN} --cgroupns private busybox readlink /proc/self/ns/cgroup);"
        f" test $A != $B && echo other",
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


@each([*FILES, *RIGHTS, *SPACES])
def test_a_flag_has_its_effect(players: Players, case: Case) -> None:
    players.check(case)
