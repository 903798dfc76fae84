"""Brings the portal's database up to date before its parts start, and skips what was done for this very state of the sources.

What was done is remembered in a file of root's, outside the folder that the portal's user may write.
"""

import json
from dataclasses import dataclass
from typing import Any

from launcher.console import say
from launcher.project import digest_of
from launcher.site import Site
from launcher.spawning import Spawner


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str


def prepare_portal_data(spawner: Spawner, site: Site, *, demo: bool) -> list[Credential]:
    """Migrate, name this host, make the first administrator and with ``demo`` the demo class; return new passwords."""
    done = _load(site)
    wanted = _wanted(spawner, site, demo=demo)
    if all(done.get(name) == value for name, value in wanted.items()):
        return []
    if done.get("migrations") != wanted["migrations"] or done.get("database") != wanted["database"]:
        done = {}
        say("  database: applying migrations")
        _manage(spawner, "migrate", "--noinput")
    made = [] if done.get("host") == wanted["host"] else _first_objects(spawner)
    if demo and "demo" not in done:
        made += parse_credentials(_manage(spawner, "seed_demo"))
    _save(site, {**done, **_wanted(spawner, site, demo=demo)})
    return made


def _first_objects(spawner: Spawner) -> list[Credential]:
    _manage(spawner, "ensure_host")
    return parse_credentials(_manage(spawner, "ensure_administrator"))


def _wanted(spawner: Spawner, site: Site, *, demo: bool) -> dict[str, Any]:
    project = spawner.project
    migrations = sorted((project.root / "portal").glob("*/migrations/*.py"))
    database = site.data.portal / "portal.sqlite3"
    return {
        "migrations": digest_of([project.requirements, *migrations], extra=spawner.environment.get("ATELIER_DATABASE_URL", "")),
        # A deleted database is a new one, whatever the file beside it says.
        "database": database.stat().st_ino if database.exists() else 0,
        "host": f"{site.host_name} {site.data.engine_socket}",
        **({"demo": True} if demo else {}),
    }


def _manage(spawner: Spawner, *command: str) -> str:
    return spawner.run([spawner.project.python, "manage.py", *command], purpose=f"manage.py {command[0]}")


def parse_credentials(output: str) -> list[Credential]:
    """Read what a command printed: nothing, {"username", "password"}, or {user name: password} of several people."""
    if not output.strip():
        return []
    answer: dict[str, str] = json.loads(output)
    if answer.keys() == {"username", "password"}:
        return [Credential(**answer)]
    return [Credential(username, password) for username, password in answer.items()]


def _load(site: Site) -> dict[str, Any]:
    if not site.data.prepared.exists():
        return {}
    loaded: dict[str, Any] = json.loads(site.data.prepared.read_text())
    return loaded


def _save(site: Site, done: dict[str, Any]) -> None:
    temporary = site.data.prepared.with_suffix(".new")
    temporary.write_text(json.dumps(done))
    temporary.replace(site.data.prepared)
