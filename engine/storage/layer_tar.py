"""The tar that a layer was unpacked from, byte for byte, from its recipe and its files. Changes nothing on disk."""

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from engine.errors import Fault
from engine.storage.recipe import Moves, RecipeWriter, Step, read_recipe
from engine.storage.tree import OPEN_FOLDER, Parts, open_below

if TYPE_CHECKING:
    from typing_extensions import Buffer

RECIPE_NAME, MOVES_NAME, KEPT_NAME = "tar.recipe", "tar.moves", "kept"
_PIECE_BYTES = 1 << 20
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def recipe_of(layer: Path) -> Iterator[tuple[RecipeWriter, int]]:
    """Yield a writer of a new layer's recipe, and the folder for what is replaced meanwhile. Raises OSError."""
    with contextlib.ExitStack() as stack:
        (layer / KEPT_NAME).mkdir(mode=0o700)
        kept_fd = os.open(layer / KEPT_NAME, OPEN_FOLDER)
        stack.callback(os.close, kept_fd)
        recipe, moves = (stack.enter_context((layer / name).open("xb")) for name in (RECIPE_NAME, MOVES_NAME))
        writer = RecipeWriter(recipe, moves)
        yield writer, kept_fd
        writer.finish()


@contextlib.contextmanager
def open_layer_tar(layer: Path, diff_id: str) -> Iterator[BinaryIO]:
    """Open the tar of a stored layer. It raises Fault while it is read, before its last piece, if it is not what it was."""
    with contextlib.ExitStack() as stack:
        try:
            recipe = stack.enter_context((layer / RECIPE_NAME).open("rb"))
            moves = Moves((layer / MOVES_NAME).read_bytes())
            files = stack.enter_context(_Files(layer, moves))
        except OSError as error:
            raise _damaged(diff_id, error.strerror) from error
        blocks = _verified(_gathered(_pieces(read_recipe(recipe), files)), diff_id)
        yield io.BufferedReader(_Blocks(blocks))


def _pieces(steps: Iterator[Step], files: "_Files") -> Iterator[bytes]:
    for step in steps:
        if isinstance(step, bytes):
            yield step
        elif isinstance(step, str):
            files.turn_to(step)
        else:
            yield from files.content(*step)


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Small pieces together: hashing them one by one would cost more than the copy."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _verified(blocks: Iterator[bytes], diff_id: str) -> Iterator[bytes]:
    """Pass on one block behind, so that nobody gets the last one of a tar that is another."""
    hasher = hashlib.sha256()
    behind = b""
    try:
        for block in blocks:
            if behind:
                yield behind
            hasher.update(block)
            behind = block
    except (OSError, ValueError) as error:
        raise _damaged(diff_id, error.strerror if isinstance(error, OSError) else str(error)) from error
    if f"sha256:{hasher.hexdigest()}" != diff_id:
        raise _damaged(diff_id, "its files are not what was stored")
    yield behind


def _damaged(diff_id: str, reason: str | None) -> Fault:
    return Fault(f"layer {diff_id} is damaged: {(reason or 'it cannot be read').lower()}; remove its images and load them again")


class _Files:
    """The files of a layer, and those kept aside, opened by path one after the other."""

    def __init__(self, layer: Path, moves: Moves) -> None:
        self._layer = layer
        self._moves = moves
        self._number = -1
        self._near: tuple[tuple[str, Parts], int] | None = None
        self._file = -1

    def __enter__(self) -> "_Files":
        return self

    def __exit__(self, *_: object) -> None:
        self._close_file()
        self._close_near()

    def turn_to(self, path: str) -> None:
        """Open the next file of the recipe. Raises OSError."""
        self._close_file()
        self._number += 1
        parts = tuple(path.split("/"))
        moved = self._moves.find(self._number, parts)
        top, inside = ("diff", parts) if moved is None else (KEPT_NAME, (moved[0], *moved[1]))
        self._file = os.open(inside[-1], _OPEN_FILE, dir_fd=self._folder(top, inside[:-1]))

    def content(self, offset: int, length: int) -> Iterator[bytes]:
        while length:
            piece = os.pread(self._file, min(length, _PIECE_BYTES), offset)
            if not piece:
                raise ValueError("a file is too short")
            yield piece
            offset += len(piece)
            length -= len(piece)

    def _folder(self, top: str, parts: Parts) -> int:
        if self._near is None or self._near[0] != (top, parts):
            self._close_near()
            root = os.open(self._layer / top, OPEN_FOLDER)
            try:
                self._near = ((top, parts), open_below(root, parts))
            finally:
                os.close(root)
        return self._near[1]

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _close_near(self) -> None:
        if self._near is not None:
            os.close(self._near[1])
            self._near = None


class _Blocks(io.RawIOBase):
    """Blocks as a file that is read from start to end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        if not self._block:
            self._block = memoryview(next(self._blocks, b""))
        with memoryview(buffer).cast("B") as room:
            piece = self._block[: len(room)]
            room[: len(piece)] = piece
        self._block = self._block[len(piece) :]
        return len(piece)
