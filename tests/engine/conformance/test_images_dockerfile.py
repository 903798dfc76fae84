"""Dockerfiles that cover each instruction: what is built from them, run or inspected."""

import pytest

from tests.engine.conformance.building import built
from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_SHOW = "docker inspect -f"

RUN = [
    built("RUN of a shell", "FROM busybox\nRUN echo $((1+1)) >/f\nCMD cat /f", says="2"),
    built("RUN of a program", 'FROM busybox\nRUN ["touch", "/a b"]\nCMD ls -d /a*', says="/a b"),
    built(
        "RUN over several lines",
        "FROM busybox\nRUN echo a >/f && \\\n  # a comment between\n\n  echo b >>/f \\\n  && echo c >>/f\nCMD cat /f",
        says="a b c",
    ),
    built("RUN removes files of the base", "FROM busybox\nRUN rm /etc/group\nCMD test -e /etc/group || echo gone", says="gone"),
    built("RUN after RUN", "FROM busybox\nRUN mkdir /d && touch /d/a\nRUN touch /d/b && rm /d/a\nCMD ls /d", says="b"),
    built(
        "RUN keeps modes, owners and links",
        "FROM busybox\nRUN echo x >/f && chown 5:6 /f && chmod 4750 /f && ln /f /g"
        " && ln -s f /h\nCMD stat -c '%a %u:%g %h' /f; readlink /h",
        says="4750 5:6 2 f",
    ),
    built(
        "each RUN its own environment and folder",
        'FROM busybox\nRUN A=b; cd /tmp\nRUN pwd >/f; echo "[$A]" >>/f\nCMD cat /f',
        says="/ []",
    ),
    built("RUN has no terminal and no input", "FROM busybox\nRUN cat >/f; test -t 0 || echo none >>/f\nCMD cat /f", says="none"),
    built(
        "RUN is root with the build's own host name",
        "FROM busybox\nRUN id -u >/f; hostname | wc -c >>/f\nCMD cat /f",
        says="0 13",
    ),
]

COMMANDS = [
    built("CMD of a shell", "FROM busybox\nCMD echo $((1+2))", says="3"),
    built("CMD of a program", 'FROM busybox\nCMD ["echo", "$HOME", "a b"]', says="$HOME a b"),
    built("the last CMD", "FROM busybox\nCMD echo a\nCMD echo b", says="b"),
    built(
        "CMD that is no list",
        "FROM busybox\nCMD ['echo', 'a']",
        f"{_SHOW} '{{{{json .Config.Cmd}}}}' im1",
        """["/bin/sh","-c","['echo', 'a']"]""",
    ),
    built("CMD replaced", "FROM busybox\nCMD echo a", "docker run --rm im1 echo b", "b"),
    built(
        "ENTRYPOINT and CMD",
        'FROM busybox\nENTRYPOINT ["echo", "a"]\nCMD ["b"]',
        "docker run --rm im1; docker run --rm im1 c",
        "a b a c",
    ),
    built(
        "ENTRYPOINT of a shell takes no arguments",
        'FROM busybox\nENTRYPOINT echo a\nCMD ["b"]',
        "docker run --rm im1; docker run --rm im1 c",
        "a a",
    ),
    built(
        "ENTRYPOINT clears the base's CMD",
        'FROM busybox\nENTRYPOINT ["echo", "x"]',
        f"docker run --rm im1; {_SHOW} '{{{{len .Config.Cmd}}}}' im1",
        "x 0",
    ),
    built("ENTRYPOINT keeps this file's CMD", 'FROM busybox\nCMD ["a"]\nENTRYPOINT ["echo"]', says="a"),
    built(
        "SHELL",
        'FROM busybox\nSHELL ["/bin/sh", "-xc"]\nRUN echo a 2>/f\nCMD cat /f',
        "docker run --rm im1 2>&1; docker inspect -f '{{.Config.Shell}}' im1",
        "+ cat /f [/bin/sh -xc]",
    ),
    built("STOPSIGNAL", "FROM busybox\nSTOPSIGNAL SIGINT", f"{_SHOW} '{{{{.Config.StopSignal}}}}' im1", "SIGINT"),
    built(
        "HEALTHCHECK",
        "FROM busybox\nHEALTHCHECK --interval=5s --timeout=3s --start-period=1m --retries=2 CMD test -e /f",
        f"{_SHOW} '{{{{json .Config.Healthcheck}}}}' im1",
        '{"Test":["CMD-SHELL","test -e /f"],"Interval":5000000000,"Timeout":3000000000,"StartPeriod":60000000000,"Retries":2}',
    ),
    built(
        "HEALTHCHECK of a program",
        'FROM busybox\nHEALTHCHECK CMD ["true", "a"]',
        f"{_SHOW} '{{{{.Config.Healthcheck.Test}}}}' im1",
        "[CMD true a]",
    ),
    built(
        "HEALTHCHECK NONE",
        "FROM busybox\nHEALTHCHECK CMD true\nHEALTHCHECK NONE",
        f"{_SHOW} '{{{{.Config.Healthcheck.Test}}}}' im1",
        "[NONE]",
    ),
]

