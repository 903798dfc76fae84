"""push, pull, login and logout at a registry beside the daemon, open or with an account; builds and runs that pull."""

import shutil

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(
        shutil.which("docker-registry") is None, reason="docker-registry is not installed (Debian: docker-registry)"
    ),
]

_ONE = "mk one; docker tag one $REPO;"
_PUSHED = f"{_ONE} docker push -q $REPO >/dev/null;"
_DIGEST = "D=$(docker inspect -f '{{index .RepoDigests 0}}' $REPO);"
_IDS = "docker images -q --no-trunc"
_LAST = "tail -n 3 | cut -d: -f1"

PUSH = [
    Case(
        "push",
        f"{_ONE} docker push $REPO | sed 's/ size.*//'",
        "Using default tag: latest The push refers to repository [REGISTRY/CASE] ID: Preparing ID: Pushed"
        " latest: digest: sha256:ID",
    ),
    Case("push -q", f"{_ONE} docker push -q $REPO", "REGISTRY/CASE:latest"),
    Case(
        "push again",
        f"{_PUSHED} docker push $REPO | grep -o 'Layer already exists\\|digest: sha256:[0-9a-f]*'",
        "Layer already exists digest: sha256:ID",
    ),
    Case(
        "push to another repository",
        f"{_PUSHED} docker tag one $REPO/two; docker push $REPO/two | grep -o 'Mounted from [^/]*\\|^latest'",
        "Mounted from CASE latest",
    ),
    Case("push of a tag", f"{_ONE} docker tag one $REPO:v1; docker push $REPO:v1 | grep -o '^v1: digest'", "v1: digest"),
    Case(
        "push -a",
        f"{_ONE} docker tag one $REPO:v1; docker push -a $REPO | grep -o '^[a-z0-9]*: digest' | sort",
        "latest: digest v1: digest",
    ),
    Case(
        "push of a tag that is not there",
        f"{_ONE} docker push $REPO:v1",
        "The push refers to repository [REGISTRY/CASE]",
        "exist",
        1,
    ),
    Case(
        "push of what is not there",
        "docker push $REPO",
        "Using default tag: latest The push refers to repository [REGISTRY/CASE]",
        "an image does not exist locally with the tag: 127.0.0.1",
        1,
    ),
    Case(
        "push by id",
        f"{_ONE} docker push $(docker images -q one)",
        "Using default tag: latest The push refers to repository [docker.io/library/ID]",
        "an image does not exist locally with the tag",
        1,
    ),
    Case(
        "what is pushed has a digest",
        f"{_ONE} docker inspect -f '{{{{len .RepoDigests}}}}' one; docker push -q $REPO >/dev/null;"
        f" docker inspect -f '{{{{.RepoDigests}}}}' one",
        "0 [REGISTRY/CASE@sha256:ID]",
    ),
    Case(
        "a digest goes with its last name",
        f"{_PUSHED} docker rmi $REPO; docker inspect -f '{{{{.RepoDigests}}}}' one",
        "Untagged: REGISTRY/CASE:latest Untagged: REGISTRY/CASE@sha256:ID []",
    ),
    Case(
        "push of what was built and runs elsewhere",
        "printf 'FROM busybox\\nRUN echo hi >/f\\nCMD cat /f' | build -t $REPO -;"
        " docker push -q $REPO >/dev/null; docker rmi $REPO >/dev/null; docker run --rm $REPO 2>/dev/null",
        "hi",
    ),
    Case(
        "push where nothing listens",
        "mk one; docker tag one 127.0.0.1:1/one; docker push 127.0.0.1:1/one >/dev/null",
        "",
        "127.0.0.1:1",
        1,
    ),
    Case(
        "push event",
        f"{_ONE} S=$(date +%s.%N); docker push -q $REPO >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --format '{{{{.Action}}}} {{{{.Actor.ID}}}}'",
        "push REGISTRY/CASE:latest",
    ),
]

