"""A student works with docker in the terminal of a lab: inside the own quota, seen on the own page, by nobody else."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.product import Product, running_product
from tests.browser.test_whole_path import open_page, screen

pytestmark = [pytest.mark.browser, pytest.mark.requires_root, pytest.mark.timeout(900)]

PATIENCE_MS = 60_000
# The image of "Docker" is made of packages after the first start.
PREPARATION_MS = 600_000

COMPOSE = "printf 'version: \"3\"\\nservices:\\n  clock:\\n    image: mine\\n    command: sleep 900\\n' > docker-compose.yml"
DOCKERFILE = "printf 'FROM atelier/shell\\nRUN echo built-$((40+2)) > /x\\nCMD cat /x\\n' > Dockerfile"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with running_product() as product:
        yield product


@pytest.fixture(scope="module")
def ada(browser: Browser, product: Product) -> Iterator[Page]:
    """Ada in the terminal of her Docker lab."""
    page = open_page(browser, product, "ada")
    start = page.locator("#offers").get_by_role("button", name="Start Docker")
    expect(start).to_be_visible(timeout=PREPARATION_MS)
    start.click()
    expect(screen(page)).to_contain_text("#", timeout=PATIENCE_MS)
    yield page
    page.context.close()


@pytest.fixture
def containers(browser: Browser, product: Product) -> Iterator[dict[str, Page]]:
    """The page of containers as Ada, her classmate and her teacher see it, each open all the time."""
    pages = {user: open_page(browser, product, user) for user in ("ada", "alan", "teacher")}
    for page in pages.values():
        page.get_by_role("link", name="Containers", exact=True).click()
        expect(page.locator("[data-count=containers]")).not_to_be_empty(timeout=PATIENCE_MS)
    yield pages
    for page in pages.values():
        page.context.close()


def enter(page: Page, command: str, answer: str) -> None:
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type(f"clear; {command}")
    page.keyboard.press("Enter")
    expect(screen(page)).to_contain_text(answer, timeout=PATIENCE_MS)


def row(page: Page, name: str) -> Locator:
    return page.locator("tbody tr").filter(has_text=name)


def test_docker_run_build_and_compose_work_and_show_up_on_the_own_page_only(ada: Page, containers: dict[str, Page]) -> None:
    enter(ada, "docker run --rm -it atelier/shell echo hello-$((6*7))", "hello-42")
    enter(ada, f"mkdir -p /b; cd /b; {DOCKERFILE}; docker build -q -t mine . && docker run --rm mine", "built-42")
    enter(ada, f"{COMPOSE}; docker-compose up -d && docker ps --format '{{{{.Names}}}}' && echo up-$?", "up-0")
    expect(screen(ada)).to_contain_text("b_clock_1")
    own = containers["ada"]
    expect(row(own, "b_clock_1").locator(".state")).to_have_text("Running", timeout=PATIENCE_MS)
    own.get_by_role("tab", name="Images").click()
    expect(row(own, "mine:latest")).to_be_visible(timeout=PATIENCE_MS)

    expect(row(containers["alan"], "b_clock_1")).to_have_count(0)
    containers["teacher"].get_by_role("link", name="Demo class", exact=True).click()
    expect(row(containers["teacher"], "b_clock_1")).to_contain_text("ada", timeout=PATIENCE_MS)


def test_what_is_stopped_and_removed_on_the_page_is_so_in_the_terminal(ada: Page, containers: dict[str, Page]) -> None:
    own = containers["ada"]
    enter(ada, "docker run -d --init --name web atelier/shell sleep 900; echo run-$?", "run-0")
    web = row(own, "web")
    web.get_by_role("button", name="Stop web").click()
    expect(web.locator(".state")).to_have_text("Exited", timeout=PATIENCE_MS)
    web.get_by_role("button", name="Remove web").click()
    own.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(web).to_have_count(0, timeout=PATIENCE_MS)
    enter(ada, "echo counted-$(docker ps -a --format '{{.Names}}' | grep -c '^web$')", "counted-0")


def test_more_than_the_quota_is_refused_in_words_in_the_terminal_and_with_buttons_on_the_page(
    ada: Page, containers: dict[str, Page], browser: Browser, product: Product
) -> None:
    enter(ada, "docker run --rm -m 64g atelier/shell true", "memory quota of")
    enter(ada, "for i in $(seq 12); do docker create --name many-$i atelier/shell true; done; echo done-$?", "container quota of")
    page = open_page(browser, product, "ada")
    page.locator("#offers").get_by_role("button", name="Start Shell").click()
    note = page.locator(".lab-head .note")
    expect(note).to_contain_text("0 left of", timeout=PATIENCE_MS)
    expect(note.get_by_role("link", name="Ask for more")).to_be_visible()
    before = int(containers["ada"].locator("[data-count=containers]").inner_text())
    note.get_by_role("button", name="Remove many-").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(containers["ada"].locator("[data-count=containers]")).to_have_text(str(before - 1), timeout=PATIENCE_MS)
    page.locator(".lab-head").get_by_role("button", name="Start").first.click()
    expect(page.locator(".lab-head .state")).to_have_text("Running", timeout=PATIENCE_MS)
    page.context.close()
