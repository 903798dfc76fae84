"""Builds through the raw API: a context as a tar, and the answer as lines."""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.engine.daemon import EngineDaemon

Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Built:
    """An answer to a build."""

    status: int
    lines: list[dict[str, Any]]

    @property
    def text(self) -> str:
        """All that was said but the error."""
        return "".join(line.get("stream", "") for line in self.lines)

    @property
    def error(self) -> str:
        return next((line.get("error", line.get("message", "")) for line in self.lines[-1:]), "")

    @property
    def code(self) -> int | None:
        code: int | None = self.lines[-1].get("errorDetail", {}).get("code")
        return code

    @property
    def image_id(self) -> str:
        ids = [line["aux"]["ID"] for line in self.lines if "aux" in line]
        assert ids, self.lines
        return str(ids[-1])

    @property
    def cached(self) -> int:
        return self.text.count("Using cache")


def context_of(files: Files) -> bytes:
    """Return the tar of a context."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return output.getvalue()


def build(engine: EngineDaemon, text: str, files: Files | None = None, /, *, tenant: str = "", **query: object) -> Built:
    """Build and return the whole answer; lists of the query are given several times."""
    archive = context_of({"Dockerfile": text, **(files or {})})
    return build_archive(engine, archive, tenant=tenant, **query)


def build_archive(engine: EngineDaemon, archive: bytes, *, tenant: str = "", **query: object) -> Built:
    """The same with a context of the caller's."""
    texts = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in query.items()}
    path = f"/build?{urlencode(texts, doseq=True)}"
    answer = engine.request("POST", path, archive, headers={"Content-Type": "application/x-tar"}, tenant=tenant)
    return Built(answer.status, [json.loads(line) for line in answer.body.splitlines()])


def output_of(engine: EngineDaemon, image: str, *command: str) -> str:
    """Run a command in an image and return what it says."""
    return engine.cli("run", "--rm", "--network", "none", image, *command).stdout.decode()
