"""Launches of one test: specifications made short, run by the supervisor's stand-in, with what came of them."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.core.launch import ExecSpec, LaunchSpec
from tests.engine.runtime.container_specs import container_spec, exec_spec, make_rootfs

RUNNER = "tests/engine/runtime/launch_runner.py"
PROJECT = Path(__file__).resolve().parents[3]


class Bench:
    """``rootfs`` is the one layer of all containers of a test; ``spec`` makes a container that can be changed before it runs."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.rootfs = make_rootfs(base / "rootfs")
        (self.rootfs / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n")
        (self.rootfs / "etc/group").write_text("root:x:0:\ntty:x:5:\nada:x:1000:\nlab:x:2000:ada\n")
        self._made = 0

    def spec(self, *args: str, tty: bool = False, stdin: bool = False, memory_bytes: int | None = None) -> LaunchSpec:
        self._made += 1
        return container_spec(self.base, f"c{self._made}", *args, tty=tty, stdin=stdin, memory_bytes=memory_bytes)

    def shell(self, script: str, **options: Any) -> LaunchSpec:
        return self.spec("sh", "-c", script, **options)

    def run(
        self, spec: LaunchSpec, *, text: str = "", fail_step: str = "", by_path: bool = False, late_init: bool = False
    ) -> dict[str, Any]:
        """Run the container to its end.

        ``by_path`` mounts its layers as older kernels need it; ``late_init`` lets the small init work when its child has ended.
        """
        order = {"container": spec, "execs": None, "fail_container": fail_step, "fail_exec": "", "input": text}
        return self._order(order | {"by_path": by_path, "late_init": late_init})

    def output(self, script: str, **options: Any) -> str:
        """What a shell script of a new container prints, both streams."""
        outcome = self.run(self.shell(script, **options))
        assert "error" not in outcome, outcome
        return str(outcome.get("terminal", outcome.get("stdout", "") + outcome.get("stderr", "")))

    def run_execs(
        self,
        commands: Sequence[Sequence[str]],
        *,
        spec: LaunchSpec | None = None,
        tty: bool = False,
        fail_step: str = "",
        **changes: Any,
    ) -> list[dict[str, Any]]:
        """Run each command in turn in one container that sleeps; ``changes`` are of the process."""
        container = spec or self.spec("sleep", "1000")
        execs = []
        for command in commands:
            wanted = exec_spec(self.base, container["container_id"], "e", *command, tty=tty)
            wanted["cgroup_join"] = container["cgroup"]["join"]
            wanted["process"].update(changes)  # type: ignore[typeddict-item]  # tests name the keys
            execs.append(wanted)
        outcome = self.order(container, execs, fail_step=fail_step)
        assert outcome["left"] == {}
        results: list[dict[str, Any]] = outcome["execs"]
        return results

    def order(self, container: LaunchSpec, execs: list[ExecSpec], *, fail_step: str = "") -> dict[str, Any]:
        """Run the execs in turn in a container, which is killed then."""
        order = {"container": container, "execs": execs, "fail_container": "", "fail_exec": fail_step, "input": ""}
        return self._order(order | {"by_path": False, "late_init": False})

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        done = subprocess.run(
            ["/usr/bin/python3", "-S", "-E", RUNNER],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=False,
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout)
        return outcome
