"""References: what people write, and the one text that the engine keeps."""

import pytest

from engine.core.references import Reference, parse_reference, parse_tagged
from engine.errors import InvalidParameter

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("busybox", Reference("", "busybox")),
        ("busybox:1.35", Reference("", "busybox", "1.35")),
        ("library/busybox:1.35", Reference("", "busybox", "1.35")),
        ("demo/shell", Reference("", "demo/shell")),
        ("a/b/c_d__e-f.g", Reference("", "a/b/c_d__e-f.g")),
        ("localhost/shell", Reference("localhost", "shell")),
        ("images.example:5000/shell", Reference("images.example:5000", "shell")),
        ("images.example:5000/library/shell", Reference("images.example:5000", "library/shell")),
        ("images.example/x:y", Reference("images.example", "x", "y")),
        ("[2001:db8::1]:5000/x", Reference("[2001:db8::1]:5000", "x")),
        ("UPPER/x", Reference("UPPER", "x")),
        (f"busybox@{DIGEST}", Reference("", "busybox", "", DIGEST)),
        (f"busybox:1@{DIGEST}", Reference("", "busybox", "1", DIGEST)),
    ],
)
def test_a_reference_is_read_and_its_text_reads_back_to_itself(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert parse_reference(reference.text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":tag",
        "Busybox",
        "a//b",
        "/a",
        "a/",
        "-a",
        "a..b",
        "a___b",
        "a:",
        "a:-tag",
        "a:" + "t" * 129,
        "a b",
        "a\n",
        "a:b\n",
        "../etc",
        "a@sha256:12",
        "a@md5:" + "0" * 32,
        "f" * 64,
        "x" * 256,
        "images.example:port/x",
        "-images.example/x",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        parse_reference(text)


def test_names_with_the_default_domain_written_out_are_the_short_ones() -> None:
    for text in ("hub.example/library/busybox:1", "hub.example/busybox:1", "busybox:1"):
        assert parse_reference(text, default_domain="hub.example").text == "busybox:1"
    assert parse_reference("hub.example/demo/shell", default_domain="hub.example").text == "demo/shell"


@pytest.mark.parametrize("text", ["index.docker.io/busybox", "index.docker.io/library/busybox", "docker.io/busybox"])
def test_docker_hub_has_one_name(text: str) -> None:
    assert parse_reference(text, default_domain="docker.io") == Reference("", "busybox")
    assert parse_reference(text, default_domain="hub.example").domain == "docker.io"


def test_a_name_to_be_given_has_a_tag_and_no_digest() -> None:
    assert parse_tagged("busybox").text == "busybox:latest"
    assert parse_tagged("busybox:1").text == "busybox:1"
    with pytest.raises(InvalidParameter, match="named by a tag"):
        parse_tagged(f"busybox@{DIGEST}")


@pytest.mark.parametrize("name", ["sha256:" + "0" * 64, "sha256", "docker.io/library/sha256:x"])
def test_no_name_looks_like_an_id(name: str) -> None:
    for domain in ("", "docker.io"):
        with pytest.raises(InvalidParameter, match="ambiguous"):
            parse_tagged(name, default_domain=domain)
    assert parse_tagged("localhost:5000/sha256", default_domain="docker.io").path == "sha256"
