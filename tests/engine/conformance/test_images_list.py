"""images and tag: what the list shows, and the names of images."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_NAMES = "--format '{{.Repository}}:{{.Tag}}'"
_THREE = (
    "mk one -c 'LABEL kind=first'; mk two -c 'LABEL kind=second' -c 'LABEL extra=1'; mk three; docker tag three other/three:v2;"
    " mk gone; docker tag two gone; docker tag one r.example:5000/a/b:x"
)

LIST = [
    Case("by name", f"docker images {_NAMES} one", "one:latest"),
    Case("by name and tag", f"docker images {_NAMES} other/three:v2", "other/three:v2"),
    Case("by another tag", f"docker images {_NAMES} other/three:v3"),
    Case("by pattern", f"docker images {_NAMES} 't*' | sort", "three:latest two:latest"),
    Case("by pattern with a folder", f"docker images {_NAMES} '*/*' | sort", "other/three:v2"),
    Case("with a registry", f"docker images {_NAMES} r.example:5000/a/b", "r.example:5000/a/b:x"),
    Case("columns", "docker images one | head -n 1", "REPOSITORY TAG IMAGE ID CREATED SIZE"),
    Case("--digests", "docker images --digests one | head -n 1", "REPOSITORY TAG DIGEST IMAGE ID CREATED SIZE"),
    Case("no digest", "docker images --digests --format '{{.Digest}}' one", "<none>"),
    Case("-q", "docker images -q one", "ID"),
    Case("-q --no-trunc", "docker images -q --no-trunc one", "sha256:ID"),
    Case("-q of one id with two tags", "docker images -q | sort | uniq -d | wc -l", "3"),
    Case(
        "--format",
        "docker images --format '{{.ID}} {{.Size}} {{.CreatedSince}}' two | sed 's/[0-9]* seconds*\\|Less than a second/S/'",
        "ID SIZE S ago",
    ),
    Case("--format json", 'docker images --format json two | grep -o \'"Repository":"[a-z]*"\'', '"Repository":"two"'),
    Case("filter dangling", f"docker images -f dangling=true {_NAMES}", "<none>:<none>"),
    Case("filter not dangling", f"docker images -f dangling=false {_NAMES} | grep -c none", "0", code=1),
    Case("filter label", f"docker images -f label=extra {_NAMES} | sort", "gone:latest two:latest"),
    Case("filter label with value", f"docker images -f label=kind=first {_NAMES} | sort", "one:latest r.example:5000/a/b:x"),
    Case("filter two labels", f"docker images -f label=kind=second -f label=extra=1 {_NAMES} | sort", "gone:latest two:latest"),
    Case("filter two labels that no image has", f"docker images -f label=kind=first -f label=extra=1 {_NAMES}"),
    Case("filter before", f"docker images -f before=two {_NAMES} | sort", "busybox:latest one:latest r.example:5000/a/b:x"),
    Case("filter since", f"docker images -f since=two {_NAMES} | sort", "<none>:<none> other/three:v2 three:latest"),
    Case("filter since and before", f"docker images -f since=one -f before=three {_NAMES} | sort", "gone:latest two:latest"),
    Case("filter reference", f"docker images -f reference='t*:latest' {_NAMES} | sort", "three:latest two:latest"),
    Case(
        "filter several references",
        f"docker images -f reference=one -f reference='*/three' {_NAMES} | sort",
        "one:latest other/three:v2",
    ),
    Case("filter of what is unknown", "docker images -f foo=bar", "", "invalid filter 'foo'", 1),
    Case("filter dangling of what is no yes or no", "docker images -f dangling=maybe", "", "invalid filter 'dangling", 1),
    Case("filter before a missing image", "docker images -f before=nosuch", "", "no such image: nosuch", 1),
    Case("image ls", f"docker image ls {_NAMES} one", "one:latest"),
    Case("-a", "docker images -aq | sort -u | wc -l", "5"),
]

TAG = [
    Case(
        "tag",
        "mk one; docker tag one two; docker images -q two; docker inspect -f '{{.RepoTags}}' one",
        "ID [one:latest two:latest]",
    ),
    Case(
        "tag by id",
        "mk one; docker tag $(docker images -q one) two:v1; docker inspect -f '{{.RepoTags}}' one",
        "[one:latest two:v1]",
    ),
    Case(
        "tag by long id",
        "mk one; docker tag $(docker images -q --no-trunc one) two; docker inspect -f '{{.RepoTags}}' one",
        "[one:latest two:latest]",
    ),
    Case("tag again", "mk one; docker tag one one", ""),
    Case(
        "a tag that moves",
        "mk one; mk two; docker tag two one; docker inspect -f '{{.RepoTags}}' two; docker images -qf dangling=true | wc -l",
        "[one:latest two:latest] 1",
    ),
    Case(
        "tag with a registry",
        "mk one; docker tag one localhost:5000/a/b:c; docker images --format '{{.Repository}} {{.Tag}}' localhost:5000/a/b",
        "localhost:5000/a/b c",
    ),
    Case(
        "the long form of a familiar name",
        "mk one; docker tag one docker.io/library/two; docker images --format '{{.Repository}}' two",
        "two",
    ),
    Case("by the long form", "mk one; docker inspect -f '{{.RepoTags}}' docker.io/library/one:latest", "[one:latest]"),
    Case("of what is missing", "docker tag none x", "", "no such image: none", 1),
    Case("upper case", "mk one; docker tag one BAD", "", "must be lowercase", 1),
    Case("a bad tag", "mk one; docker tag one x:a/b", "", "invalid reference format", 1),
    Case(
        "with a digest",
        "mk one; docker tag one x@sha256:$(printf %064d 1)",
        "",
        "refusing to create a tag with a digest reference",
        1,
    ),
]


@each(LIST, beside=_THREE)
def test_images(players: Players, case: Case) -> None:
    players.check(case)


@each(TAG)
def test_tag(players: Players, case: Case) -> None:
    players.check(case)