SETTINGS = [
    built(
        "LABEL",
        'FROM busybox\nLABEL a=b "c d"="e f" g=\'h i\' \\\n  j=k\nLABEL a=z',
        f"{_SHOW} '{{{{json .Config.Labels}}}}' im1",
        '{"a":"z","c d":"e f","g":"h i","j":"k"}',
    ),
    built("LABEL in the old form", "FROM busybox\nLABEL a b c", f"{_SHOW} '{{{{json .Config.Labels}}}}' im1", '{"a":"b c"}'),
    built(
        "EXPOSE",
        "FROM busybox\nENV P=90\nEXPOSE 80 443/udp 8000-8002 $P/tcp",
        f"{_SHOW} '{{{{json .Config.ExposedPorts}}}}' im1",
        '{"443/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{},"8002/tcp":{},"90/tcp":{}}',
    ),
    built(
        "ENV",
        "FROM busybox\nENV A=b C=\"d e\" F=g\\ h\nENV I j  k\nCMD env | grep -E '^[ACFI]=' | sort",
        says="A=b C=d e F=g h I=j k",
    ),
    built("ENV takes what was before its line", "FROM busybox\nENV A=1\nENV A=2 B=$A\nENV C=$A\nCMD echo $A $B $C", says="2 1 2"),
    built(
        "ENV with single quotes and backslashes",
        "FROM busybox\nENV A=1\nENV B='$A' C=\\$A D=\"$A\" E=${A}x\nCMD echo $B $C $D $E",
        says="$A $A 1 1x",
    ),
    built(
        "forms of variables",
        "FROM busybox\nENV A=1\nENV B=${N:-no} C=${A:-no} D=${A:+yes} E=${N:+yes}.\nCMD echo $B $C $D $E",
        says="no 1 yes .",
    ),
    built(
        "variables in names",
        "FROM busybox\nENV D=/data/x F=f\nWORKDIR $D/${F}d\nCOPY $F ${D}/\nUSER ${U:-ada}\nCMD pwd; ls ..; id -un",
        says="/data/x/fd f fd ada",
        files="echo hi >f",
    ),
    built("WORKDIR", "FROM busybox\nWORKDIR /a\nWORKDIR b\nWORKDIR ../c\nRUN touch here\nCMD pwd; ls", says="/a/c here"),
    built(
        "WORKDIR makes folders of root's",
        "FROM busybox\nUSER ada\nWORKDIR /w/x\nCMD stat -c %u:%g:%a /w /w/x",
        says="0:0:755 0:0:755",
    ),
    built("USER by name", "FROM busybox\nUSER ada\nRUN touch /tmp/f\nCMD id -u; id -g; stat -c %u /tmp/f", says="1000 1000 1000"),
    built("USER by numbers", "FROM busybox\nUSER 5:6\nCMD id -u; id -g", says="5 6"),
    built(
        "USER there and back",
        "FROM busybox\nUSER ada\nRUN id -un >/tmp/f\nUSER root\nRUN id -un >>/tmp/f\nCMD cat /tmp/f",
        says="ada root",
    ),
    built(
        "VOLUME",
        'FROM busybox\nVOLUME /v /w\nVOLUME ["/x y"]',
        f"{_SHOW} '{{{{json .Config.Volumes}}}}' im1",
        '{"/v":{},"/w":{},"/x y":{}}',
    ),
    built(
        "VOLUME is filled from the image",
        "FROM busybox\nRUN mkdir /v && echo a >/v/f\nVOLUME /v\nCMD cat /v/f",
        "docker run --rm -v data:/v im1; docker run --rm -v data:/d busybox cat /d/f",
        "a a",
    ),
    built(
        "VOLUME loses what RUN writes afterwards",
        "FROM busybox\nRUN mkdir /v && echo a >/v/f\nVOLUME /v\nRUN echo b >/v/f\nCMD cat /v/f",
        "docker run --rm im1; docker volume ls -q | wc -l",
        "a 0",
    ),
    built(
        "VOLUME keeps what COPY writes afterwards",
        "FROM busybox\nVOLUME /v\nCOPY f /v/\nCMD cat /v/f",
        says="hi",
        files="echo hi >f",
    ),
    built("MAINTAINER", "FROM busybox\nMAINTAINER Ada <a@b>", f"{_SHOW} '{{{{.Author}}}}' im1", "Ada <a@b>"),
    built(
        "ARG",
        "FROM busybox\nARG A=a\nARG B\nRUN echo $A $B >/f\nCMD cat /f; echo [$A$B]",
        says="a given []",
        flags="--build-arg B=given",
    ),
    built(
        "ARG given on the command line wins",
        "FROM busybox\nARG A=a\nRUN echo $A >/f\nCMD cat /f",
        says="b",
        flags="--build-arg A=b",
    ),
    built(
        "ENV wins over ARG",
        "FROM busybox\nARG A=a\nENV A=c\nRUN echo $A >/f\nCMD cat /f; echo $A",
        says="c c",
        flags="--build-arg A=b",
    ),
    built("ENV from ARG", "FROM busybox\nARG A=a\nENV B=$A-${A:-x}\nCMD echo $B", says="a-a"),
    built(
        "ARG counts from its line on", "FROM busybox\nRUN echo [$A] >/f\nARG A=a\nRUN echo [$A] >>/f\nCMD cat /f", says="[] [a]"
    ),
    built(
        "ARG before FROM",
        "ARG BASE=nosuch\nARG T=latest\nFROM $BASE:${T}\nRUN echo [$T] >/f\nARG T\nRUN echo [$T] >>/f\nCMD cat /f",
        says="[] [latest]",
        flags="--build-arg BASE=busybox",
    ),
    built("ARG ends with its stage", "FROM busybox AS a\nARG A=a\nFROM busybox\nRUN echo [$A] >/f\nCMD cat /f", says="[]"),
    built(
        "predefined arguments",
        "FROM busybox\nRUN echo $http_proxy $NO_PROXY >/f\nCMD cat /f; echo [$http_proxy]",
        says="p n []",
        flags="--build-arg http_proxy=p --build-arg NO_PROXY=n",
    ),
    built(
        "ONBUILD",
        "FROM busybox\nONBUILD COPY f /f\nONBUILD RUN echo more >>/f\nRUN test ! -e /f",
        f"{_SHOW} '{{{{json .Config.OnBuild}}}}' im1; printf 'FROM im1\\nCMD cat /f' >Dockerfile;"
        f" build -t im2 . && docker run --rm im2; {_SHOW} '{{{{len .Config.OnBuild}}}}' im2",
        '["COPY f /f","RUN echo more >>/f"] hi more 0',
        files="echo hi >f",
    ),
]

