"""``python -m engine disk``: tell of the engine's disk, enlarge it, or move a plain data folder into one.

A part of the command line; it works beside a running daemon where it may, and says so where not.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.core.sizes import parse_size
from engine.errors import EngineError, Unavailable
from engine.service.convert_disk import convert_disk
from engine.storage.disk_choice import explain_disk, image_of
from engine.storage.disk_image import DiskImage

_GIB = 1 << 30


def main(arguments: Sequence[str]) -> int:
    """Run one of its commands; return the exit code."""
    values = _parser().parse_args(arguments)
    data_path = values.data.resolve() / "engine"
    try:
        if values.command == "convert":
            convert_disk(data_path, values.disk_size, lambda line: sys.stdout.write(f"{line}\n"))
        if values.command == "grow":
            _grow(image_of(data_path), values.size)
        sys.stdout.write(_status(data_path))
    except (EngineError, OSError) as error:
        sys.stderr.write(f"engine: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine disk", description="the disk that the engine counts on")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="the product's data folder")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="driver, reason, size, use, and what is wrong")
    convert = commands.add_parser("convert", help="move a plain data folder of an earlier version into an image")
    convert.add_argument("--disk-size", type=_size, metavar="SIZE", help="size of the image (default: most of what is free)")
    grow = commands.add_parser("grow", help="enlarge the image, also while containers use it")
    grow.add_argument("size", type=_size, metavar="SIZE", help="its new size, as 200G")
    return parser


def _size(text: str) -> int:
    size = parse_size(text)
    if size is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: use a number with K, M, G or T")
    return size


def _grow(image: DiskImage, size_bytes: int) -> None:
    if not image.path.exists():
        raise Unavailable(f"there is no image {image.path}: nothing to enlarge")
    if not image.is_mounted:
        raise Unavailable("the disk is not mounted: start the engine first")
    image.grow(size_bytes)


def _status(data_path: Path) -> str:
    driver, reason = explain_disk(data_path)
    lines = [f"driver   {driver}", f"reason   {reason}"]
    image = image_of(data_path)
    if image.path.exists():
        file = image.path.stat()
        lines.append(
            f"image    {file.st_size / _GIB:.1f} GiB, of which {file.st_blocks * 512 / _GIB:.1f} GiB are taken from the host"
        )
        if image.is_mounted:
            status = image.status()
            lines.append(f"used     {status.used_bytes / _GIB:.1f} of {status.size_bytes / _GIB:.1f} GiB")
            lines.append(f"host     {status.host_free_bytes / _GIB:.1f} GiB free")
            lines += [f"warning  {warning}" for warning in status.warnings]
        else:
            lines.append("used     not known while it is not mounted")
    return "\n".join(lines) + "\n"
