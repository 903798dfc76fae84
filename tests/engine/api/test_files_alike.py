"""Files of containers through the API and the docker command: one outcome for this engine and, where it is installed, dockerd."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.engine.api.file_archives import FIFO, FILE, FOLDER, HARD_LINK, SYMLINK, make_tar, member, read_tar, stat_of
from tests.engine.daemon import Answer, EngineDaemon, wait_until
from tests.engine.dockerd import BOTH, serving

pytestmark = pytest.mark.requires_root

V = "/v1.41"
SCRIPT = """
mkdir -p /a/b; echo hi > /a/b/f; ln /a/b/f /a/b/g; ln -s f /a/b/rel; mkfifo /a/p
chmod 4755 /a/b/f; chmod 1777 /a; chown 33:44 /a/b
ln -s /a/b /l; ln -s /nowhere/x /dangling
rm /etc/group; touch /etc/more; chmod 700 /var
rm -r /home; mkdir /home; echo x > /home/new
touch /ready; exec sleep 600
"""


@pytest.fixture(scope="module", params=BOTH)
def server(request: pytest.FixtureRequest) -> Iterator[EngineDaemon]:
    """Each of both, with containers ``lab`` (running) and ``done`` (ended) of one script, and ``fresh``, never started."""
    with serving(request.param) as daemon:
        for name in ("lab", "done"):
            daemon.run("sh", "-c", SCRIPT, name=name)
            wait_until(partial(is_ready, daemon, name), "the script")
        daemon.request("POST", f"{V}/containers/done/stop?t=0")
        daemon.create("true", name="fresh")
        yield daemon


def is_ready(daemon: EngineDaemon, name: str) -> bool:
    return head(daemon, name, "/ready").status == 200


def head(daemon: EngineDaemon, name: str, path: str) -> Answer:
    return daemon.request("HEAD", f"{V}/containers/{name}/archive?path={path}")


DIRECTORY, LINK, PIPE = 1 << 31, 1 << 27, 1 << 25
SETUID, STICKY = 1 << 23, 1 << 20
STATS = [
    ("/a", "a", DIRECTORY | STICKY | 0o777, ""),
    ("a", "a", DIRECTORY | STICKY | 0o777, ""),
    ("/../a", "a", DIRECTORY | STICKY | 0o777, ""),
    ("/a/", "a", DIRECTORY | STICKY | 0o777, ""),
    ("/a/.", ".", DIRECTORY | STICKY | 0o777, ""),
    ("/l", "l", LINK | 0o777, "/a/b"),
    ("/l/", "l", DIRECTORY | 0o755, ""),
    ("/l/f", "f", SETUID | 0o755, ""),
    ("/a/b/rel", "rel", LINK | 0o777, "/a/b/f"),
    ("/dangling", "dangling", LINK | 0o777, "/nowhere/x"),
    ("/a/p", "p", PIPE | 0o644, ""),
    ("/", "/", DIRECTORY | 0o755, ""),
]


@pytest.mark.parametrize("name", ["lab", "done"])
@pytest.mark.parametrize(("path", "shown", "mode", "target"), STATS, ids=[row[0] for row in STATS])
def test_what_is_at_a_path(server: EngineDaemon, name: str, path: str, shown: str, mode: int, target: str) -> None:
    answer = head(server, name, path)
    assert answer.status == 200
    found = stat_of(answer)
    assert (found["name"], found["mode"], found["linkTarget"]) == (shown, mode, target)


REFUSED = [
    ("/nope", 404),
    ("/nope/x", 404),
    ("/dangling/", 404),
    ("/a/b/f/", "refused"),
    ("/a/b/f/x", "refused"),
    ("", "refused"),
]


@pytest.mark.parametrize("name", ["lab", "done"])
@pytest.mark.parametrize(("path", "expected"), REFUSED)
def test_what_is_not_there(server: EngineDaemon, name: str, path: str, expected: int | str) -> None:
    answer = server.request("GET", f"{V}/containers/{name}/archive?path={path}")
    assert ("refused" if answer.status in (400, 500) else answer.status) == expected
    assert expected != 404 or "Could not find the file" in answer.message


TREES = [
    ("/a", ["a", "a/b", "a/b/f", "a/b/g", "a/b/rel", "a/p"]),
    ("/a/.", [".", "./b", "./b/f", "./b/g", "./b/rel", "./p"]),
    ("/l", ["l"]),
    ("/l/", ["l", "l/f", "l/g", "l/rel"]),
    ("/a/b/f", ["f"]),
    ("/a/p", ["p"]),
]


@pytest.mark.parametrize("name", ["lab", "done"])
@pytest.mark.parametrize(("path", "expected"), TREES)
def test_what_is_copied_out(server: EngineDaemon, name: str, path: str, expected: list[str]) -> None:
    answer = server.request("GET", f"{V}/containers/{name}/archive?path={path}")
    assert (answer.status, answer.headers["Content-Type"], list(read_tar(answer.body))) == (200, "application/x-tar", expected)


def test_copies_keep_owner_mode_time_and_links(server: EngineDaemon) -> None:
    found = read_tar(server.request("GET", f"{V}/containers/lab/archive?path=/a").body)
    assert (found["a/b"].uid, found["a/b"].gid, found["a/b/f"].mode & 0o7777) == (33, 44, 0o4755)
    assert (found["a/b/g"].type, found["a/b/g"].linkname) == (HARD_LINK, "a/b/f")
    assert (found["a/b/rel"].type, found["a/b/rel"].linkname, found["a/p"].type) == (SYMLINK, "f", FIFO)
    assert abs(found["a/b/f"].mtime - time.time()) < 3600


@pytest.mark.parametrize("name", ["lab", "done"])
def test_an_export_holds_the_containers_own_files_only(server: EngineDaemon, name: str) -> None:
    found = read_tar(server.request("GET", f"{V}/containers/{name}/export").body)
    assert {"a/b/g", "etc/more", "home/new", "dangling", "bin/busybox"} <= set(found)
    assert not {"etc/group", "home/ada"} & set(found)
    assert not [path for path in found if path.startswith(("proc/", "sys/"))]
    assert found["etc/hosts"].size == 0  # what is mounted there is none of them


CHANGES = [
    *(("/a", 1), ("/a/b", 1), ("/a/b/f", 1), ("/a/b/g", 1), ("/a/b/rel", 1), ("/a/p", 1), ("/dangling", 1)),
    *(("/etc", 0), ("/etc/group", 2), ("/etc/more", 1), ("/home", 0), ("/home/ada", 2), ("/home/new", 1)),
    *(("/l", 1), ("/ready", 1), ("/var", 0)),
]


@pytest.mark.parametrize("name", ["lab", "done"])
def test_changes_are_added_modified_and_deleted_files_with_their_folders(server: EngineDaemon, name: str) -> None:
    found = server.request("GET", f"{V}/containers/{name}/changes").document
    assert sorted((change["Path"], change["Kind"]) for change in found) == CHANGES


def test_without_changes_the_list_is_null(server: EngineDaemon) -> None:
    container_id = server.create("true")
    assert server.request("GET", f"{V}/containers/{container_id}/changes").body.strip() == b"null"


INTO = make_tar(
    member("d", FOLDER, uid=5),
    member("d/f", FILE, b"x", uid=5, gid=6),
    member("h", HARD_LINK, link="d/f", uid=5, gid=6),
    member("s", SYMLINK, link="/etc"),
)


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("path=/tmp", INTO, 200),
        ("path=/tmp&noOverwriteDirNonDir=1", INTO, 200),
        ("path=/tmp&noOverwriteDirNonDir=1", make_tar(member("d")), "refused"),
        ("path=/tmp&noOverwriteDirNonDir=1", make_tar(member("d/f", FOLDER)), "refused"),
        ("path=/tmp", make_tar(member("../x")), "refused"),
        ("path=/tmp", b"no tar " * 100, "refused"),
        ("path=/tmp", b"", 200),
        ("path=/nope", INTO, 404),
        ("path=/etc/passwd", INTO, "refused"),
        ("path=", INTO, "refused"),
    ],
)
def test_what_may_be_copied_in(server: EngineDaemon, query: str, body: bytes, expected: int | str) -> None:
    answer = server.request("PUT", f"{V}/containers/fresh/archive?{query}", body, headers={"Content-Type": "application/x-tar"})
    assert ("refused" if answer.status in (400, 500) else answer.status) == expected, answer.body


def test_what_was_copied_in_is_there_and_a_link_among_it_is_followed(server: EngineDaemon) -> None:
    server.request("PUT", f"{V}/containers/fresh/archive?path=/tmp", INTO)
    server.request("PUT", f"{V}/containers/fresh/archive?path=/tmp", make_tar(member("s/through")))
    found = read_tar(server.request("GET", f"{V}/containers/fresh/archive?path=/tmp").body)
    assert (found["tmp/d/f"].uid, found["tmp/d/f"].gid, found["tmp/h"].linkname) == (5, 6, "tmp/d/f")
    assert head(server, "fresh", "/etc/through").status == 200


@pytest.mark.parametrize("is_running", [False, True])
def test_a_readonly_rootfs_and_a_readonly_mount_take_nothing(server: EngineDaemon, is_running: bool) -> None:
    host = {"ReadonlyRootfs": True, "Binds": [f"{server.root}/bind:/var:ro"]}
    container_id = (server.run if is_running else server.create)("sleep", "60", HostConfig=host)
    for path, text in (("/tmp", "container rootfs is marked read-only"), ("/var", "mounted volume is marked read-only")):
        answer = server.request("PUT", f"{V}/containers/{container_id}/archive?path={path}", INTO)
        assert (answer.status >= 403, answer.message) == (True, text)


def test_a_bind_is_reached_though_the_container_never_ran(server: EngineDaemon) -> None:
    container_id = server.create("true", HostConfig={"Binds": [f"{server.root}/mounted:/data/here"]})
    assert (
        server.request("PUT", f"{V}/containers/{container_id}/archive?path=/data/here", make_tar(member("x", data=b"y"))).status
        == 200
    )
    assert Path(server.root, "mounted", "x").read_bytes() == b"y"


@pytest.mark.parametrize("name", ["lab", "done"])
def test_the_docker_command_copies_both_ways(server: EngineDaemon, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "from"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "file").write_text("hello")
    (folder / "link").symlink_to("in/file")
    assert server.cli("cp", str(folder), f"{name}:/root/tree").returncode == 0
    assert server.cli("cp", str(folder / "in" / "file"), f"{name}:/root/renamed").returncode == 0
    assert server.cli("cp", f"{name}:/root", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back" / "tree" / "in" / "file").read_text() == (tmp_path / "back" / "renamed").read_text() == "hello"
    assert (tmp_path / "back" / "tree" / "link").readlink() == Path("in/file")
    stream = server.cli("cp", f"{name}:/root/renamed", "-").stdout
    assert server.cli("cp", "-", f"{name}:/tmp", stdin=stream).returncode == 0
    assert server.cli("cp", f"{name}:/tmp/renamed", str(tmp_path / "again")).returncode == 0
    assert (tmp_path / "again").read_text() == "hello"
    assert server.cli("cp", f"{name}:/nope", str(tmp_path)).returncode == 1


def test_the_docker_command_tells_changes_and_exports(server: EngineDaemon, tmp_path: Path) -> None:
    assert {"C /etc", "D /etc/group", "A /a/b/f"} <= set(server.cli("diff", "done").stdout.decode().splitlines())
    assert server.cli("export", "-o", str(tmp_path / "all.tar"), "done").returncode == 0
    assert "a/b/f" in read_tar((tmp_path / "all.tar").read_bytes())


def test_a_commit_makes_an_image_with_the_containers_configuration_and_the_changes(server: EngineDaemon) -> None:
    made = server.cli(
        "commit", "-a", "ada", "-m", "why", "-c", "ENV B=2", "-c", "LABEL k=v", "-c", 'ENTRYPOINT ["sh","-c"]', "lab", "made:one"
    )
    assert made.returncode == 0, made.stderr
    image = server.request("GET", f"{V}/images/made:one/json").document
    assert made.stdout.decode().strip() == image["Id"]
    config = image["Config"]
    assert (image["Author"], image["Comment"], config["Entrypoint"], config["Cmd"]) == ("ada", "why", ["sh", "-c"], None)
    assert ("B=2" in config["Env"], config["Labels"]) == (True, {"k": "v"})
    history = server.request("GET", f"{V}/images/made:one/history").document
    assert [entry["Comment"] for entry in history] == ["why", "Imported from -"]
    shown = server.cli("run", "--rm", "--net=none", "made:one", "ls /home /a/b; ls -n /a/b/f; cat /etc/group || echo gone")
    assert (
        b"new" in shown.stdout and b"ada" not in shown.stdout and b"gone" in shown.stdout and b"-rwsr-xr-x    2" in shown.stdout
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("container=nope", 404),
        ("", "refused"),
        ("container=lab&repo=Bad", "refused"),
        ("container=lab&changes=NOPE%20x", "refused"),
    ],
)
def test_commits_that_are_refused(server: EngineDaemon, query: str, expected: int | str) -> None:
    answer = server.request("POST", f"{V}/commit?{query}", {})
    assert ("refused" if answer.status in (400, 500) else answer.status) == expected


def test_a_commit_pauses_the_container_only_meanwhile(server: EngineDaemon) -> None:
    since, own = time.time(), server.run("sleep", "600")  # of others dockerd may still be telling of a pause
    assert server.request("POST", f"{V}/commit?container={own}&repo=made&tag=two", {}).status == 201
    assert server.request("POST", f"{V}/commit?container={own}&pause=0", {}).status == 201
    assert server.inspect(own)["State"]["Status"] == "running"
    body = server.request("GET", f"{V}/events?since={since:.6f}&until={time.time():.6f}").body
    events = [event for event in map(json.loads, body.splitlines()) if event["Actor"]["ID"] == own or event["Action"] == "tag"]
    assert [event["Action"] for event in events][-5:] == ["pause", "tag", "commit", "unpause", "commit"]
