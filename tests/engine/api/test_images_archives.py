"""Images as archives through the API: from this engine to others and back, with clients that stop, leave or lie."""

import io
import json
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.engine.daemon import Answer, EngineDaemon, UnixConnection, wait_until
from tests.engine.dockerd import BOTH, serving
from tests.engine.image.image_archives import oci_archive
from tests.engine.storage.tar_archives import archive, member

pytestmark = pytest.mark.requires_root
needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
needs_umoci = pytest.mark.skipif(
    shutil.which("umoci") is None or shutil.which("skopeo") is None, reason="umoci and skopeo are not installed"
)


@pytest.fixture(scope="module")
def other() -> Iterator[EngineDaemon]:
    with serving("dockerd") as daemon:
        yield daemon


@pytest.fixture
def clean(engine: EngineDaemon) -> EngineDaemon:
    """The file's engine with the image busybox and no other."""
    for image in engine.request("GET", "/images/json?all=1").document:
        engine.request("DELETE", f"/images/{image['Id']}?force=1")
    engine.import_busybox()
    return engine


def commit(daemon: EngineDaemon, reference: str, command: str) -> str:
    """Make an image of one more layer; return its id."""
    container = daemon.run("sh", "-c", command)
    daemon.wait(container)
    done = daemon.cli("commit", container, reference, check=True)
    daemon.request("DELETE", f"/containers/{container}?force=1")
    return done.stdout.decode().strip()


def image_id(daemon: EngineDaemon, name: str) -> str:
    return str(daemon.request("GET", f"/images/{name}/json").document["Id"])


def test_images_go_to_another_engine_and_back(clean: EngineDaemon, other: EngineDaemon) -> None:
    made = commit(clean, "team/tool:2", "echo hello >/greeting; ln /greeting /same; rm /etc/group; mkfifo /pipe")
    base = image_id(clean, "busybox")
    clean.cli("tag", "busybox", "base:1", check=True)
    saved = clean.cli("save", "team/tool:2", "base:1", check=True).stdout
    there = other.cli("load", stdin=saved, check=True).stdout.decode()
    assert sorted(there.splitlines()) == ["Loaded image: base:1", "Loaded image: team/tool:2"]
    assert (image_id(other, "team/tool:2"), image_id(other, "base:1")) == (made, base)
    shown = other.cli("run", "--rm", "--network", "none", "team/tool:2", "sh", "-c", "cat /same; ls /etc/group; stat -c %h /same")
    assert shown.stdout.decode().split() == ["hello", "2"]

    back = other.cli("save", "team/tool:2", check=True).stdout
    for name in ("team/tool:2", "base:1", "busybox"):
        clean.cli("rmi", name, check=True)
    assert clean.cli("load", stdin=back, check=True).stdout.decode() == "Loaded image: team/tool:2\n"
    assert image_id(clean, "team/tool:2") == made
    again = clean.cli("run", "--rm", "team/tool:2", "cat", "/greeting")
    assert again.stdout == b"hello\n"


@needs_skopeo
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_skopeo_reads_and_writes_what_the_engine_does(clean: EngineDaemon, kind: str, tmp_path: Path) -> None:
    made = commit(clean, "tool:2", "echo hello >/greeting")
    (tmp_path / "saved.tar").write_bytes(clean.cli("save", "tool:2", check=True).stdout)
    source = {"docker-archive": "docker-archive:{}:tool:2", "oci-archive": "oci-archive:{}:2"}[kind]
    target = f"{kind}:{tmp_path}/copy.tar:tool:3"
    command = ["skopeo", "copy", "--insecure-policy", source.format(tmp_path / "saved.tar"), target]
    copied = subprocess.run(command, capture_output=True, text=True, check=False)
    assert copied.returncode == 0, copied.stderr
    clean.cli("rmi", "tool:2", check=True)
    loaded = clean.cli("load", "-i", str(tmp_path / "copy.tar"), check=True)
    assert loaded.stdout.decode() == "Loaded image: tool:3\n"
    assert image_id(clean, "tool:3") == made
    assert clean.cli("run", "--rm", "tool:3", "cat", "/greeting").stdout == b"hello\n"


@needs_skopeo
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_skopeo_takes_images_from_the_engine_and_brings_them(clean: EngineDaemon, compression: str, tmp_path: Path) -> None:
    """Skopeo asks by version 1.22 of the API."""
    commit(clean, "tool:2", "echo hello >/greeting")
    engine_url = f"unix://{clean.socket_path}"
    layout, copy = f"oci:{tmp_path}/layout:2", ["skopeo", "copy", "--insecure-policy"]
    subprocess.run(
        [*copy, "--src-daemon-host", engine_url, "--dest-compress-format", compression, "docker-daemon:tool:2", layout],
        check=True,
        capture_output=True,
    )
    with tarfile.open(tmp_path / "layout.tar", "w") as archived:
        archived.add(tmp_path / "layout", ".")
    clean.cli("rmi", "tool:2", check=True)
    if compression == "zstd":  # which skopeo does not turn into what Docker reads
        loaded = clean.cli("load", "-i", str(tmp_path / "layout.tar"), check=True).stdout.decode()
        clean.cli("tag", loaded.split(": ", 1)[1].strip(), "tool:3", check=True)
    else:
        subprocess.run([*copy, "--dest-daemon-host", engine_url, layout, "docker-daemon:tool:3"], check=True, capture_output=True)
    assert clean.cli("run", "--rm", "tool:3", "cat", "/greeting").stdout == b"hello\n"


