"""What COPY and ADD name, found: words and globs of an instruction become files and folders of a tree.

Follows Docker's classic builder: a glob is matched component by component as Go's filepath.Match does, a link that is named
itself is followed inside the tree, those below it are not. Reads no content and writes nothing.
"""

import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.build.tree import SourceTree
from engine.core.dockerfile_hints import near
from engine.core.dockerignore import Ignore, parse_dockerignore
from engine.core.go_patterns import has_meta, match
from engine.errors import InvalidParameter, reason_of
from engine.storage.tree import names_in

_SHOWN = 200
_MOST_SOURCES = 1_000_000
_NOTHING = parse_dockerignore("")


@dataclass(frozen=True, slots=True)
class Source:
    """``path`` is where it lies, links followed; ``name`` what it is called at the destination, below ``parents``."""

    tree: SourceTree
    path: str
    name: str
    is_folder: bool
    parents: str = ""
    excludes: Ignore = _NOTHING
    can_be_unpacked: bool = True


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of one instruction in order."""

    items: tuple[Source, ...] = ()

    def __add__(self, other: "Sources") -> "Sources":
        return Sources((*self.items, *other.items))

    def __len__(self) -> int:
        return len(self.items)


def find_sources(
    tree: SourceTree,
    patterns: Sequence[str],
    *,
    instruction_text: str,
    excludes: Sequence[str] = (),
    keeps_parents: bool = False,
) -> Sources:
    """Find what the words of an instruction name. ``instruction_text`` is COPY or ADD, for messages.

    Raises InvalidParameter for what is not there, in the words that dockerd uses.
    """
    search = _Search(tree, parse_dockerignore("\n".join(excludes)), keeps_parents=keeps_parents)
    try:
        found = tuple(source for pattern in patterns for source in search.find(pattern))
    except InvalidParameter as error:
        raise InvalidParameter(f"{instruction_text} failed: {error.message}") from None
    except OSError as error:
        raise InvalidParameter(f"{instruction_text} failed: cannot find its sources: {reason_of(error)}") from error
    if patterns and not found:
        raise InvalidParameter(f"{instruction_text} failed: no source files were specified")
    return Sources(found)


class _Search:
    def __init__(self, tree: SourceTree, excludes: Ignore, *, keeps_parents: bool) -> None:
        self._tree = tree
        self._excludes = excludes
        self._keeps_parents = keeps_parents

    def find(self, pattern: str) -> Iterator[Source]:
        """Yield the sources of one word, those of a glob by name."""
        base, inner = self._pivot(pattern)
        path = _inside(posixpath.join(base, inner))
        if not has_meta(path):
            yield from self._source(path, base)
            return
        for count, found in enumerate(self._expand(path)):
            if count >= _MOST_SOURCES:
                raise InvalidParameter(f"{pattern[:_SHOWN]} names more than {_MOST_SOURCES} files")
            yield from self._source(found, base)

    def _pivot(self, pattern: str) -> tuple[str, str]:
        """With ``--parents``, folders before a lone dot are not kept."""
        base, pivot, inner = pattern.partition("/./") if self._keeps_parents else ("", "", pattern)
        return (_inside(base), inner) if pivot else ("", pattern)

    def _source(self, path: str, base: str) -> Iterator[Source]:
        resolved = self._tree.resolve(path)
        status = self._tree.status(resolved)
        if status is None:
            hint = "" if self._tree.keeps_owners else "file not found in build context or excluded by .dockerignore: "
            guess = near(posixpath.basename(path), self._names(self._tree.resolve(posixpath.dirname(path))), least=0.75)
            raise InvalidParameter(f"{hint}stat {path[:_SHOWN]}: file does not exist{guess}")
        is_folder = stat.S_ISDIR(status.st_mode)
        if not is_folder and not stat.S_ISREG(status.st_mode):
            raise InvalidParameter(f"{path[:_SHOWN]} is neither file nor folder")
        if path and (self._excludes.excludes(posixpath.basename(path)) or self._excludes.excludes(path)):
            return
        parents = self._parents(path, base, is_folder=is_folder)
        yield Source(self._tree, resolved, posixpath.basename(path), is_folder, parents, self._excludes)

    def _parents(self, path: str, base: str, *, is_folder: bool) -> str:
        if not self._keeps_parents:
            return ""
        inner = posixpath.relpath(path or ".", base or ".")
        kept = inner if is_folder else posixpath.dirname(inner)
        return "" if kept == "." else kept

    def _expand(self, pattern: str) -> Iterator[str]:
        """Yield the paths that a glob matches. Folders are entered by their own name only, never through a link that matches."""
        parts = pattern.split("/")
        plain = next(index for index, part in enumerate(parts) if has_meta(part))
        base = "/".join(parts[:plain])
        waiting = [(base, self._tree.resolve(base), plain)]
        while waiting:
            path, place, depth = waiting.pop()
            if depth == len(parts):
                yield path
            elif depth == plain or self._is_folder(place):
                names = [name for name in self._names(place) if match(parts[depth], name)]
                waiting += [(posixpath.join(path, name), posixpath.join(place, name), depth + 1) for name in reversed(names)]

    def _names(self, place: str) -> list[str]:
        try:
            with self._tree.folder(place) as descriptor:
                return sorted(names_in(descriptor))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _is_folder(self, place: str) -> bool:
        status = self._tree.status(place)
        return status is not None and stat.S_ISDIR(status.st_mode)


def _inside(word: str) -> str:
    """Return a path from the top of the tree. Raises InvalidParameter where it would leave it."""
    if "\0" in word:
        raise InvalidParameter("a path cannot hold the character NUL")
    path = posixpath.normpath(word.lstrip("/") or ".")
    if path == ".." or path.startswith("../"):
        raise InvalidParameter(f"forbidden path outside the build context: {word[:_SHOWN]} ()")
    return "" if path == "." else path
