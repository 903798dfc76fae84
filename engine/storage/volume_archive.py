"""A volume's files as a tar, and back: contents, owners, modes, times, links, attributes.

Trusts neither side: whoever has the volume mounted may change it while it is read, and an archive may hold anything. Sockets and
devices are left out. Knows no volumes, only their folders.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from engine.errors import Conflict, Fault, reason_of
from engine.storage.compression import decompressed
from engine.storage.file_copy import ACLS
from engine.storage.pack import Packer, PathTooLongError, TornFileError, walk
from engine.storage.tar_source import TarSource
from engine.storage.tree import OPEN_FOLDER
from engine.storage.untar import extract

_CHANGED = "the volume was restored or removed meanwhile: try again"


def pack_folder(data_path: Path, output: int) -> None:
    """Write all that is in a folder, itself first.

    Raises BrokenPipeError when the reader has left; Conflict where the folder was replaced or removed meanwhile, or is nested too
    deep for an archive; Fault for what cannot be read.
    """
    with _opened(data_path) as folder:
        try:
            packer = Packer(output, further_xattrs=ACLS, is_strict=True)
            packer.add_folder(folder, ".")
            for found in walk(folder, is_strict=True):
                packer.add(found, found.path)
            if not _is_same(folder, data_path):
                raise Conflict(_CHANGED)
            packer.finish()
        except PathTooLongError:
            raise Conflict("folders of the volume are nested deeper than a path can be long: no archive can hold them") from None
        except BrokenPipeError:
            raise
        except (OSError, TornFileError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            raise Fault(f"a file of the volume cannot be read: {reason}") from error


def unpack_folder(stream: BinaryIO, data_path: Path, *, ids: int) -> None:
    """Fill an empty folder from an archive, packed or not; owners beyond so many ids become root.

    Raises InvalidParameter for an archive that cannot be unpacked, Fault where the disk fails. What is half done stays.
    """
    with _opened(data_path) as folder:
        extract(TarSource(decompressed(stream)), folder, plain_ids=ids)


@contextlib.contextmanager
def _opened(data_path: Path) -> Iterator[int]:
    try:
        folder = os.open(data_path, OPEN_FOLDER)
    except FileNotFoundError:
        raise Conflict(_CHANGED) from None
    try:
        yield folder
    finally:
        os.close(folder)


def _is_same(folder: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(folder), path.stat())
    except FileNotFoundError:
        return False
