"""ADD: what an instruction makes of an image, as a table. Played here and by a dockerd."""

from tests.engine.build.copy_cases import Case

_ARCHIVE = "t =@t"

CASES = [
    Case("ADD of a file", "ADD a /x", tree="etc/; x =1"),
    Case(
        "an archive is unpacked, owners as in it",
        "ADD t.tar /x",
        context="t.tar =@t",
        archive="f 600 =1; d/ 700 7:8; d/g 640 5:6 =2; l -> d/g; h 600 == f",
        tree="etc/; x/; x/d/ 700 7:8; x/d/g 640 5:6 =2; x/f 600 =1; x/h == x/f; x/l -> d/g",
    ),
    Case(
        "a compressed archive is told by its content",
        "ADD t /x/y/",
        context="t =@t.gz",
        archive="f 600 5:6 =1; q/r/g =2",
        tree="etc/; x/; x/y/; x/y/f 600 5:6 =1; x/y/q/; x/y/q/r/; x/y/q/r/g =2",
    ),
    Case(
        "an archive replaces what stands in its way",
        "ADD t /",
        context="t =@t.xz",
        image="etc/ 700 1:2; etc/a/; etc/a/b =1; etc/c =1",
        archive="etc/ 711 5:6; etc/a =1; etc/c/; etc/c/d =2",
        tree="etc/ 711 5:6; etc/a =1; etc/c/; etc/c/d =2",
    ),
    Case(
        "an archive goes where links of the image lead",
        "ADD t /",
        context="t =@t.bz2",
        image="etc/; l -> /etc",
        archive="l/f =1",
        tree="etc/; etc/f =1; l -> /etc",
    ),
    Case(
        "an archive stays below its destination",
        "ADD t /s",
        context=_ARCHIVE,
        image="etc/; s/; s/l -> /etc",
        archive="l/f =1",
        error="no such file or directory",
    ),
    Case(
        "an archive's own link leads nowhere out",
        "ADD t /s",
        context=_ARCHIVE,
        archive="l -> ../../etc; l/f =1",
        error="no such file or directory",
    ),
    Case("an archive's absolute name is below", "ADD t /s", context=_ARCHIVE, archive="/f =1", tree="etc/; s/; s/f =1"),
    Case(
        "an archive that climbs",
        "ADD t /s",
        context=_ARCHIVE,
        archive="../f =1",
        error="leads outside",
        unlike="dockerd puts it inside",
    ),
    Case(
        "an archive with an owner",
        "ADD --chown=5:6 t /s",
        context=_ARCHIVE,
        archive="f 1:1 =1",
        tree="etc/; s/; s/f 5:6 =1",
        unlike="as BuildKit: who says an owner wants it",
    ),
    Case(
        "an archive onto a file",
        "ADD t /s",
        context=_ARCHIVE,
        image="etc/; s =1",
        archive="f =1",
        error="/s is a file, not a folder",
        unlike="words",
    ),
    Case(
        "an archive beside a file", "ADD t a /s/", context="a =1; t =@t", archive="f 1:1 =1", tree="etc/; s/; s/a =1; s/f 1:1 =1"
    ),
    Case("COPY unpacks nothing", "COPY t /s", context="t =@t.gz", archive="f 1:1 =1", tree="etc/; s =..."),
]
