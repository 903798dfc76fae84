"""The attackers' image: BusyBox and the programs of this folder, compiled once for all tests."""

import io
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from tests.engine.busybox_image import busybox_tar

PROGRAMS = Path(__file__).parent / "programs"
COMPILER = shutil.which("cc")


@cache
def attack_tar() -> bytes:
    """Return BusyBox's tar with each program in /bin."""
    output = io.BytesIO(busybox_tar())
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=output, mode="a") as archive:
        for program in compiled(Path(folder)):
            _add(archive, f"bin/{program.name}", program.read_bytes())
    return output.getvalue()


def compiled(folder: Path) -> list[Path]:
    """Compile the programs into ``folder``."""
    assert COMPILER is not None, "install a C compiler"
    running = [_compile(COMPILER, source, folder / source.stem) for source in sorted(PROGRAMS.glob("*.c"))]
    for process, program in running:
        assert process.wait() == 0, program.name
    return [program for _, program in running]


def _compile(compiler: str, source: Path, program: Path) -> "tuple[subprocess.Popen[bytes], Path]":
    return subprocess.Popen([compiler, "-static", "-O1", "-Wall", "-Wextra", "-pthread", "-s", "-o", program, source]), program


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.size = 0o755, len(data)
    archive.addfile(member, io.BytesIO(data))
