"""Builds as beginners write them: what went wrong is told with its line, and with what was probably meant."""

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.building import build, output_of

pytestmark = pytest.mark.requires_root
FILES = {"requirements.txt": "flask\n", "app/main.py": "", "start.sh": "#!/bin/sh\r\necho hi\r\n", "plain.sh": "echo hi\n"}


@pytest.mark.parametrize(
    ("instructions", "place", "guess"),
    [
        (
            "COPY requirments.txt /",
            "Dockerfile:2: COPY requirments.txt /",
            "file does not exist (did you mean requirements.txt?)",
        ),
        ("COPY app/mian.py /", "Dockerfile:2: ", "stat app/mian.py: file does not exist (did you mean main.py?)"),
        ("COPY ap/main.py /", "Dockerfile:2: ", "stat ap/main.py: file does not exist"),
        (
            "RUN cd / && touch a\nFROM scratch AS localhost.1.build\nFROM busybox\nCOPY --from=localhost:1/biuld /a /",
            "Dockerfile:5: ",
            "(did you mean localhost.1.build?)",
        ),
        ('COPY start.sh /\nRUN ["/start.sh"]', "Dockerfile:3: ", 'exec: "/start.sh": permission denied: it is not executable'),
        ('COPY --chmod=755 start.sh /\nRUN ["/start.sh"]', "Dockerfile:3: ", "do its lines end in CR LF?"),
        ('COPY --chmod=755 plain.sh /\nRUN ["/plain.sh"]', "Dockerfile:3: ", "a script needs #!/bin/sh as its first line"),
    ],
)
def test_a_step_that_fails_says_what_was_meant(engine: EngineDaemon, instructions: str, place: str, guess: str) -> None:
    built = build(engine, f"FROM busybox\n{instructions}\n", FILES)
    assert built.status == 200
    assert place in built.text
    assert guess in built.error


def test_a_file_that_nothing_resembles_is_not_guessed_at(engine: EngineDaemon) -> None:
    built = build(engine, "FROM busybox\nCOPY pom.xml /\n", {**FILES, ".dockerignore": "pom.*\n", "pom.xml": ""})
    assert built.error.endswith("stat pom.xml: file does not exist")


def test_a_list_in_the_wrong_quotes_is_built_with_a_warning(engine: EngineDaemon) -> None:
    built = build(engine, "FROM busybox\nCMD ['echo', 'hi']\n", nocache=1)
    said = built.text.splitlines()
    assert said[said.index("Step 2/2 : CMD ['echo', 'hi']") + 1].startswith("[Warning] this is no list in JSON")
    shown = engine.request("GET", f"/images/{built.image_id}/json").document
    assert shown["Config"]["Cmd"] == ["/bin/sh", "-c", "['echo', 'hi']"]


def test_a_test_of_the_shell_is_no_list(engine: EngineDaemon) -> None:
    built = build(engine, 'FROM busybox\nRUN [ "a" = "a" ]\nCMD [ "echo", "hi" ]\n', nocache=1)
    assert "Warning" not in built.text
    assert output_of(engine, built.image_id) == "hi\n"
