"""Options of the engine on their way from the command line to the engine."""

from pathlib import Path

from launcher.data_folder import DataFolder
from launcher.parts import all_parts
from launcher.project import this_project
from launcher.site import Site

OPTIONS = ("--registry-mirror", "http://127.0.0.1:5000", "--insecure-registry", "10.0.0.0/8", "--address-pool", "10.80.0.0/16:24")


def test_the_engine_gets_its_options_and_nobody_else_does() -> None:
    site = Site(DataFolder(Path("/nowhere")), bind="127.0.0.1", port=8000, host_name="local", engine_options=OPTIONS)
    parts = all_parts(this_project(), site, redis_server="redis-server")
    with_options = [part.name for part in parts if set(OPTIONS) <= set(part.argv)]
    assert with_options == ["engine"]