PULL = [
    Case(
        "pull",
        "docker pull $REGISTRY/there:v1 | grep -v Verifying",
        "v1: Pulling from there ID: Pulling fs layer ID: Download complete ID: Pull complete Digest: sha256:ID"
        " Status: Downloaded newer image for REGISTRY/there:v1 REGISTRY/there:v1",
    ),
    Case(
        "pull without a tag",
        f"{_PUSHED} docker rmi $REPO one >/dev/null; docker pull $REPO | sed -n '1,2p;$p'",
        "Using default tag: latest latest: Pulling from CASE REGISTRY/CASE:latest",
    ),
    Case("pull -q", "docker pull -q $REGISTRY/there:v1", "REGISTRY/there:v1"),
    Case(
        "pull again",
        "docker pull -q $REGISTRY/there:v1 >/dev/null; docker pull $REGISTRY/there:v1",
        "v1: Pulling from there Digest: sha256:ID Status: Image is up to date for REGISTRY/there:v1 REGISTRY/there:v1",
    ),
    Case(
        "the same image comes back",
        f"{_PUSHED} A=$({_IDS} one); docker rmi $REPO one >/dev/null; docker pull -q $REPO >/dev/null;"
        f" [ $A = $({_IDS} $REPO) ] && echo same",
        "same",
    ),
    Case(
        "its history and settings",
        "docker pull -q $REGISTRY/there:v1 >/dev/null;"
        " docker history --format '{{.CreatedBy}}' $REGISTRY/there:v1;"
        " docker inspect -f '{{.Config.Cmd}} {{.Config.Labels}} {{.Created}} {{.Parent}}.' $REGISTRY/there:v1",
        "made as v1 [cat /tag] map[tag:v1] TIME .",
    ),
    Case(
        "its files",
        "docker pull -q $REGISTRY/there:v1 >/dev/null; docker create --name c1 $REGISTRY/there:v1 >/dev/null;"
        " docker cp c1:/tag - | tar -xO",
        "v1",
    ),
    Case(
        "pull by digest",
        f"{_PUSHED} {_DIGEST} docker rmi $REPO one >/dev/null; docker pull $D | tail -n 3;"
        f" docker images --digests --format '{{{{.Repository}}}} {{{{.Tag}}}} {{{{.Digest}}}}' | grep -v busybox",
        "Digest: sha256:ID Status: Downloaded newer image for REGISTRY/CASE@sha256:ID REGISTRY/CASE@sha256:ID"
        " REGISTRY/CASE <none> sha256:ID",
    ),
    Case(
        "what came by digest is named by it",
        f"{_PUSHED} {_DIGEST} docker rmi $REPO one >/dev/null; docker pull -q $D >/dev/null;"
        f" docker inspect -f '{{{{.RepoTags}}}} {{{{.RepoDigests}}}}' $D; docker images -qf dangling=true"
        " | wc -l; docker rmi $D | head -n 2",
        "[] [REGISTRY/CASE@sha256:ID] 1 Untagged: REGISTRY/CASE@sha256:ID Deleted: sha256:ID",
    ),
    Case(
        "pull -a",
        "docker pull -a $REGISTRY/there | tail -n 2; docker images --format '{{.Tag}}' $REGISTRY/there | sort",
        "Status: Downloaded newer image for REGISTRY/there REGISTRY/there v1 v2",
    ),
    Case("pull -a -q", "docker pull -aq $REGISTRY/there; docker images -q $REGISTRY/there | wc -l", "REGISTRY/there 2"),
    Case(
        "pull --platform",
        "docker pull -q --platform linux/s390x $REGISTRY/several;"
        " docker inspect -f '{{.Os}}/{{.Architecture}} {{.Config.Labels}}' $REGISTRY/several",
        "REGISTRY/several:latest linux/s390x map[tag:s390x]",
    ),
    Case(
        "pull of the only kind that is there",
        "docker pull --platform linux/s390x $REGISTRY/there:v1"
        " | grep -o '^[S].*\\|^WARN.*does not match.*platform\\|wanted.*390x'",
        "Status: Downloaded newer image for REGISTRY/there:v1 WARNING: image with reference REGISTRY/there:v1 was found but"
        " does not match the specified platform wanted linux/s390x",
        only="atelier",
        why="dockerd says so from 23 on",
    ),
    Case(
        "pull of this machine's kind",
        "docker pull -q $REGISTRY/several >/dev/null;"
        " [ $(docker inspect -f '{{.Architecture}}' $REGISTRY/several) = $(docker version -f '{{.Server.Arch}}')"
        " ] && echo same",
        "same",
    ),
    Case(
        "pull of a kind that is not there",
        "docker pull -q --platform linux/mips $REGISTRY/several",
        "",
        "no matching manifest for linux/mips in the manifest list entries",
        1,
    ),
    Case("an unknown repository", "docker pull $REGISTRY/nosuch", "Using default tag: latest", "manifest for 127.0.0.1", 1),
    Case("an unknown repository, in words", "docker pull $REGISTRY/nosuch 2>&1 | grep -c 'not found: manifest unknown'", "1"),
    Case("an unknown tag", "docker pull $REGISTRY/there:nosuch", "", "/there:nosuch not found: manifest unknown", 1),
    Case("an unknown digest", f"docker pull $REGISTRY/there@sha256:{'1' * 64}", "", "manifest unknown", 1),
    Case("all of an unknown repository", "docker pull -a $REGISTRY/nosuch", "", "/nosuch not found: name unknown", 1),
    Case("where nothing listens", "docker pull 127.0.0.1:1/one", "Using default tag: latest", "127.0.0.1:1", 1),
    Case(
        "a tag that moved",
        f"{_PUSHED} mk two; docker rmi $REPO >/dev/null; docker tag two $REPO; docker push -q $REPO >/dev/null;"
        " docker rmi two $REPO >/dev/null; docker tag one $REPO; docker pull $REPO | grep Status;"
        " docker images -q one $REPO 2>/dev/null | wc -l;"
        " [ $(docker images -q one) = $(docker images -q $REPO) ] || echo other",
        "Status: Downloaded newer image for REGISTRY/CASE:latest 0 other",
    ),
    Case(
        "pull event",
        "S=$(date +%s.%N); docker pull -q $REGISTRY/there:v1 >/dev/null;"
        " docker events --since $S --until $(date +%s.%N) --format '{{.Action}} {{.Actor.ID}}'",
        "pull REGISTRY/there:v1",
    ),
    Case(
        "run pulls",
        "mk one; docker tag busybox $REPO; docker push -q $REPO >/dev/null; docker rmi $REPO >/dev/null;"
        " docker run --rm $REPO echo hi",
        "hi",
        "unable to find image '127.0.0.1",
    ),
    Case("run --pull never", "docker run --rm --pull never $REGISTRY/there:v1", "", "no such image: 127.0.0.1", 125),
    Case(
        "create --pull always",
        "docker create --pull always $REGISTRY/there:v1 2>/dev/null; docker images -q $REGISTRY/there:v1",
        "ID ID",
    ),
    Case(
        "build pulls",
        'printf "FROM $REGISTRY/there:v1\\nLABEL a=b\\n" | build -t im1 -;'
        " docker history --format '{{.CreatedBy}}' im1 | wc -l; docker images -q $REGISTRY/there:v1 | wc -l",
        "2 1",
    ),
    Case(
        "build --pull",
        "mk one; docker tag one $REPO; docker push -q $REPO >/dev/null; mk two; docker tag two $REPO;"
        ' printf "FROM $REPO\\nLABEL a=b\\n" | build --pull -t im1 -;'
        " [ $(docker images -q one) = $(docker images -q $REPO) ] && echo newer",
        "newer",
    ),
    Case("build of what is not there", 'printf "FROM $REGISTRY/nosuch\\n" | build -', "", "/nosuch", 1),
    Case(
        "COPY --from what is not there yet",
        'printf "FROM busybox\\nCOPY --from=$REGISTRY/there:v2 /tag /f\\nCMD cat /f" | build -t im1 - && docker run --rm im1',
        "v2",
    ),
]

