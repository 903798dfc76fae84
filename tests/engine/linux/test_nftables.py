"""Commands run whole or not at all, and deletions of tables are noticed."""

from collections.abc import Iterator

import pytest

from engine.linux.nftables import Nftables, TableWatch
from tests.engine.network.sandboxes import private_host

pytestmark = pytest.mark.requires_root


@pytest.fixture
def nftables() -> Iterator[Nftables]:
    with private_host():
        context = Nftables()
        yield context
        context.close()


def test_output_belongs_to_its_command(nftables: Nftables) -> None:
    assert nftables.run("add table inet trial") == ""
    assert nftables.run("list tables") == "table inet trial\n"
    assert nftables.run("list tables") == "table inet trial\n"


def test_a_command_that_is_refused_says_why_and_changes_nothing(nftables: Nftables) -> None:
    with pytest.raises(OSError, match=r"nftables: .*No such file or directory"):
        nftables.run("add table inet trial\ndelete table inet other")
    assert nftables.run("list tables") == ""


def test_nonsense_is_refused_in_nfts_own_words(nftables: Nftables) -> None:
    with pytest.raises(OSError, match="syntax error"):
        nftables.run("add nonsense")


def test_deletion_of_a_table_is_seen_and_other_changes_are_not(nftables: Nftables) -> None:
    watch = TableWatch()
    nftables.run("add table inet trial")
    assert not watch.saw_deletion()
    nftables.run("flush ruleset")
    assert watch.saw_deletion()
    assert not watch.saw_deletion()
    watch.close()
