"""Files of containers where this engine has its own say: owners, mounts that others cannot see, system images of commits."""

import pytest

from tests.engine.api.file_archives import content, make_tar, member, read_tar
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root


def test_copied_files_may_be_given_to_the_containers_user(engine: EngineDaemon) -> None:
    container_id = engine.create("true", User="ada")
    for query, expected in (("", (7, 7)), ("&copyUIDGID=1", (1000, 1000))):
        path = f"/containers/{container_id}/archive?path=/tmp"
        assert engine.request("PUT", path + query, make_tar(member("f", uid=7, gid=7))).status == 200
        found = read_tar(engine.request("GET", path).body)["tmp/f"]
        assert (found.uid, found.gid) == expected


def test_files_of_a_tmpfs_are_reached_while_the_container_runs(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "60", HostConfig={"Tmpfs": {"/mem": ""}})
    path = f"/containers/{container_id}/archive?path=/mem"
    assert engine.request("PUT", path, make_tar(member("f", data=b"x"))).status == 200
    assert content(engine.request("GET", path).body, "mem/f") == b"x"
    assert "mem/f" not in read_tar(engine.request("GET", f"/containers/{container_id}/export").body)


def test_a_tenants_files_carry_the_containers_ids_both_ways(engine: EngineDaemon) -> None:
    engine.import_busybox(tenant="red/ada")
    container_id = engine.run("sleep", "60", tenant="red/ada")
    path = f"/containers/{container_id}/archive?path=/tmp"
    assert engine.request("PUT", path, make_tar(member("f", uid=1000, gid=50)), tenant="red/ada").status == 200
    shown = engine.cli("exec", container_id, "stat", "-c", "%u %g", "/tmp/f").stdout
    found = read_tar(engine.request("GET", path, tenant="red/ada").body)["tmp/f"]
    assert (shown.strip(), found.uid, found.gid) == (b"1000 50", 1000, 50)


def test_a_committed_image_belongs_to_whoever_made_it(engine: EngineDaemon) -> None:
    engine.import_busybox(tenant="red/ada")
    container_id = engine.run("sh", "-c", "echo mine > /mine", tenant="red/ada")
    engine.wait(container_id)
    made = engine.request("POST", f"/commit?container={container_id}&repo=mine", {}, tenant="red/ada")
    assert made.status == 201
    assert engine.request("GET", "/images/mine/json", tenant="red/ada").status == 200
    assert engine.request("GET", "/images/mine/json", tenant="red/bob").status == 404


def test_rights_of_programs_and_notes_on_files_survive_a_commit(engine: EngineDaemon) -> None:
    right = bytes.fromhex("0100000200200000000000000000000000000000").decode("latin-1")
    records = {"SCHILY.xattr.security.capability": right, "SCHILY.xattr.user.note": "n"}
    container_id = engine.create("true")
    path = f"/containers/{container_id}/archive?path=/tmp"
    assert engine.request("PUT", path, make_tar(member("prog", data=b"x", pax_headers=records))).status == 200
    image_id = engine.request("POST", f"/commit?container={container_id}", {}).document["Id"]
    made = engine.request("POST", "/containers/create", {"Image": image_id}).document["Id"]
    found = read_tar(engine.request("GET", f"/containers/{made}/archive?path=/tmp/prog").body)["prog"]
    assert {key: found.pax_headers.get(key) for key in records} == records


def test_a_commit_without_changes_adds_no_layer(engine: EngineDaemon) -> None:
    container_id = engine.create("true")
    image_id = engine.request("POST", f"/commit?container={container_id}&comment=none", {}).document["Id"]
    assert len(engine.request("GET", f"/images/{image_id}/json").document["RootFS"]["Layers"]) == 1
    newest = engine.request("GET", f"/images/{image_id}/history").document[0]
    assert (newest["Comment"], newest["Size"]) == ("none", 0)


def test_a_commit_of_a_commit_hides_what_was_deleted_twice(engine: EngineDaemon) -> None:
    image = "busybox"
    for script in ("rm -r /home; mkdir /home; touch /home/first", "rm -r /home; mkdir /home; touch /home/second"):
        container_id = engine.create("sh", "-c", script, Image=image)
        engine.request("POST", f"/containers/{container_id}/start")
        assert engine.wait(container_id) == 0
        image = engine.request("POST", f"/commit?container={container_id}", {}).document["Id"]
    container_id = engine.create("ls", "/home", Image=image)
    engine.request("POST", f"/containers/{container_id}/start")
    engine.wait(container_id)
    assert engine.output(container_id) == b"second\n"


def test_a_view_of_a_stopped_container_leaves_no_mount(engine: EngineDaemon) -> None:
    container_id = engine.create("true")
    before = engine.mounts()
    for _ in range(3):
        assert engine.request("GET", f"/containers/{container_id}/archive?path=/etc").status == 200
    assert engine.mounts() == before == []
