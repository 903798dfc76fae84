"""The command line of ``python -m engine serve``, read into types. Decides nothing."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """``data_path`` is the engine's own folder inside the product's data folder."""

    data_path: Path
    run_path: Path
    socket_path: Path
    socket_group: str
    is_verbose: bool


def parse_serve(arguments: Sequence[str]) -> ServeSettings:
    """Read the arguments; argparse ends the program with a message when they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m engine serve", description="run the engine daemon in the foreground")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="where images and containers are kept, in DIR/engine"
    )
    parser.add_argument("--run", required=True, type=Path, metavar="DIR", help="where sockets lie")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the API's socket (default: engine.sock in the run folder)")
    parser.add_argument("--socket-group", default="", metavar="NAME", help="group that may use the socket (default: root only)")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    values = parser.parse_args(arguments)
    run_path: Path = values.run.resolve()
    return ServeSettings(
        data_path=values.data.resolve() / "engine",
        run_path=run_path,
        socket_path=(values.socket or run_path / "engine.sock").absolute(),
        socket_group=values.socket_group,
        is_verbose=values.verbose,
    )
