"""The recipe of a tar: all of its bytes but the content of the files it was unpacked to, and where that content lies.

A zlib stream of records, in the order of the tar:

    0, length (4 bytes), bytes                        as they stand
    1, length (4 bytes), path                         the file that the next contents are from
    2, offset (8 bytes), length (8 bytes)             that much of it

What a later entry of the same tar replaces is kept aside under a number, and a list beside says what was where: after how many
files of the recipe (8 bytes), and the hash of the path (16 bytes), in the order of the numbers. Opens no file of a layer.
"""

import hashlib
import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO

from engine.errors import InvalidParameter
from engine.storage.compression import compressor
from engine.storage.tree import Parts

_TEXT, _FILE, _CONTENT = range(3)
_HEAD = struct.Struct("<BI")
_EXTENT = struct.Struct("<BQQ")
_MOVE = struct.Struct("<Q16s")
_LONGEST = 1 << 20
_PIECE_BYTES = 1 << 17  # goes through zlib at once, which leaves the interpreter's lock for so much
_MOST_MOVES = 100_000  # a list of them is held in memory

Step = bytes | str | tuple[int, int]


class RecipeWriter:
    """Takes what an archive's reader sees, in order. ``recipe`` and ``moves`` are files opened for writing."""

    def __init__(self, recipe: BinaryIO, moves: BinaryIO) -> None:
        self._recipe, self._moves = recipe, moves
        self._zlib = compressor()
        self._text = bytearray()
        self._records = bytearray()
        self._files = 0
        self._moved = 0

    def text(self, data: bytes) -> None:
        """Bytes of the tar that stand in no file."""
        if len(data) > _PIECE_BYTES:
            for at in range(0, len(data), _PIECE_BYTES):
                self.text(data[at : at + _PIECE_BYTES])
            return
        self._text += data
        if len(self._text) >= _PIECE_BYTES:
            self._end_text()

    def file(self, path: str) -> None:
        """The file whose contents follow, from the top of the layer."""
        self._end_text()
        name = os.fsencode(path)
        self._records += _HEAD.pack(_FILE, len(name)) + name
        self._files += 1

    def content(self, offset: int, length: int) -> None:
        """A part of that file."""
        self._end_text()
        self._records += _EXTENT.pack(_CONTENT, offset, length)

    def move(self, parts: Parts) -> str:
        """What is at this path now is about to be replaced: return the name to keep it under. Raises InvalidParameter."""
        if self._moved == _MOST_MOVES:
            raise InvalidParameter(f"the archive replaces more than {_MOST_MOVES} of its own files")
        self._moves.write(_MOVE.pack(self._files, _hash(parts)))
        self._moved += 1
        return str(self._moved - 1)

    def finish(self) -> None:
        """Write out the rest; the files stay open."""
        self._end_text()
        self._recipe.write(self._zlib.compress(self._records) + self._zlib.flush())
        self._recipe.flush()
        self._moves.flush()

    def _end_text(self) -> None:
        if self._text:
            self._records += _HEAD.pack(_TEXT, len(self._text))
            self._records += self._text
            self._text.clear()
        if len(self._records) >= _PIECE_BYTES:
            self._recipe.write(self._zlib.compress(self._records))
            self._records.clear()


def read_recipe(recipe: BinaryIO) -> Iterator[Step]:
    """Yield bytes for what stands here, a path where another file begins, (offset, length) for what is in it.

    Raises ValueError for a damaged recipe, OSError.
    """
    stream = _Inflated(recipe)
    while kind := stream.take(1, may_end=True):
        if kind[0] == _CONTENT:
            _, offset, length = _EXTENT.unpack(kind + stream.take(_EXTENT.size - 1))
            yield (offset, length)
            continue
        _, length = _HEAD.unpack(kind + stream.take(_HEAD.size - 1))
        if kind[0] not in (_TEXT, _FILE) or length > _LONGEST:
            raise ValueError("it has an unknown step")
        data = stream.take(length)
        yield data if kind[0] == _TEXT else os.fsdecode(data)


class Moves:
    """Where the files of a recipe are that something else replaced."""

    def __init__(self, raw: bytes) -> None:
        self._moves: dict[bytes, list[tuple[int, int]]] = {}
        for number, (files, path_hash) in enumerate(_MOVE.iter_unpack(raw[: len(raw) // _MOVE.size * _MOVE.size])):
            self._moves.setdefault(path_hash, []).append((files, number))

    def find(self, number: int, parts: Parts) -> tuple[str, Parts] | None:
        """Return what the ``number``-th file of the recipe is kept under, and the path in there; None if it is in its place."""
        if not self._moves:
            return None
        found = [(move, depth) for depth in range(1, len(parts) + 1) if (move := self._first_after(number, parts[:depth])) >= 0]
        if not found:
            return None
        move, depth = min(found)
        return str(move), parts[depth:]

    def _first_after(self, number: int, parts: Parts) -> int:
        moves = self._moves.get(_hash(parts), ())
        at = bisect_right(moves, number, key=lambda move: move[0])
        return moves[at][1] if at < len(moves) else -1


def _hash(parts: Parts) -> bytes:
    return hashlib.blake2b(os.fsencode("/".join(parts)), digest_size=16).digest()


class _Inflated:
    """Exactly so many bytes of a zlib stream at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._zlib = zlib.decompressobj()
        self._buffer = b""
        self._at = 0

    def take(self, size: int, *, may_end: bool = False) -> bytes:
        end = self._at + size
        while end > len(self._buffer):
            piece = self._more()
            if not piece:
                if may_end and self._zlib.eof and self._at == len(self._buffer):
                    return b""
                raise ValueError("it ends too early")
            self._buffer, self._at, end = self._buffer[self._at :] + piece, 0, end - self._at
        data = self._buffer[self._at : end]
        self._at = end
        return data

    def _more(self) -> bytes:
        while not self._zlib.eof:
            raw = self._zlib.unconsumed_tail or self._file.read(_PIECE_BYTES)
            try:
                piece = self._zlib.decompress(raw, _LONGEST)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            if piece or not raw:
                return piece
        return b""
