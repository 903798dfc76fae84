"""Options of the local driver: what they come to, and what is refused."""

import pytest

from engine.core.sizes import parse_size
from engine.core.volume_options import IN_MEMORY, ON_HOST, VolumeOptions, read_volume_options
from engine.core.volumes import check_driver
from engine.errors import InvalidParameter

FOLDER = {"type": "none", "o": "bind", "device": "/srv"}


@pytest.mark.parametrize(
    ("options", "meaning"),
    [
        ({}, VolumeOptions()),
        ({"size": "", "o": ""}, VolumeOptions()),
        ({"size": "10G"}, VolumeOptions(10 * 2**30)),
        ({"size": "512KiB"}, VolumeOptions(2**19)),
        ({"type": "tmpfs", "device": "tmpfs"}, VolumeOptions(backing=IN_MEMORY)),
        (
            {"type": "tmpfs", "device": "x", "o": "size=1m,uid=5"},
            VolumeOptions(backing=IN_MEMORY, mount_options="size=1m,uid=5"),
        ),
        (FOLDER, VolumeOptions(backing=ON_HOST, device="/srv")),
        ({**FOLDER, "o": "ro,bind"}, VolumeOptions(backing=ON_HOST, device="/srv", readonly=True)),
    ],
)
def test_what_options_come_to(options: dict[str, str], meaning: VolumeOptions) -> None:
    assert read_volume_options(options) == meaning


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"foo": "bar"}, 'invalid option: "foo"'),
        ({"size": "bogus"}, "invalid size: 'bogus'"),
        ({"size": "0"}, "invalid size"),
        ({"size": "-1"}, "invalid size"),
        ({"size": "1e9"}, "invalid size"),
        ({"size": "9999999999p"}, "invalid size"),
        ({"o": "size=10m"}, 'missing required option: "device"'),
        ({"type": "tmpfs"}, 'missing required option: "device"'),
        ({"device": "/etc"}, 'missing required option: "type"'),
        ({"type": "tmpfs", "device": "tmpfs", "size": "1m"}, "o=size="),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m,lowerdir=/etc"}, "lowerdir"),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m\0x"}, "invalid tmpfs option"),
        ({"type": "nfs", "device": ":/x", "o": "addr=10.0.0.1"}, "not supported"),
        ({"type": "overlay", "device": "overlay", "o": "lowerdir=/,bind"}, "not supported"),
        ({"type": "ext4", "device": "/dev/vda"}, "not supported"),
        ({"type": "none", "device": "/etc"}, "not supported"),
        ({**FOLDER, "o": "bind,rshared"}, "rshared"),
        ({**FOLDER, "device": "etc"}, "absolute"),
        ({**FOLDER, "device": "/etc\0"}, "absolute"),
    ],
)
def test_options_that_are_refused_with_the_reason(options: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        read_volume_options(options)
    assert words in refused.value.message


def test_an_unknown_driver_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="nfs"):
        check_driver("nfs", {})


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1k", 1024), ("1.5M", 3 * 2**19), ("2 GiB", 2**31), ("", None), ("0", None), ("m", None), ("٣", None)],
)
def test_sizes_as_clients_write_them(text: str, size: int | None) -> None:
    assert parse_size(text) == size
