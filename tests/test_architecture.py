"""The import directions of the plan, and a few promises about every file, as tests.

Only syntax trees are read here, except for the supervisor, whose memory each container's start pays for: it is really imported.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]

# Top first: a room may import those after it. `core` and `errors` come last, so all may use them.
ROOMS = [
    "__main__",
    "settings",
    "api",
    "service",
    "tenants",
    "build",
    "runtime",
    "image",
    "network",
    "storage",
    "linux",
    "core",
    "errors",
]
ALLOWED: dict[str, set[str]] = {room: set(ROOMS[index:]) for index, room in enumerate(ROOMS)}
ALLOWED["__main__"].add("agent")  # only to hand the command line over
ALLOWED["agent"] = {"agent"}

IMPURE = {
    "asyncio",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
}
HTTP_LIBRARIES = {"aiohttp", "http", "requests", "urllib3"}
HEAVY_FOR_SUPERVISOR = {"asyncio", "dataclasses", "inspect", "logging", "pathlib", "pyroute2", "subprocess"}
STRANGERS = {
    "engine": {"portal", "launcher", "django"},
    "portal": {"engine", "launcher", "ctypes"},
    "launcher": {"engine", "portal"},
    "bench": {"engine", "portal"},
}
# Each may import those after it.
LAYERS_OF_AN_APP = ["urls", "admin", "views", "forms", "services", "selectors", "models"]
# What may know each of these apps; all others hear of them through registries.
KNOWN_TO = {
    "notices": {"requests", "usage", "streams", "config"},
    "requests": {"streams", "config"},
    "usage": {"streams", "config"},
}
PACKAGES = ["engine", "portal", "launcher", "bench", "tests"]


def python_files(*folders: str) -> list[Path]:
    return sorted(
        path.relative_to(PROJECT)
        for folder in folders
        for path in (PROJECT / folder).rglob("*.py")
        if "node_modules" not in path.parts and "migrations" not in path.parts
    )


def imports(path: Path) -> Iterator[str]:
    """Absolute dotted names of everything ``path`` imports, late imports and relative ones included."""
    package = path.parent.parts
    for node in ast.walk(ast.parse((PROJECT / path).read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def room_of(path: Path) -> str:
    return path.with_suffix("").parts[1]


def engine_rooms(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("engine.")}


@pytest.mark.parametrize("path", python_files("engine"), ids=str)
def test_engine_imports_point_down_the_list_of_rooms(path: Path) -> None:
    room = room_of(path)
    if room != "__init__":
        assert engine_rooms(path) <= ALLOWED[room]


@pytest.mark.parametrize("path", python_files("engine/core"), ids=str)
def test_core_is_pure(path: Path) -> None:
    assert not tops(path) & IMPURE


@pytest.mark.parametrize("path", python_files("engine/service", "engine/tenants", "engine/runtime"), ids=str)
def test_rooms_below_the_api_do_not_know_http(path: Path) -> None:
    assert not tops(path) & HTTP_LIBRARIES


@pytest.mark.parametrize("path", python_files("engine/image", "engine/storage", "engine/network", "engine/linux"), ids=str)
def test_only_the_client_of_registries_speaks_http_itself(path: Path) -> None:
    # What registries send is downloaded where it is checked; unpacking and keeping it knows of no connection.
    if not (path.parts[1] == "image" and path.name.startswith("registry_")):
        assert not tops(path) & HTTP_LIBRARIES


@pytest.mark.parametrize(("folder", "strangers"), STRANGERS.items())
def test_programs_do_not_import_each_other(folder: str, strangers: set[str]) -> None:
    guilty = {str(path): tops(path) & strangers for path in python_files(folder)}
    assert not {path: names for path, names in guilty.items() if names}


@pytest.mark.parametrize("path", python_files("launcher"), ids=str)
def test_the_launcher_runs_before_anything_is_installed(path: Path) -> None:
    assert tops(path) <= set(sys.stdlib_module_names) | {"launcher"}


@pytest.mark.parametrize("path", python_files("portal"), ids=str)
def test_portal_layers_import_downwards(path: Path) -> None:
    layer = path.stem
    if layer in LAYERS_OF_AN_APP:
        above = set(LAYERS_OF_AN_APP[: LAYERS_OF_AN_APP.index(layer)])
        named = {name.split(".")[2] for name in imports(path) if name.startswith("portal.") and name.count(".") >= 2}
        assert not named & above


@pytest.mark.parametrize("app", KNOWN_TO)
def test_apps_that_only_react_are_known_to_few(app: str) -> None:
    guilty = {
        str(path)
        for path in python_files("portal")
        if path.parts[1] not in {app, *KNOWN_TO[app]} and any(f"{name}.".startswith(f"portal.{app}.") for name in imports(path))
    }
    assert not guilty


@pytest.mark.parametrize("path", [path for path in python_files("portal") if path.parts[1] != "config"], ids=str)
def test_only_the_configuration_of_the_portal_reads_the_environment(path: Path) -> None:
    assert not {name for name in imports(path) if name.startswith(("os.environ", "os.getenv"))}
    assert "os.environ" not in (PROJECT / path).read_text()


def test_the_supervisor_loads_no_heavy_module() -> None:
    code = "import sys, engine.runtime.supervisor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-S", "-E", "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert not HEAVY_FOR_SUPERVISOR & set(loaded.stdout.split())


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=str)
def test_every_file_says_what_it_owns(path: Path) -> None:
    source = (PROJECT / path).read_text()
    assert not source.strip() or ast.get_docstring(ast.parse(source))


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={PROJECT}", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return [PROJECT / name for name in listed.stdout.split("\0") if name]


# Joined here, or this file would be the first to break the rule.
REGISTRIES = [".".join(parts) for parts in [("registry", "npmjs", "org"), ("pypi", "org"), ("files", "pythonhosted", "org")]]


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="not a git checkout: the list of files is unknown")
def test_no_file_names_a_package_registry() -> None:
    guilty = [
        str(path) for path in tracked_files() if path.is_file() and any(host.encode() in path.read_bytes() for host in REGISTRIES)
    ]
    assert not guilty
