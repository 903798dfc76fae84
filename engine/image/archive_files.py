"""What an archive holds, by path, as it passes by: small documents, layers that were stored, links. Nothing in it is trusted."""

import json
import posixpath
from collections.abc import Iterator
from typing import Any

from engine.core.digests import hex_of, is_digest, sha256_of
from engine.core.json_parts import check_parts
from engine.errors import InvalidParameter
from engine.storage.layers import Layer
from engine.storage.tree import split_path

MAX_DOCUMENT_BYTES = 4 << 20
_MOST_BYTES = 32 << 20  # of all documents
# `docker save` once wrote a layer that two images share as a link from one folder to the other.
_MAX_LINKS = 4


class ArchiveFiles:
    """Raises InvalidParameter for whatever is missing or not what it should be. A later member takes an earlier one's place."""

    def __init__(self) -> None:
        self._documents: dict[str, bytes] = {}
        self._layers: dict[str, Layer] = {}
        self._bad: dict[str, InvalidParameter] = {}
        self._links: dict[str, str] = {}
        self._bytes = 0

    def forget(self, path: str) -> None:
        """A member begins that takes the place of what was there."""
        self._bytes -= len(self._documents.pop(path, b""))
        for files in (self._layers, self._bad, self._links):
            files.pop(path, None)

    def add_document(self, path: str, content: bytes) -> None:
        self._bytes += len(content)
        if self._bytes > _MOST_BYTES:
            raise InvalidParameter(f"the documents of the archive are longer than {_MOST_BYTES} bytes in all")
        self._documents[path] = content

    def add_layer(self, path: str, layer: Layer) -> None:
        self._layers[path] = layer

    def add_bad(self, path: str, error: InvalidParameter) -> None:
        """Note why a member is of no use; it matters only if something names it."""
        self._bad[path] = error

    def add_link(self, path: str, target: str) -> None:
        """``target`` is taken from the top."""
        self._links[path] = target

    def has(self, path: str) -> bool:
        """Whether there is something of that name."""
        return any(path in files for files in (self._documents, self._layers, self._bad, self._links))

    def document(self, path: str) -> bytes:
        """Return a small file."""
        for place in self._places(path):
            if place in self._documents:
                return self._documents[place]
            self._raise_bad(place)
        raise _missing(path)

    def layer(self, path: str) -> Layer:
        """Return the layer that a member was stored as."""
        for place in self._places(path):
            if place in self._layers:
                return self._layers[place]
            self._raise_bad(place)
            if place in self._documents:
                raise InvalidParameter(f"{path[:200]!r} of the archive is no layer")
        raise _missing(path)

    def json(self, path: str) -> Any:
        """Read a small JSON file."""
        return parse_json(self.document(path), path)

    def blob(self, digest: object) -> bytes:
        """Return a small blob of an OCI layout, verified."""
        raw = self.document(blob_path(digest))
        if sha256_of(raw) != digest:
            raise InvalidParameter(f"blob {digest} of the archive does not have that digest")
        return raw

    def _places(self, path: str) -> Iterator[str]:
        """Follow links, as text: a target that climbs past the top keeps its ".." and is refused."""
        place = "/".join(split_path(path))
        for _ in range(_MAX_LINKS + 1):
            yield place
            if place not in self._links:
                return
            place = "/".join(split_path(self._links[place]))

    def _raise_bad(self, place: str) -> None:
        if place in self._bad:
            raise self._bad[place]


def link_target(path: str, target: str, *, is_hard: bool) -> str:
    """Return where a link leads, from the top of the archive."""
    return target if is_hard else posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def blob_path(digest: object) -> str:
    """Return where an OCI layout keeps a blob."""
    if not isinstance(digest, str) or not is_digest(digest):
        raise InvalidParameter(f"the archive names a blob by {str(digest)[:100]!r}, which is not a sha256 digest")
    return f"blobs/sha256/{hex_of(digest)}"


def parse_json(raw: bytes, name: str) -> Any:
    """Read JSON. Raises InvalidParameter."""
    check_parts(raw, f"{name[:200]!r} of the archive")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"{name[:200]!r} of the archive is not JSON: {error}") from error


def _missing(path: str) -> InvalidParameter:
    return InvalidParameter(f"the archive has no file {path[:200]!r}")