@needs_umoci
def test_a_layout_that_umoci_made_is_loaded(clean: EngineDaemon, tmp_path: Path) -> None:
    (tmp_path / "saved.tar").write_bytes(clean.cli("save", "busybox", check=True).stdout)
    steps = [
        ["skopeo", "copy", "--insecure-policy", f"oci-archive:{tmp_path}/saved.tar:latest", f"oci:{tmp_path}/layout:latest"],
        ["umoci", "config", "--image", f"{tmp_path}/layout:latest", "--config.cmd", "true", "--author", "umoci"],
        ["tar", "-cf", f"{tmp_path}/layout.tar", "-C", f"{tmp_path}/layout", "."],
    ]
    for step in steps:
        subprocess.run(step, check=True, capture_output=True)
    loaded = clean.cli("load", "-i", str(tmp_path / "layout.tar"), check=True).stdout.decode()
    found = re.fullmatch(r"Loaded image ID: (sha256:[0-9a-f]{64})\n", loaded)
    assert found, loaded
    assert clean.request("GET", f"/images/{found[1]}/json").document["Author"] == "umoci"


@pytest.mark.parametrize("kind", BOTH)
def test_the_lines_of_a_load_are_docker_s(kind: str) -> None:
    with serving(kind) as daemon:
        raw = daemon.cli("save", "busybox", check=True).stdout
        by_id = daemon.cli("save", image_id(daemon, "busybox"), check=True).stdout
        made = image_id(daemon, "busybox")
        for path, sent, ends in (
            ("/images/load?quiet=1", raw, ["Loaded image: busybox:latest\n"]),
            ("/images/load?quiet=0", by_id, [f"Loaded image ID: {made}\n"]),
        ):
            daemon.cli("rmi", "-f", made, check=True)
            answer = daemon.request("POST", path, sent)
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
            lines = [json.loads(line) for line in answer.body.splitlines()]
            assert [line["stream"] for line in lines if "stream" in line] == ends
            progress = [line for line in lines if line.get("status") == "Loading layer"]
            assert all(set(line) == {"status", "progressDetail", "progress", "id"} for line in progress)
            if kind == "atelier":
                assert bool(progress) is ("quiet=0" in path)
        daemon.import_busybox()  # for what ends the block


@pytest.mark.parametrize("kind", BOTH)
def test_what_cannot_be_loaded_is_told_in_the_last_line(kind: str) -> None:
    """Clients raise only for what stands there: the status is 200."""
    with serving(kind) as daemon:
        for raw in (b"", b"x" * 2000, archive([member("x", b"y")])):
            answer = daemon.request("POST", "/images/load?quiet=1", raw)
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer.body
            if answer.body or kind == "atelier":  # dockerd takes an empty archive for one without images
                assert refusal_of(answer)
            with tempfile.NamedTemporaryFile() as file:
                file.write(raw)
                file.flush()
                done = daemon.cli("load", "-i", file.name)
            assert kind == "dockerd" or (done.returncode, done.stdout) == (1, b"")


def refusal_of(answer: Answer) -> str:
    """What the last line of a load says went wrong."""
    assert answer.status == 200
    last = json.loads(answer.body.splitlines()[-1])
    assert last["error"] == last["errorDetail"]["message"]
    return str(last["error"])


def test_what_is_wrong_with_an_archive_is_named(clean: EngineDaemon) -> None:
    for raw, message in ((b"", "empty"), (b"x" * 2000, "not a tar"), (archive([member("x", b"y")]), "holds no image")):
        assert message in refusal_of(clean.request("POST", "/images/load", raw))
    made = oci_archive(platforms=("arm64",))
    for path in ("/images/load?quiet=1", "/images/load"):
        assert "no image for linux/" in refusal_of(clean.request("POST", path, made.tar))


@pytest.mark.parametrize("form", ["linux/s390x", json.dumps({"os": "linux", "architecture": "s390x"})])
def test_a_platform_that_an_image_is_not_for_is_refused(clean: EngineDaemon, form: str) -> None:
    query = urlencode({"platform": form, "quiet": 1})
    raw = clean.request("GET", "/images/busybox/get").body
    assert "not for linux/s390x" in refusal_of(clean.request("POST", f"/images/load?{query}", raw))
    assert clean.request("POST", "/images/load?platform=%7B", raw).status == 400
    assert clean.request("GET", f"/images/busybox/get?{query}").status == 404
    assert clean.request("GET", "/images/busybox/get?platform=%7B").status == 400


