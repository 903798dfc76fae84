"""Whether the kernel takes kernel parameters of a container, found out by writing them in namespaces that go again at once.

The daemon asks, in a thread; the writing is done by a process of its own, as a user of the container's and nobody on the host, so
that a parameter which belongs to no namespace of its own cannot be written.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import engine
from engine.core.launch import IdMapping
from engine.errors import Fault, InvalidParameter
from engine.runtime.rootfs import as_tuples

_SOURCE_PATH = Path(engine.__file__).parent.parent
_PROGRAM = "import sys; sys.path.insert(0, {path!r}); from engine.runtime.sysctl_trial import main; main()"
_SECONDS = 10.0


def try_sysctls(values: Mapping[str, str], *, ids: list[IdMapping]) -> None:
    """Blocking. ``ids`` is the container's map. Raises InvalidParameter naming what the kernel refuses."""
    program = _PROGRAM.format(path=str(_SOURCE_PATH))
    order = json.dumps({"values": dict(values), "ids": as_tuples(ids)}).encode()
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-c", program], input=order, capture_output=True, timeout=_SECONDS, check=True
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise Fault(f"cannot try sysctls: {type(error).__name__}") from error
    for name, reason in json.loads(done.stdout).items():
        raise InvalidParameter(f"invalid sysctl {name[:80]}={values[name][:60]!r}: {reason}")
