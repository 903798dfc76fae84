"""COPY, ADD and .dockerignore: which files come into an image, where, whose they are."""

import pytest

from tests.engine.conformance.building import built, refused
from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_TREE = "mkdir -p d/e; echo 1 >a.txt; echo 2 >b.txt; echo 3 >c.md; echo 4 >d/f; echo 5 >d/e/g;"
_FIND = "find /x | sort"

COPY = [
    built("a file to a file", "FROM busybox\nCOPY a.txt /x\nCMD cat /x", says="1", files=_TREE),
    built("a file to a folder", f"FROM busybox\nCOPY a.txt /x/\nCMD {_FIND}", says="/x /x/a.txt", files=_TREE),
    built("several to a folder", f"FROM busybox\nCOPY a.txt c.md /x/\nCMD {_FIND}", says="/x /x/a.txt /x/c.md", files=_TREE),
    built("a folder's content", f"FROM busybox\nCOPY d /x\nCMD {_FIND}", says="/x /x/e /x/e/g /x/f", files=_TREE),
    built(
        "two folders' contents",
        f"FROM busybox\nCOPY d k /x/\nCMD {_FIND}",
        says="/x /x/e /x/e/g /x/f /x/h",
        files=_TREE + "mkdir k; touch k/h",
    ),
    built(
        "everything",
        f"FROM busybox\nWORKDIR /x\nCOPY . .\nCMD {_FIND}",
        says="/x /x/Dockerfile /x/a.txt /x/b.txt /x/c.md /x/d /x/d/e /x/d/e/g /x/d/f",
        files=_TREE,
    ),
    built("a pattern", f"FROM busybox\nCOPY *.txt [c]?md /x/\nCMD {_FIND}", says="/x /x/a.txt /x/b.txt /x/c.md", files=_TREE),
    built("a pattern in a folder", f"FROM busybox\nCOPY d/* /x/\nCMD {_FIND}", says="/x /x/f /x/g", files=_TREE),
    built("names with spaces", 'FROM busybox\nCOPY ["a b", "/x y/"]\nCMD ls "/x y"', says="a b", files="touch 'a b'"),
    built(
        "relative to the working folder",
        f"FROM busybox\nWORKDIR /x\nCOPY a.txt y/\nCMD {_FIND}",
        says="/x /x/y /x/y/a.txt",
        files=_TREE,
    ),
    built(
        "over what is there",
        "FROM busybox\nCOPY a.txt /etc/group\nCOPY d /etc/\nCMD cat /etc/group /etc/f; ls /etc/passwd",
        says="1 4 /etc/passwd",
        files=_TREE,
    ),
    built(
        "through a link of the image",
        "FROM busybox\nRUN mkdir /r && ln -s /r /l\nCOPY a.txt /l/\nCMD ls /r; readlink /l",
        says="a.txt /r",
        files=_TREE,
    ),
    built(
        "links of the context stay links",
        "FROM busybox\nCOPY d /x\nCMD readlink /x/l",
        says="/etc/passwd",
        files=_TREE + "ln -s /etc/passwd d/l",
    ),
    built(
        "modes and owners",
        "FROM busybox\nCOPY s /x\nCMD stat -c '%a %u:%g' /x",
        says="750 0:0",
        files="touch s; chmod 750 s; chown 5:6 s",
    ),
    built("owners of the user's", "FROM busybox\nUSER ada\nCOPY a.txt /x\nCMD stat -c %u:%g /x", says="0:0", files=_TREE),
    built(
        "--chown by numbers",
        "FROM busybox\nCOPY --chown=5:6 d /x\nCMD stat -c %u:%g /x /x/f /x/e/g",
        says="5:6 5:6 5:6",
        files=_TREE,
    ),
    built("--chown by names", "FROM busybox\nCOPY --chown=ada:staff a.txt /x\nCMD stat -c %u:%g /x", says="1000:50", files=_TREE),
    built(
        "--chown of the user alone",
        "FROM busybox\nCOPY --chown=ada a.txt /x\nCOPY --chown=7 a.txt /y\nCMD stat -c %u:%g /x /y",
        says="1000:1000 7:7",
        files=_TREE,
    ),
    built(
        "--from keeps modes",
        "FROM busybox AS a\nRUN mkdir /d && echo hi >/d/f && chown 5:6 /d/f"
        " && chmod 4711 /d/f\nFROM busybox\nCOPY --from=a /d /x\nCMD stat -c '%a %u:%g' /x/f",
        says=("4711 0:0", "4711 5:6"),
        why="the classic builder keeps owners, newer ones do not",
    ),
    built(
        "--from with a pattern and --chown",
        "FROM busybox AS a\nRUN mkdir /d && touch /d/1.so /d/2.so /d/3\nFROM busybox\nCOPY --from=a --chown=5:6"
        f" /d/*.so /x/\nCMD {_FIND}; stat -c %u:%g /x/1.so",
        says="/x /x/1.so /x/2.so 5:6",
    ),
    built(
        "--chmod",
        "FROM busybox\nCOPY --chmod=640 a.txt /x\nCMD stat -c %a /x",
        says="640",
        files=_TREE,
        why="the classic builder of dockerd knows no --chmod",
    ),
    built(
        "times are those of the files",
        "FROM busybox\nCOPY a.txt /x\nCMD stat -c %Y /x",
        says="1000000000",
        files=_TREE + "touch -d @1000000000 a.txt",
    ),
    refused(
        "a file that is not there",
        "FROM busybox\nCOPY nosuch /x",
        "copy failed: file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist",
    ),
    refused("a pattern without a file", "FROM busybox\nCOPY *.nosuch /x/", "copy failed: no source files were specified"),
    refused("outside the context", "FROM busybox\nCOPY ../x /x", "forbidden path outside the build context"),
    refused(
        "several to a file",
        "FROM busybox\nCOPY a.txt b.txt /x",
        "when using copy with more than one source file, the destination must be a directory and end with a /",
        files=_TREE,
    ),
    refused("from a stage that is not there", "FROM busybox\nCOPY --from=7 /etc/group /x", "invalid from flag value 7"),
    refused("an owner that is not there", "FROM busybox\nCOPY --chown=nobody:here a.txt /x", "nobody", files=_TREE),
    refused(
        "a file that is not in the stage",
        "FROM busybox AS a\nFROM busybox\nCOPY --from=a /nosuch /x",
        "copy failed: stat nosuch: file does not exist",
    ),
    refused(
        "a link that leads out of the context",
        "FROM busybox\nCOPY l /x",
        "",
        files="ln -s ../../../../../../../../../etc/passwd l",
    ),
]

