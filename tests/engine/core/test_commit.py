"""What an image made from a container runs by default."""

import pytest

from engine.core.commit import commit_entry, committed_config
from engine.core.containers import ContainerConfig
from engine.core.image_config import HistoryEntry, ImageConfig
from engine.errors import InvalidParameter

BASE = ImageConfig(architecture="amd64", author="base", diff_ids=("sha256:" + "0" * 64,), history=(HistoryEntry(comment="base"),))
CONTAINER = ContainerConfig(
    image="busybox",
    hostname="h",
    user="ada",
    env=("PATH=/bin", "A=1"),
    cmd=("c",),
    entrypoint=("e",),
    labels={"k": "v"},
    working_dir="/w",
)
NOTHING = ImageConfig(architecture="")


def test_without_wishes_it_is_the_containers_and_the_base_keeps_its_layers() -> None:
    made = committed_config(BASE, CONTAINER, NOTHING, changes=[])
    assert (made.env, made.cmd, made.entrypoint, made.user, made.workdir) == (("PATH=/bin", "A=1"), ("c",), ("e",), "ada", "/w")
    assert (made.architecture, made.diff_ids, made.history) == (BASE.architecture, BASE.diff_ids, BASE.history)


@pytest.mark.parametrize(
    ("changes", "entrypoint", "cmd"),
    [
        ([], ("e",), ("c",)),
        (['CMD ["x"]'], ("e",), ("x",)),
        (['ENTRYPOINT ["x"]'], ("x",), None),
        (['ENTRYPOINT ["x"]', 'CMD ["y"]'], ("x",), ("y",)),
    ],
    ids=["neither", "command", "entry point drops the command", "both"],
)
def test_entry_point_and_command(changes: list[str], entrypoint: tuple[str, ...], cmd: tuple[str, ...] | None) -> None:
    made = committed_config(BASE, CONTAINER, NOTHING, changes=changes)
    assert (made.entrypoint, made.cmd) == (entrypoint, cmd)


def test_wishes_and_then_changes_go_over_the_containers_values() -> None:
    wanted = ImageConfig(architecture="", user="bob", env=("A=2",), labels={"l": "w"}, exposed_ports=("80/tcp",))
    made = committed_config(BASE, CONTAINER, wanted, changes=["ENV A=3 B=4", "EXPOSE 53/udp", "LABEL m=x"])
    assert made.env == ("PATH=/bin", "A=3", "B=4")
    assert (made.user, made.labels, made.exposed_ports) == ("bob", {"k": "v", "l": "w", "m": "x"}, ("53/udp", "80/tcp"))


def test_changes_are_read_with_what_the_container_has() -> None:
    made = committed_config(BASE, CONTAINER, NOTHING, changes=["ENV PATH=/x:$PATH B=$A", "WORKDIR sub", "LABEL of=$B"])
    assert made.env == ("PATH=/x:/bin", "A=1", "B=1")
    assert (made.workdir, made.labels) == ("/w/sub", {"k": "v", "of": "1"})
    wanted = ImageConfig(architecture="", env=("A=2",), workdir="/v")
    made = committed_config(BASE, CONTAINER, wanted, changes=["ENV B=$A", "WORKDIR sub"])
    assert (made.env, made.workdir) == (("PATH=/bin", "A=2", "B=2"), "/v/sub")


def test_an_unknown_change_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="NOPE"):
        committed_config(BASE, CONTAINER, NOTHING, changes=["NOPE x"])


def test_the_history_names_the_command_the_author_and_the_reason() -> None:
    assert commit_entry(CONTAINER, created="now", author="ada", comment="why") == HistoryEntry("now", "c", "ada", "why")
