"""COPY: what an instruction makes of an image, as a table. Played here and by a dockerd."""

from dataclasses import dataclass

_CONTEXT = "a =1; b 600 5:6 =2; d/ 700 3:4; d/e/ 711 7:8; d/e/f 755 9:9 =3; d/l -> e/f"
_OLD = "etc/ 700 1:2; etc/e/ 777 1:2; etc/e/k =old"
_ADA = "etc/; etc/group =ada:x:1002:; etc/passwd =ada:x:1000:1001::/:"
_STAGE = "s/ 700 1:2; s/a 4755 3:4 =1; s/d/ 711 5:6; s/l -> /etc 7:8; top -> /s"
_NO_FOLDER = "When using COPY with more than one source file, the destination must be a directory and end with a /"


@dataclass(frozen=True)
class Case:
    """``tree`` or ``error`` is what comes of it; ``unlike`` says why dockerd's classic builder may do otherwise.

    Trees as in ``trees.py``; ``archive`` is the tree of ``@t``, which can be had as ``@t.gz``, ``@t.bz2`` and ``@t.xz`` as well.
    """

    label: str
    instruction: str
    context: str = _CONTEXT
    image: str = "etc/"
    stage: str = ""
    workdir: str = "/"
    archive: str = "f =1"
    tree: str = ""
    error: str = ""
    unlike: str = ""


