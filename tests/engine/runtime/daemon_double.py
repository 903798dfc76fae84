"""A daemon to be killed: starts the containers named in a file of specifications, says so, and does nothing more.

Run as ``python daemon_double.py RUN_DIR SPECS_FILE``; prints one line of JSON with each process's pid and identity.
"""

import asyncio
import json
import sys
from pathlib import Path

from engine.runtime.client import Supervisor
from engine.runtime.process import ProcessExit


async def ignore(_process_exit: ProcessExit) -> None:
    return


async def main(run_path: Path, specs_path: Path) -> None:
    supervisor = Supervisor(run_path=run_path, on_exit=ignore)
    await supervisor.open()
    for spec in json.loads(specs_path.read_text()):
        if "exec_id" in spec:
            await supervisor.exec(spec)
            continue
        (await supervisor.create(spec)).close_netns()
        if spec["container_id"] != "unstarted":
            await supervisor.start(spec["container_id"], [])
    facts = {process.id: [process.pid, process.identity, process.started_at_ns] for process in supervisor.processes.values()}
    print(json.dumps({"supervisor": supervisor.pid, "processes": facts}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
