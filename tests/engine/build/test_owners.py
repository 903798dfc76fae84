"""Names of owners are looked up in the image, and an image that sets traps there reads nothing of the host."""

import io
from pathlib import Path

import pytest

from engine.build.owners import find_owner
from engine.build.workdir import workdir_layer
from engine.errors import InvalidParameter
from engine.storage.layers import LayerStore
from tests.engine.build.trees import archive_of, listing_of

pytestmark = pytest.mark.requires_root

ADA = "etc/; etc/passwd =ada:x:1000:1001::/:; etc/group =ada:x:1002:"


def layer(folder: Path, tree: str, contents: dict[str, bytes] | None = None) -> Path:
    store = LayerStore(folder / "layers")
    return store.path(store.unpack(io.BytesIO(archive_of(tree, contents))).diff_id)


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("ada", (1000, 1002)),
        ("ada:0", (1000, 0)),
        ("0:ada", (0, 1002)),
        ("7", (7, 7)),
        ("7:8", (7, 8)),
        ("2147483647", (2**31 - 1,) * 2),
    ],
)
def test_names_and_numbers_are_owners(text: str, owner: tuple[int, int], tmp_path: Path) -> None:
    assert find_owner([layer(tmp_path, ADA)], text) == owner


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bob", "can't find uid for user bob: no such user: bob"),
        ("ada:bob", "can't find gid for group bob: no such group: bob"),
        ("1:2:3", "invalid chown string format: 1:2:3"),
        (":5", "invalid chown string format: :5"),
        ("ada:", "invalid chown string format: ada:"),
        ("2147483648", "ids must be in range"),
        ("-1", "no such user: -1"),
        ("9" * 5000, "ids must be in range"),
        ("²", "no such user: ²"),
    ],
)
def test_what_nobody_is_called_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="unable to convert uid/gid chown string to host mapping: ") as raised:
        find_owner([layer(tmp_path, ADA)], text)
    assert message in raised.value.message


@pytest.mark.parametrize("lowest", ["", ADA])
def test_names_of_an_image_without_files_or_layers_are_unknown(lowest: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no such user"):
        find_owner([layer(tmp_path, "etc/")] if lowest else [], "ada")


@pytest.mark.parametrize(
    "tree",
    [
        "etc/; etc/passwd |; etc/group |",
        "etc/; etc/passwd/; etc/group/",
        "etc/; etc/passwd -> /proc/self/environ; etc/group -> passwd",
        "etc/; etc/passwd -> passwd; etc/group -> ../../../../../../etc/group",
        "etc -> /proc/self/root/etc",
        "etc -> ../../../../../../../../etc",
    ],
)
def test_an_image_with_traps_for_account_files_knows_nobody(tree: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no such user: root"):
        find_owner([layer(tmp_path, tree)], "root")


def test_only_the_beginning_of_a_huge_account_file_is_read(tmp_path: Path) -> None:
    late = b"\n" * (2 << 20) + b"ada:x:1:1::/:\n"
    with pytest.raises(InvalidParameter, match="no such user"):
        find_owner([layer(tmp_path, "etc/; etc/passwd =@late", {"late": late})], "ada")


def test_a_link_to_another_file_of_the_image_is_followed(tmp_path: Path) -> None:
    assert find_owner([layer(tmp_path, "etc/; etc/passwd -> /p; p =ada:x:5:6; etc/group =")], "ada:0") == (5, 0)


@pytest.mark.parametrize(
    ("path", "tree"),
    [
        ("/w", "etc/; w/ 700 1:1"),
        ("/a/b", "a/; a/b/ 5:6; etc/; w/ 700 1:1"),
        ("/l/b", "etc/; etc/b/ 5:6; l -> /etc; w/ 700 1:1"),
        ("/../n", "etc/; n/ 5:6; w/ 700 1:1"),
    ],
)
def test_a_working_directory_is_made_where_it_is_missing(path: str, tree: str, tmp_path: Path) -> None:
    image = layer(tmp_path, f"etc/; w/ 700 1:1{'; l -> /etc' if 'l ->' in tree else ''}")
    staging = tmp_path / "work"
    staging.mkdir()
    upper = workdir_layer([image], path, (5, 6), staging=staging)
    assert listing_of([image] if upper is None else [image, upper]) == tree
    assert (upper is None) == (path == "/w")


def test_a_working_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(InvalidParameter, match="/f is a file, not a folder"):
        workdir_layer([layer(tmp_path, "f =1")], "/f/w", staging=tmp_path / "work")


def test_a_working_directory_through_a_link_to_the_host_is_made_inside(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    image = layer(tmp_path, f"l -> {outside}; m -> ../../../../{outside}")
    assert workdir_layer([image], "/l/w", staging=tmp_path / "work") is not None
    assert not list(outside.iterdir())