ADD = [
    built("a file", "FROM busybox\nADD a.txt /x\nCMD cat /x", says="1", files=_TREE),
    built("a folder", f"FROM busybox\nADD d /x/\nCMD {_FIND}", says="/x /x/e /x/e/g /x/f", files=_TREE),
    built(
        "an archive",
        f"FROM busybox\nADD t.tar /x\nCMD {_FIND}",
        says="/x /x/e /x/e/g /x/f",
        files=_TREE + "tar -C d -cf t.tar e f",
    ),
    built(
        "an archive of gzip",
        f"FROM busybox\nADD t.tgz /x/\nCMD {_FIND}",
        says="/x /x/e /x/e/g /x/f",
        files=_TREE + "tar -C d -czf t.tgz e f",
    ),
    built(
        "an archive of xz",
        f"FROM busybox\nADD t.txz /x/\nCMD {_FIND}",
        says="/x /x/e /x/e/g /x/f",
        files=_TREE + "tar -C d -cJf t.txz e f",
    ),
    built(
        "an archive keeps owners",
        "FROM busybox\nADD t.tar /x/\nCMD stat -c %u:%g /x/f",
        says="5:6",
        files=_TREE + "tar -C d --owner=5 --group=6 -cf t.tar f",
    ),
    built(
        "what is called an archive and is none",
        "FROM busybox\nADD t.tar /x/\nCMD cat /x/t.tar",
        says="no",
        files="echo no >t.tar",
    ),
    built(
        "COPY unpacks nothing", f"FROM busybox\nCOPY t.tar /x/\nCMD {_FIND}", says="/x /x/t.tar", files=_TREE + "tar -cf t.tar d"
    ),
    built("--chown", "FROM busybox\nADD --chown=ada:staff a.txt /x\nCMD stat -c %u:%g /x", says="1000:50", files=_TREE),
    refused(
        "a file that is not there",
        "FROM busybox\nADD nosuch /x",
        "add failed: file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist",
    ),
]

_ALL = "FROM busybox\nCOPY . /x\nCMD cd /x; find . -type f | sort"
_LOGS = _TREE + "touch d/a.log d/e/b.log c.log;"
IGNORE = [
    built(
        "names and patterns",
        _ALL,
        says="./.dockerignore ./Dockerfile ./b.txt ./c.md",
        files=_TREE + "printf '# said\\n\\na.txt\\nd\\n' >.dockerignore",
    ),
    built("all but", _ALL, says="./c.md ./d/f", files=_TREE + "printf '*\\n!c.md\\n!d/f\\n' >.dockerignore"),
    built(
        "at any depth",
        _ALL,
        says="./.dockerignore ./Dockerfile ./a.txt ./b.txt ./c.md ./d/e/g ./d/f",
        files=_LOGS + "printf '**/*.log\\n' >.dockerignore",
    ),
    built(
        "at the top only",
        _ALL,
        says="./.dockerignore ./Dockerfile ./a.txt ./b.txt ./c.md ./d/a.log ./d/e/b.log ./d/e/g ./d/f",
        files=_LOGS + "printf '*.log\\n' >.dockerignore",
    ),
    built(
        "the last word counts",
        _ALL,
        says="./.dockerignore ./Dockerfile ./c.md ./d/e/g ./d/f",
        files=_TREE + "printf '*.txt\\n!a.txt\\na.*\\n' >.dockerignore",
    ),
    built(
        "itself and the Dockerfile",
        _ALL,
        says="./a.txt ./b.txt ./c.md ./d/e/g ./d/f",
        files=_TREE + "printf '.dockerignore\\nDockerfile\\n' >.dockerignore",
    ),
    built(
        "slashes and dots",
        _ALL,
        says="./.dockerignore ./Dockerfile ./b.txt ./c.md ./d/f",
        files=_TREE + "printf '/a.txt\\n./d/e/\\n' >.dockerignore",
    ),
    refused(
        "what is ignored is not there",
        "FROM busybox\nCOPY a.txt /x",
        "excluded by .dockerignore",
        files=_TREE + "echo a.txt >.dockerignore",
    ),
    refused(
        "a pattern that cannot be", "FROM busybox\nCOPY . /x", "syntax error in pattern", files=_TREE + "echo '[' >.dockerignore"
    ),
]


@each(COPY)
def test_copy(players: Players, case: Case) -> None:
    players.check(case)


@each(ADD)
def test_add(players: Players, case: Case) -> None:
    players.check(case)


@each(IGNORE)
def test_dockerignore(players: Players, case: Case) -> None:
    players.check(case)
