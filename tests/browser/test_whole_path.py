"""From signing in to a shell of one's own and back, through every part of the product."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, sign_in
from tests.browser.product import Product

pytestmark = [pytest.mark.browser, pytest.mark.requires_root, pytest.mark.timeout(400)]

# The image of "Shell" is imported by a job after the first start; containers start on a machine that runs other tests too.
PATIENCE_MS = 30_000


def open_page(browser: Browser, product: Product, user: str) -> Page:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    sign_in(page, product.address, user, product.passwords[user])
    return page


@pytest.fixture
def ada(browser: Browser, product: Product) -> Iterator[Page]:
    page = open_page(browser, product, "ada")
    yield page
    page.context.close()


def screen(page: Page) -> Locator:
    return page.locator(".xterm-rows")


def has_state(page: Page, state: str) -> None:
    expect(page.locator(".lab-head .state")).to_have_text(state, timeout=PATIENCE_MS)


def start_shell(page: Page) -> None:
    page.locator("#offers").get_by_role("button", name="Start Shell").click()
    expect(screen(page)).to_contain_text("#", timeout=PATIENCE_MS)


def enter(page: Page, command: str, answer: str | re.Pattern[str]) -> None:
    page.keyboard.type(command)
    page.keyboard.press("Enter")
    expect(screen(page)).to_contain_text(answer, timeout=PATIENCE_MS)


def remove_lab(page: Page) -> None:
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="My labs")).to_be_visible(timeout=PATIENCE_MS)


def test_a_student_works_in_a_shell_of_her_own(ada: Page) -> None:
    start_shell(ada)
    has_state(ada, "Running")
    enter(ada, "echo $((6*7))", "42")
    enter(ada, "kept=still-here; clear; echo again $((40+4))", "again 44")

    ada.reload()
    expect(screen(ada)).to_contain_text("again 44", timeout=PATIENCE_MS)
    expect(ada.locator(".xterm-helper-textarea")).to_be_focused()
    enter(ada, 'echo "<$kept>"', "<still-here>")

    ada.get_by_role("tab", name="Log").click()
    expect(ada.get_by_role("log")).to_contain_text("is up since", timeout=PATIENCE_MS)
    ada.get_by_role("button", name="Times").click()
    expect(ada.get_by_role("log").locator("time").first).to_be_visible()

    ada.get_by_role("button", name="Stop Shell").click()
    has_state(ada, "Stopped")
    ada.get_by_role("tab", name="Terminal").click()
    expect(ada.get_by_role("heading", name="This lab is stopped")).to_be_visible()

    ada.get_by_role("button", name="Start Shell").click()
    has_state(ada, "Running")
    expect(screen(ada)).to_contain_text("#", timeout=PATIENCE_MS)

    ada.get_by_role("link", name="Jobs").click()
    expect(ada.get_by_role("row", name="Stop Shell").get_by_text("Completed")).to_be_visible()
    ada.get_by_role("link", name="My labs").click()
    remove_lab(ada)
    expect(ada.get_by_text("No labs yet.")).to_be_visible(timeout=PATIENCE_MS)


def test_the_same_on_a_phone_in_french(ada: Page) -> None:
    ada.set_viewport_size(PHONE)
    ada.locator("details.menu:not(.bell) > summary").click()
    ada.get_by_role("button", name="Français").click()
    ada.locator("#offers").get_by_role("button", name="Démarrer Shell").click()
    expect(ada.locator(".lab-head .state")).to_have_text("En cours", timeout=PATIENCE_MS)
    expect(screen(ada)).to_contain_text("#", timeout=PATIENCE_MS)
    enter(ada, "echo $((6*7))", "42")
    assert ada.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ada.get_by_role("button", name="Arrêter Shell").click()
    expect(ada.locator(".lab-head .state")).to_have_text("Arrêté", timeout=PATIENCE_MS)
    ada.get_by_role("button", name="Supprimer").first.click()
    ada.get_by_role("dialog").get_by_role("button", name="Supprimer").click()
    expect(ada.get_by_role("heading", name="Mes labos")).to_be_visible(timeout=PATIENCE_MS)


def test_a_lab_is_its_owners_and_the_teachers_alone(browser: Browser, product: Product, ada: Page) -> None:
    start_shell(ada)
    alan = open_page(browser, product, "alan")
    answer = alan.goto(ada.url)
    assert answer is not None
    assert answer.status == 404
    expect(alan.get_by_role("heading", name="There is nothing here")).to_be_visible()
    teacher = open_page(browser, product, "teacher")
    teacher.goto(product.address + "/teams/demo/")
    teacher.get_by_role("link", name="Open Shell").first.click()
    expect(screen(teacher)).to_contain_text("#", timeout=PATIENCE_MS)
    enter(ada, "echo seen by $((1+1))", "seen by 2")
    expect(screen(teacher)).to_contain_text("seen by 2", timeout=PATIENCE_MS)
    ada.get_by_role("link", name="My labs").first.click()
    # A question that is asked before the page is exchanged would go with the old page.
    expect(ada.get_by_role("heading", name="My labs")).to_be_visible()
    remove_lab(ada)
    expect(teacher.get_by_role("heading", name="Demo class")).to_be_visible(timeout=PATIENCE_MS)
    expect(teacher.get_by_text("No labs yet")).to_be_visible(timeout=PATIENCE_MS)


def test_signing_out_closes_the_terminal_of_the_other_tab(ada: Page) -> None:
    start_shell(ada)
    other = ada.context.new_page()
    other.goto(ada.url)
    expect(screen(other)).to_contain_text("#", timeout=PATIENCE_MS)
    ada.locator("details.menu:not(.bell) > summary").click()
    ada.get_by_role("button", name="Sign out").click()
    expect(ada.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)
