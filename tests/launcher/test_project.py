"""Stamps decide which set-up steps run again."""

from pathlib import Path

from launcher.project import Project, digest_of


def test_a_digest_changes_with_content_name_and_presence(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("a")
    digests = {digest_of([first]), digest_of([second]), digest_of([first, second]), digest_of([first], extra="x")}
    first.write_text("b")
    digests.add(digest_of([first]))
    assert len(digests) == 5


def test_a_step_is_done_only_for_the_digest_it_was_marked_with(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.environment.mkdir()
    assert not project.is_done("bundle", "one")
    project.mark_done("bundle", "one")
    assert project.is_done("bundle", "one")
    assert not project.is_done("bundle", "two")
