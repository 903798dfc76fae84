"""Changes in Dockerfile's words."""

from dataclasses import replace
from typing import Any

import pytest

from engine.core.changes import apply_changes
from engine.core.image_config import ImageConfig
from engine.errors import InvalidParameter

BASE = ImageConfig(architecture="amd64")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('CMD ["sh", "-l"]', {"cmd": ("sh", "-l")}),
        ("CMD sh -l", {"cmd": ("/bin/sh", "-c", "sh -l")}),
        ("cmd []", {"cmd": ()}),
        ("CMD [not json", {"cmd": ("/bin/sh", "-c", "[not json")}),
        ('ENTRYPOINT ["/init"]', {"entrypoint": ("/init",)}),
        ("ENV A=1 B='x y' C=\"d=e\"", {"env": ("A=1", "B=x y", "C=d=e")}),
        ("ENV GREETING good  day", {"env": ("GREETING=good  day",)}),
        ("ENV A=1\nENV A=2", {"env": ("A=2",)}),
        ("EXPOSE 80 53/UDP", {"exposed_ports": ("53/udp", "80/tcp")}),
        ("EXPOSE 8000-8002/tcp", {"exposed_ports": ("8000/tcp", "8001/tcp", "8002/tcp")}),
        ('LABEL a=1 "long name"="of things"', {"labels": {"a": "1", "long name": "of things"}}),
        ("USER ada:staff", {"user": "ada:staff"}),
        ("WORKDIR /srv//app/../lab", {"workdir": "/srv/lab"}),
        ("WORKDIR /srv\nWORKDIR lab", {"workdir": "/srv/lab"}),
        ("WORKDIR //srv", {"workdir": "/srv"}),
        ('VOLUME ["/data", "/db"]', {"volumes": ("/data", "/db")}),
        ("VOLUME /db /data", {"volumes": ("/data", "/db")}),
        ("STOPSIGNAL sigquit", {"stop_signal": "SIGQUIT"}),
        ("STOPSIGNAL 9", {"stop_signal": "9"}),
        ("# a comment\n\n  USER ada", {"user": "ada"}),
        ("ENV A=1 \\\n    B=2", {"env": ("A=1", "B=2")}),
    ],
)
def test_a_change_sets_its_part_of_the_configuration(change: str, expected: dict[str, Any]) -> None:
    assert apply_changes(BASE, [change]) == replace(BASE, **expected)


def test_changes_come_in_order_and_keep_what_was_there() -> None:
    config = apply_changes(replace(BASE, env=("PATH=/bin", "A=0")), ["ENV A=1", "ENV B=2", "WORKDIR /a", "WORKDIR b"])
    assert config.env == ("PATH=/bin", "A=1", "B=2")
    assert config.workdir == "/a/b"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("RUN make", "'RUN' is not a valid change"),
        ("CMD", "CMD requires an argument"),
        ("ENV A", "names no value"),
        ("ENV A=1 B", "'B' is not name=value"),
        ("ENV A='1", "cannot be read"),
        ("EXPOSE 0", "is not a port"),
        ("EXPOSE 70000", "is not a port"),
        ("EXPOSE 90-80", "is not a port"),
        ("EXPOSE web", "is not a port"),
        ("USER a b", "is not one user"),
        ("STOPSIGNAL now", "invalid signal"),
    ],
)
def test_a_malformed_change_is_refused_by_name(change: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        apply_changes(BASE, [change])