def test_several_images_are_saved_by_a_repeated_or_joined_name(clean: EngineDaemon) -> None:
    clean.cli("tag", "busybox", "other:2", check=True)
    for query in ("names=busybox&names=other:2", "names=busybox,other:2"):
        answer = clean.request("GET", f"/images/get?{query}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-tar")
        with tarfile.open(fileobj=io.BytesIO(answer.body)) as opened:
            table = opened.extractfile("manifest.json")
            assert table is not None
            assert json.load(table)[0]["RepoTags"] == ["busybox:latest", "other:2"]
    assert clean.request("GET", "/images/get?names=busybox&names=nope").status == 404
    assert clean.request("GET", "/images/get").status == 400


def test_saving_is_for_those_who_see_the_image(clean: EngineDaemon) -> None:
    clean.import_busybox("own:1", tenant="demo/ada")
    made = image_id(clean, "own:1")
    for tenant, status in (("demo/ada", 200), ("demo", 200), ("", 200), ("demo/bob", 404), ("other/eve", 404)):
        assert clean.request("GET", "/images/own:1/get", tenant=tenant).status == status
    clean.cli("tag", "own:1", "published:1", check=True)
    assert clean.request("GET", f"/images/{made}/get", tenant="other/eve").status == 200
    clean.cli("rmi", "published:1", check=True)
    assert clean.request("GET", f"/images/{made}/get", tenant="other/eve").status == 404


def test_a_client_that_stops_reading_stops_its_own_stream_only(clean: EngineDaemon) -> None:
    commit(clean, "large:1", "head -c 60000000 /dev/urandom >/noise")
    stalled = [UnixConnection(clean.socket_path) for _ in range(12)]
    try:
        for connection in stalled:
            connection.request("GET", "/images/large:1/get")
            assert connection.getresponse().read(10) == b"blobs/\0\0\0\0"
        for _ in range(2):
            assert len(clean.request("GET", "/images/large:1/get").body) > 60_000_000
            assert clean.request("POST", "/images/load", clean.request("GET", "/images/busybox/get").body).status == 200
    finally:
        for connection in stalled:
            connection.close()
    clean.cli("rmi", "large:1", check=True)  # what the streams held is let go when they end
    layers = clean.data_path / "engine/layers"
    wait_until(lambda: len([one for one in layers.iterdir() if len(one.name) == 64]) == 1, "the layer to go")


def test_an_upload_that_is_cut_off_leaves_nothing(clean: EngineDaemon) -> None:
    commit(clean, "large:1", "head -c 20000000 /dev/urandom >/noise")
    raw = clean.request("GET", "/images/large:1/get").body
    clean.cli("rmi", "large:1", check=True)
    layers = clean.data_path / "engine/layers"
    before = sorted(one.name for one in layers.iterdir())
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(clean.socket_path))
        connection.sendall(b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(raw))
        connection.sendall(raw[: len(raw) // 2])
        wait_until(lambda: any((layers / "staging").iterdir()), "the layer to be begun")
    wait_until(lambda: not any((layers / "staging").iterdir()), "what was begun to be cleared")
    assert sorted(one.name for one in layers.iterdir()) == before
    assert clean.request("GET", "/images/large:1/json").status == 404


def test_a_daemon_killed_in_the_middle_of_a_load_starts_clean(start_engine: Callable[..., EngineDaemon]) -> None:
    daemon = start_engine()
    made = commit(daemon, "large:1", "head -c 20000000 /dev/urandom >/noise")
    raw = daemon.request("GET", "/images/large:1/get").body
    daemon.cli("rmi", "large:1", check=True)
    layers = daemon.data_path / "engine/layers"
    for share in (0.3, 0.6, 0.999):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(daemon.socket_path))
            connection.sendall(b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(raw))
            connection.sendall(raw[: int(len(raw) * share)])
            wait_until(lambda: any((layers / "staging").iterdir()), "the layer to be begun")
            daemon.kill()
        daemon.start()
        assert not any((layers / "staging").iterdir())
        wait_until(lambda: len([one for one in layers.iterdir() if len(one.name) == 64]) == 1, "stray layers to be collected")
        assert [one["RepoTags"] for one in daemon.request("GET", "/images/json?all=1").document] == [["busybox:latest"]]
    assert daemon.request("POST", "/images/load", raw).status == 200
    assert image_id(daemon, "large:1") == made


def test_import_takes_a_platform_a_message_and_changes(clean: EngineDaemon) -> None:
    rootfs = archive([member("file", b"x")])
    done = clean.cli(
        "import", "--platform", "linux/arm64", "--message", "by hand", "--change", "CMD run", "-", "made:1", stdin=rootfs
    )
    assert done.returncode == 0, done.stderr
    shown = clean.request("GET", "/images/made:1/json").document
    assert (shown["Architecture"], shown["Os"], shown["Comment"]) == ("arm64", "linux", "by hand")
    assert shown["Config"]["Cmd"] == ["/bin/sh", "-c", "run"]
    assert shown["Parent"] == ""


def test_import_from_an_address_is_refused_with_a_reason(clean: EngineDaemon) -> None:
    done = clean.cli("import", "http://127.0.0.1:1/rootfs.tar", "made:2")
    assert done.returncode == 1
    assert b"fetches no archives from addresses" in done.stderr
