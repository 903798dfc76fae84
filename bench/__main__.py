"""Command line of the bench: which figures, then the table on standard output."""

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.browser import click_to_prompt
from bench.contenders import Runc, atelier, dockerd, has_program
from bench.disk import DiskBench
from bench.figures import Figure, format_table
from bench.images import ImageBench
from bench.machine import describe_machine
from bench.measures import Bench
from bench.neighbours import NeighbourBench
from bench.networks import NetworkBench
from bench.output import OutputBench
from bench.rootfs import make_rootfs, pack
from bench.scale import ScaleBench
from bench.tenants import TenantBench

ENGINE_FIGURES = (
    "run", "exec", "api", "crowd", "parallel", "running", "records", "follow", "tail", "hostile", "images",
    "networks", "connects", "traffic", "disk", "tenants",
)  # fmt: skip
FIGURES = (*ENGINE_FIGURES, "browser")


def measure_engines(folder: Path, names: list[str]) -> list[Figure]:
    rootfs = make_rootfs(folder / "rootfs")
    archive = pack(rootfs, folder / "rootfs.tar")
    with ExitStack() as stack:
        engines = [stack.enter_context(atelier(folder / "a", archive))]
        if has_program("dockerd"):
            engines.append(stack.enter_context(dockerd(folder / "d", archive)))
        runc = Runc(folder / "r", rootfs) if has_program("runc") else None
        images = ImageBench(engines, folder / "images")
        benches = (
            Bench(engines, runc),
            ScaleBench(engines, folder, archive),
            OutputBench(engines),
            NeighbourBench(engines),
            images,
            NetworkBench(engines),
            DiskBench(folder, rootfs, archive),
            TenantBench(engines),
        )
        measures = {name: measure for bench in benches for name, measure in bench.figures().items()}
        return [figure for name in ENGINE_FIGURES if name in names for figure in measures[name]()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Compare this engine with dockerd and runc.")
    parser.add_argument(
        "figures", nargs="*", choices=[*FIGURES, []], metavar="FIGURE", help=f"of {', '.join(FIGURES)}; default: all"
    )
    names = parser.parse_args().figures or list(FIGURES)
    if os.geteuid() != 0:
        print("bench: containers need root: run it again with sudo", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="atb-"))
    try:
        figures = measure_engines(folder, names) if set(names) & set(ENGINE_FIGURES) else []
        figures += [click_to_prompt()] if "browser" in names else []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{describe_machine()}\n\n{format_table(figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
