"""Tests of which step made which image."""

from engine.core.tenants import Tenant
from engine.image.records import Holding, ImageRecord
from engine.image.steps import StepIndex

ADA, BOB = Tenant("team", "ada"), Tenant("team", "bob")


def made(image_id: str, *holdings: Holding) -> ImageRecord:
    return ImageRecord(image_id, 0, 0, holdings)


def test_a_step_is_found_by_owner_parent_and_key() -> None:
    index = StepIndex()
    index.change(None, made("one", Holding(ADA, parent="base", step="RUN a"), Holding(BOB, parent="other", step="RUN a")))
    assert index.find(ADA, parent="base", step="RUN a") == {"one"}
    assert index.find(BOB, parent="other", step="RUN a") == {"one"}
    assert not index.find(BOB, parent="base", step="RUN a")


def test_all_images_of_one_step_are_found() -> None:
    index = StepIndex()
    for image_id in ("one", "two"):
        index.change(None, made(image_id, Holding(ADA, parent="base", step="RUN date")))
    assert index.find(ADA, parent="base", step="RUN date") == {"one", "two"}


def test_what_is_no_step_is_not_found() -> None:
    index = StepIndex()
    index.change(None, made("one", Holding(ADA, parent="base")))
    assert not index.find(ADA, parent="base", step="")


def test_a_step_is_forgotten_with_its_holding_or_image() -> None:
    index = StepIndex()
    both = made("one", Holding(ADA, parent="base", step="RUN a"), Holding(BOB, parent="base", step="RUN a"))
    index.change(None, both)
    index.change(both, made("one", both.holdings[1]))
    assert not index.find(ADA, parent="base", step="RUN a")
    index.change(made("one", both.holdings[1]), None)
    assert not index.find(BOB, parent="base", step="RUN a")