_LOGIN = "echo $PASSWORD | docker login -u $NAME --password-stdin $LOCKED 2>/dev/null;"
_REFUSED = "grep -cE 'no basic auth credentials|unauthorized'"
LOGIN = [
    Case("login", _LOGIN, "Login Succeeded"),
    Case("login with a wrong password", "echo wrong | docker login -u $NAME --password-stdin $LOCKED", "", "unauthorized", 1),
    Case("login of nobody", "echo $PASSWORD | docker login -u eve --password-stdin $LOCKED", "", "unauthorized", 1),
    Case(
        "login where no account is needed",
        "echo x | docker login -u any --password-stdin $REGISTRY 2>/dev/null",
        "Login Succeeded",
    ),
    Case("login where nothing listens", "echo x | docker login -u any --password-stdin 127.0.0.1:1", "", "127.0.0.1:1", 1),
    Case("pull without login", f"docker pull $LOCKED/there:v1 2>&1 | {_REFUSED}", "1"),
    Case("push without login", f"mk one; docker tag one $LOCKED/one; docker push $LOCKED/one 2>&1 | {_REFUSED}", "1"),
    Case("pull after login", f"{_LOGIN} docker pull -q $LOCKED/there:v1", "Login Succeeded REGISTRY/there:v1"),
    Case(
        "push after login",
        f"{_LOGIN} mk one; docker tag one $LOCKED/pushed; docker push -q $LOCKED/pushed",
        "Login Succeeded REGISTRY/pushed:latest",
    ),
    Case(
        "build after login",
        f'{_LOGIN} printf "FROM $LOCKED/there:v2\\nLABEL a=b\\n" | build -t im1 - && echo built',
        "Login Succeeded built",
    ),
    Case("run after login", f"{_LOGIN} docker create $LOCKED/there:v2 2>/dev/null", "Login Succeeded ID"),
    Case(
        "logout",
        f"{_LOGIN} docker logout $LOCKED; docker pull $LOCKED/there:v1 2>&1 | {_REFUSED}",
        "Login Succeeded Removing login credentials for REGISTRY 1",
    ),
]


@each(PUSH)
def test_push(players: Players, case: Case) -> None:
    players.check(case)


@each(PULL)
def test_pull(players: Players, case: Case) -> None:
    players.check(case)


@each(LOGIN)
def test_login(players: Players, case: Case) -> None:
    players.check(case)