GRAMMAR = [
    built(
        "words in small letters, comments and blank lines",
        "# first\n\n  # second\nfrom busybox\n   run echo hi >/f\n\ncmd cat /f # no comment",
        says="hi",
        files="",
    ),
    built("the escape directive", "# escape=`\nFROM busybox\nRUN echo a `\n  b >/f\nCMD cat /f; echo c:\\\\d", says="a b c:\\d"),
    built("the syntax directive is not obeyed", "# syntax=docker/dockerfile:1\nFROM busybox\nCMD echo hi", says="hi"),
    built(
        "a directive after a comment is a comment",
        "# hi\n# escape=`\nFROM busybox\nRUN echo a \\\n  b >/f\nCMD cat /f",
        says="a b",
    ),
    built("lines that end as on Windows", "FROM busybox\r\nRUN echo a >/f\r\nCMD cat /f\r", says="a"),
    built(
        "FROM scratch",
        'FROM scratch\nCOPY box /bin/sh\nENV PATH=/bin\nCMD ["/bin/sh", "-c", "echo hi"]',
        says="hi",
        files='cp "$(command -v busybox)" box',
    ),
    built(
        "FROM an earlier stage",
        "FROM busybox AS one\nRUN echo a >/f\nFROM one AS two\nRUN echo b >>/f\nFROM two\nCMD cat /f",
        says="a b",
    ),
    built(
        "stages by number, name and of an image",
        "FROM busybox AS One\nRUN echo a >/f\nFROM busybox\nRUN echo b >/f\nFROM busybox\nCOPY --from=one /f"
        " /1\nCOPY --from=1 /f /2\nCOPY --from=busybox /etc/group /3\nCMD cat /1 /2; head -n 1 /3",
        says="a b root:x:0:",
    ),
    built(
        "FROM by id",
        "FROM busybox\nCMD echo hi",
        'printf "FROM $(docker images -q im1)\\nRUN true" >Dockerfile; build -t im2 . && docker run --rm im2',
        "hi",
    ),
    built(
        "RUN with a document",
        "FROM busybox\nRUN <<END\necho a >/f\necho b >>/f\nEND\nCMD cat /f",
        says="a b",
        why="the classic builder of dockerd knows no documents",
    ),
    built(
        "COPY of a document",
        "FROM busybox\nENV A=b\nCOPY <<END /f\n$A\nEND\nCOPY <<'END' /g\n$A\nEND\nCMD cat /f /g",
        says="b $A",
        why="the classic builder of dockerd knows no documents",
    ),
    built(
        "more forms of variables",
        "FROM busybox\nENV A= F=x.tar.gz\nENV B=${A-no} C=${N-no} D=${A+set} E=${F%.gz}\nCMD echo [$B] $C $D $E",
        says="[] no set x.tar",
        why="the classic builder of dockerd knows :- and :+ only",
    ),
]


@each(RUN)
def test_run(players: Players, case: Case) -> None:
    players.check(case)


@each(COMMANDS)
def test_commands(players: Players, case: Case) -> None:
    players.check(case)


@each(SETTINGS)
def test_settings(players: Players, case: Case) -> None:
    players.check(case)


@each(GRAMMAR)
def test_grammar_and_stages(players: Players, case: Case) -> None:
    players.check(case)
