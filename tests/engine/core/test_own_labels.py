"""Labels of those who manage containers go with no image."""

from engine.core.own_labels import find_own, without_own


def test_only_names_with_the_prefix_are_kept_for_managers() -> None:
    labels = {"atelier.lab": "1", "atelier": "2", "x.atelier.lab": "3", "atelierx": "4", "ATELIER.LAB": "5"}
    assert without_own(labels) == {name: value for name, value in labels.items() if name != "atelier.lab"}
    assert (find_own(labels), find_own(without_own(labels))) == ("atelier.lab", "")