CASES = [
    Case("a file gets a new name", "COPY a /new", tree="etc/; new =1"),
    Case("a slash at the end means a folder", "COPY a /new/", tree="etc/; new/; new/a =1"),
    Case("a folder that is there takes a file in", "COPY b /etc", tree="etc/; etc/b 600 =2"),
    Case("folders above are made", "COPY b /p/q/r", tree="etc/; p/; p/q/; p/q/r 600 =2"),
    Case(
        "a folder's content is copied, not the folder", "COPY d /new", tree="etc/; new/; new/e/ 711; new/e/f 755 =3; new/l -> e/f"
    ),
    Case(
        "all folders to a new one are made",
        "COPY d/ /p/q/new/",
        tree="etc/; p/; p/q/; p/q/new/; p/q/new/e/ 711; p/q/new/e/f 755 =3; p/q/new/l -> e/f",
    ),
    Case(
        "a folder that is there keeps its looks, those inside get the source's",
        "COPY d /etc",
        image=_OLD,
        tree="etc/ 700 1:2; etc/e/ 711; etc/e/f 755 =3; etc/e/k =old; etc/l -> e/f",
    ),
    Case(
        "a dot is the whole context, and the working directory",
        "COPY . .",
        image="w/ 711 1:1",
        workdir="/w",
        tree="w/ 711 1:1; w/a =1; w/b 600 =2; w/d/ 700; w/d/e/ 711; w/d/e/f 755 =3; w/d/l -> e/f",
    ),
    Case("a relative destination", "COPY a x/", image="w/", workdir="/w", tree="w/; w/x/; w/x/a =1"),
    Case("a destination above the top is at the top", "COPY a ../../../x", image="w/v/", workdir="/w/v", tree="w/; w/v/; x =1"),
    Case("a dot at the end of a path is no folder", "COPY a /new/.", tree="etc/; new =1"),
    Case(
        "a glob takes files and what folders hold",
        "COPY * /x/",
        context="a1 =1; b/; b/c =3; b/d/; l -> a1",
        tree="etc/; x/; x/a1 =1; x/c =3; x/d/; x/l =1",
    ),
    Case("a glob of single characters", "COPY ?? /x/", context="a1 =1; a2 =2; ccc =4", tree="etc/; x/; x/a1 =1; x/a2 =2"),
    Case(
        "a glob below a folder",
        "COPY b/*.txt /x/",
        context="b/; b/c.txt =3; b/d =3; b/e.txt =4",
        tree="etc/; x/; x/c.txt =3; x/e.txt =4",
    ),
    Case("a glob in the middle", "COPY */c /x/", context="a =1; b/; b/c =3; d/; d/e =4", tree="etc/; x/; x/c =3"),
    Case("a glob with a class of characters", "COPY [a-b] /x/", context="a =1; b =2; c =3", tree="etc/; x/; x/a =1; x/b =2"),
    Case("a glob that matches one file needs no folder", "COPY a* /x", tree="etc/; x =1"),
    Case("a glob that matches nothing", "COPY zz* /x/", error="COPY failed: no source files were specified"),
    Case("several sources", "COPY a b /x/", tree="etc/; x/; x/a =1; x/b 600 =2"),
    Case("a file and a folder", "COPY a d /x/", tree="etc/; x/; x/a =1; x/e/ 711; x/e/f 755 =3; x/l -> e/f"),
    Case("several sources need a folder", "COPY a b /x", error=_NO_FOLDER),
    Case("a glob with several matches needs a folder", "COPY * /x", error=_NO_FOLDER),
    Case(
        "a lone dot is a folder",
        "COPY a b .",
        image="w/",
        workdir="/w",
        tree="w/; w/a =1; w/b 600 =2",
        unlike="a dot cannot be anything else, and BuildKit takes it",
    ),
    Case(
        "a source that is not there",
        "COPY nope /x",
        error="COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist",
    ),
    Case("a source below a file", "COPY a/nope /x", error="stat a/nope: file does not exist", unlike="dockerd calls it outside"),
    Case("a source outside", "COPY ../a /x", error="COPY failed: forbidden path outside the build context: ../a ()"),
    Case("an absolute source is in the context", "COPY /a /x", tree="etc/; x =1"),
    Case("a slash behind a file", "COPY a/ /t/", tree="etc/; t/; t/a =1"),
    Case("a name with blanks", 'COPY ["a b","/c d/"]', context="a\\ b =1", tree="c\\ d/; c\\ d/a\\ b =1; etc/"),
    Case("a link to a file is followed", "COPY l /x/", context="a =1; l -> a", tree="etc/; x/; x/l =1"),
    Case("a link to a folder is followed", "COPY l /x", context="d/; d/a =1; l -> d", tree="etc/; x/; x/a =1"),
    Case("an absolute link leads into the context", "COPY l /x", context="d/; d/a =1; l -> /d/a", tree="etc/; x =1"),
    Case("a link that climbs stays in the context", "COPY l /x", context="d/; d/a =1; l -> ../../../d/a", tree="etc/; x =1"),
    Case(
        "a link to nothing",
        "COPY l /x",
        context="l -> nope",
        error="file not found in build context or excluded by .dockerignore: stat l: file does not exist",
    ),
    Case(
        "a glob's folder may be a link",
        "COPY l/*.txt /x/",
        context="b/; b/c.txt =3; l -> b",
        tree="etc/; x/; x/c.txt =3",
        unlike="as BuildKit",
    ),
    Case(
        "links below are copied as they are",
        "COPY d /x",
        context="d/; d/l -> /etc/passwd; d/m -> ../../up; d/n -> nope",
        tree="etc/; x/; x/l -> /etc/passwd; x/m -> ../../up; x/n -> nope",
    ),
    Case("hard links stay together", "COPY d /x", context="d/; d/a =1; d/b == d/a", tree="etc/; x/; x/a =1; x/b == x/a"),
    Case(
        "a hard link replaces a file",
        "COPY d /x",
        context="d/; d/a =1; d/b == d/a",
        image="x/; x/b =old",
        tree="x/; x/a =1; x/b == x/a",
    ),
    Case("an empty folder", "COPY d /x", context="d/", tree="etc/; x/"),
    Case(
        "set-user-id is kept",
        "COPY x /y",
        context="x 4755 =1",
        tree="etc/; y 4755 =1",
        unlike="dockerd's chown takes it away, BuildKit keeps it",
    ),
    Case("a link at the destination is followed", "COPY a /l", image="etc/; l -> etc", tree="etc/; etc/a =1; l -> etc"),
    Case(
        "a link at the destination is followed to a folder", "COPY a /l/", image="etc/; l -> etc", tree="etc/; etc/a =1; l -> etc"
    ),
    Case(
        "a folder goes where a link leads",
        "COPY d /l",
        image="etc/; l -> etc",
        tree="etc/; etc/e/ 711; etc/e/f 755 =3; etc/l -> e/f; l -> etc",
    ),
    Case("a link to a file is kept", "COPY a /l", image="etc/; etc/f =old; l -> etc/f", tree="etc/; etc/f =1; l -> etc/f"),
    Case(
        "a link to nothing leads to what is made",
        "COPY a /l",
        image="etc/; l -> /etc/new/f",
        tree="etc/; etc/new/; etc/new/f =1; l -> /etc/new/f",
    ),
    Case(
        "a link to no folder leads to what is made",
        "COPY d /l",
        image="etc/; l -> /etc/new",
        tree="etc/; etc/new/; etc/new/e/ 711; etc/new/e/f 755 =3; etc/new/l -> e/f; l -> /etc/new",
    ),
    Case(
        "links inside the destination are replaced",
        "COPY d /t",
        context="d/; d/e/; d/e/f =1; d/g =2",
        image="etc/; t/; t/e -> /etc; t/g -> /etc/x",
        tree="etc/; t/; t/e/; t/e/f =1; t/g =2",
    ),
    Case(
        "a link in the destination folder is replaced",
        "COPY g /t/",
        context="g =2",
        image="etc/; t/; t/g -> /etc/x",
        tree="etc/; t/; t/g =2",
    ),
    Case("a file replaces a folder of its name", "COPY a /t/", image="t/; t/a/; t/a/old =1", tree="t/; t/a =1"),
    Case(
        "a file replaces a folder below",
        "COPY d /t",
        context="d/; d/a =1",
        image="t/; t/a/; t/a/b/; t/a/b/old =1",
        tree="t/; t/a =1",
    ),
    Case(
        "a folder replaces a file below",
        "COPY d /t",
        context="d/; d/a/; d/a/n =1",
        image="t/; t/a =old",
        tree="t/; t/a/; t/a/n =1",
    ),
    Case("a folder over a file", "COPY d /t", image="t =1", error="/t is a file, not a folder", unlike="words"),
    Case("a file below a file", "COPY a /t/x", image="t =1", error="/t is a file, not a folder", unlike="words"),
    Case(
        "owners as numbers",
        "COPY --chown=5:6 d /n/m",
        tree="etc/; n/; n/m/ 5:6; n/m/e/ 711 5:6; n/m/e/f 755 5:6 =3; n/m/l -> e/f 5:6",
    ),
    Case("a file's new folders get its owner", "COPY --chown=5:6 a /n/m/f", tree="etc/; n/ 5:6; n/m/ 5:6; n/m/f 5:6 =1"),
    Case(
        "owners as names",
        "COPY --chown=ada a /n/",
        image=_ADA,
        tree="etc/; etc/group =ada:x:1002:; etc/passwd =ada:x:1000:1001::/:; n/ 1000:1002; n/a 1000:1002 =1",
    ),
    Case(
        "a group of its own",
        "COPY --chown=ada:0 a /n",
        image=_ADA,
        tree="etc/; etc/group =ada:x:1002:; etc/passwd =ada:x:1000:1001::/:; n 1000:0 =1",
    ),
    Case("one number is for both", "COPY --chown=5 a /n", tree="etc/; n 5:5 =1"),
    Case(
        "a folder that is there keeps its owner, those inside do not",
        "COPY --chown=5:6 d /etc",
        image=_OLD,
        tree="etc/ 700 1:2; etc/e/ 711 5:6; etc/e/f 755 5:6 =3; etc/e/k =old; etc/l -> e/f 5:6",
    ),
    Case(
        "an unknown user",
        "COPY --chown=zed a /n",
        image=_ADA,
        error="unable to convert uid/gid chown string to host mapping: can't find uid for user zed: no such user: zed",
    ),
    Case(
        "an unknown group",
        "COPY --chown=ada:zed a /n",
        image=_ADA,
        error="unable to convert uid/gid chown string to host mapping: can't find gid for group zed: no such group: zed",
    ),
    Case("an owner of three parts", "COPY --chown=1:2:3 a /n", error="invalid chown string format: 1:2:3"),
    Case(
        "files of an image keep owners and modes",
        "COPY --from=stage /s /x",
        stage=_STAGE,
        tree="etc/; x/; x/a 4755 3:4 =1; x/d/ 711 5:6; x/l -> /etc",
    ),
    Case("one file of an image", "COPY --from=stage s/a /x/y/z", stage=_STAGE, tree="etc/; x/; x/y/; x/y/z 4755 3:4 =1"),
    Case(
        "a link of an image leads inside of it",
        "COPY --from=stage top /x/",
        stage="s/; s/a =1; top -> /s",
        tree="etc/; x/; x/a =1",
    ),
    Case(
        "files of an image with an owner",
        "COPY --from=stage --chown=8:9 /s /x",
        stage="s/ 700 1:2; s/a 3:4 =1; s/d/",
        tree="etc/; x/ 8:9; x/a 8:9 =1; x/d/ 8:9",
    ),
    Case(
        "a whole image",
        "COPY --from=stage / /",
        stage=_STAGE,
        tree="etc/; s/ 700 1:2; s/a 4755 3:4 =1; s/d/ 711 5:6; s/l -> /etc; top -> /s",
    ),
    Case(
        "a file that an image lacks",
        "COPY --from=stage /nope /x",
        stage=_STAGE,
        error="COPY failed: stat nope: file does not exist",
    ),
    Case(
        "a name that means removed things in layers",
        "COPY . /x/",
        context="a =1; .wh.q =2",
        error="'.wh.q' cannot be in an image",
        unlike="its own save fails of it",
    ),
    Case(
        "pipes of a context are left out",
        "COPY . /x/",
        context="a =1; p |",
        tree="etc/; x/; x/a =1",
        unlike="a pipe is nothing to build with",
    ),
]
