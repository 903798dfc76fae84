"""The product by Compose 1.29 on an engine of its own, for tests: prepared as by `./atelier compose`, started, asked, taken down.

Owns the engine, a copy of what the images are made from, and the words to Compose. What is to hold, is the tests'.
"""

import json
import os
import re
import shutil
import subprocess
from typing import Any

import requests

from launcher.accounts import ensure_account
from launcher.base_image import ensure_base_image
from launcher.compose import collect_wheels, make_folders, settings_of, write_settings
from launcher.data_folder import DataFolder, prepare_data_folder
from launcher.project import Project, this_project
from launcher.site import Site, site_names
from tests.engine.daemon import EngineDaemon, wait_until
from tests.launcher.product import free_port

SERVICES = ("beat", "database", "redis", "web", "worker")
_FILES = (".dockerignore", "Dockerfile", "docker-compose.yml", "manage.py", "requirements.txt")
_FOLDERS = ("compose", "portal", "static/dist", "templates")
_PATIENCE_SECONDS = 500


class PortalEngine(EngineDaemon):
    """An engine whose socket is open to the portal's group."""

    def command(self) -> list[str]:
        return [*super().command(), "--socket-group", "atelier"]


class Composed:
    """Everything lies in the engine's folder, which goes with it."""

    def __init__(self) -> None:
        self.engine = PortalEngine()
        self.folder = self.engine.root / "product"
        self.data = DataFolder(self.engine.root)
        self.port = free_port()

    @staticmethod
    def reason_against() -> str:
        """Why it cannot be made here, or nothing."""
        if missing := [name for name in ("docker-compose", "mmdebstrap") if shutil.which(name) is None]:
            return f"{missing[0]} is not installed"
        return "" if (this_project().root / "static" / "dist").is_dir() else "the front-end is not built: ./atelier setup"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Do what `./atelier compose --make-base` does, but in a copy of the checkout and beside an engine of the test's own."""
        account, site = ensure_account(), Site(self.data, bind="127.0.0.1", port=self.port, host_name="local")
        self.data.lock.touch()
        prepare_data_folder(self.data, account)
        make_folders(self.data, account)
        self.engine.start()
        self._copy_sources()
        collect_wheels(Project(self.folder))
        ensure_base_image(self.data)
        names = {"ATELIER_ALLOWED_HOSTS": ",".join(site_names(site))}
        write_settings(self.folder / ".env", settings_of(site, account, make_base=True), defaults=names)

    def _copy_sources(self) -> None:
        source = this_project().root
        for name in _FOLDERS:
            shutil.copytree(source / name, self.folder / name)
        for name in _FILES:
            shutil.copyfile(source / name, self.folder / name)
        (self.folder / ".venv").symlink_to(source / ".venv")

    def compose(self, *arguments: str) -> str:
        """Run Compose, which is to succeed; return its output."""
        socket = f"unix://{self.engine.socket_path}"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.engine.root), "DOCKER_HOST": socket, "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(
            ["docker-compose", "--ansi", "never", *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self._logs_of_failed()}"
        return done.stdout.strip()

    def _logs_of_failed(self) -> str:
        return self.engine.cli("logs", "--tail", "40", "product_setup_1").stdout.decode(errors="replace")

    def up(self) -> None:
        """Start what does not run, and wait until the site answers."""
        self.compose("up", "-d")
        wait_until(self.answers, "the site to answer", hint=lambda: self.compose("logs", "web"))

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/account/login/", timeout=20).ok
        except requests.ConnectionError:
            return False

    def is_running(self) -> bool:
        running = self.engine.request("GET", "/containers/json").document
        return len(running) == len(SERVICES) and self.answers()

    def is_well(self, service: str) -> bool:
        """Ask as the engine does, but now."""
        kind, *test = self.inspect(service)["Config"]["Healthcheck"]["Test"]
        command = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
        return self.engine.cli("exec", f"product_{service}_1", *command).returncode == 0

    def execute(self, service: str, *command: str) -> str:
        """Run a command in a part, which is to succeed; return its output."""
        done = self.engine.cli("exec", f"product_{service}_1", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def inspect(self, service: str) -> Any:
        return self.engine.inspect(f"product_{service}_1")

    def first_password(self) -> str:
        """What the set-up has said, or nothing."""
        said = re.search(r"\{.*\}", self.compose("logs", "--no-color", "setup"))
        return str(json.loads(said[0])["password"]) if said else ""

    def sign_in(self, password: str) -> requests.Session:
        """Return a signed-in visitor."""
        visitor = requests.Session()
        page = visitor.get(f"{self.url}/account/login/", timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token, page.text
        form = {"login": "admin", "password": password, "csrfmiddlewaretoken": token[1]}
        answer = visitor.post(f"{self.url}/account/login/", form, timeout=20, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        return visitor

    def end(self) -> None:
        """Take everything down whatever happened before."""
        try:
            if (self.folder / ".env").exists() and self.engine.socket_path.exists():
                self.compose("down", "-v", "-t", "5")
        finally:
            self.engine.destroy()


def is_signed_in(product: Composed, visitor: requests.Session) -> bool:
    return visitor.get(product.url, timeout=20, allow_redirects=False).status_code == 200


def passwords_of(data: DataFolder) -> list[str]:
    return [path.read_text().strip() for path in data.compose_secrets.iterdir()]
