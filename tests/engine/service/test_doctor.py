"""What doctor says of a host."""

import subprocess
import sys

from engine.network.foreign_rules import dropping_chains
from engine.service.doctor import Finding, report


def test_missing_things_tell_what_they_turn_off() -> None:
    text = report(
        [
            Finding("kernel", True, "6.12"),
            Finding("libx", False, "not found", "no x"),
            Finding("root", False, "user id 5", "must be root", is_fatal=True),
        ]
    )
    assert "ok      kernel  6.12" in text
    assert "without libx    not found" in text
    assert "→ no x" in text
    assert "MISSING root" in text


def test_the_command_exits_with_0_where_the_engine_can_run_and_1_where_not() -> None:
    done = subprocess.run([sys.executable, "-m", "engine", "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if "MISSING" in done.stdout else 0)
    assert "cgroups" in done.stdout


def test_rules_of_others_that_drop_what_is_forwarded_are_told() -> None:
    listing = """table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
	chain DOCKER {
	}
}
table inet own {
	chain input {
		type filter hook input priority filter; policy drop;
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}
table inet atelier_5a5a5a {
	chain forwarded {
		type filter hook forward priority filter; policy drop;
	}
}
"""
    assert list(dropping_chains(listing)) == ["ip filter FORWARD"]


def test_an_unknown_command_shows_the_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "engine", "fly"], capture_output=True, text=True, check=False)
    assert (done.returncode, "usage: python -m engine" in done.stderr) == (2, True)
