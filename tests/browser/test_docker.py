"""A student works with docker in the terminal of a lab: inside the own quota, seen on the own page, by nobody else."""

import itertools
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.product import Product
from tests.browser.test_quotas import badge, change_quota
from tests.browser.test_whole_path import open_page, remove_lab, screen, start_shell

pytestmark = [pytest.mark.browser, pytest.mark.requires_root, pytest.mark.timeout(900)]

PATIENCE_MS = 60_000
ALANS = "of-alan"
# The image of "Docker" is made of packages after the first start.
PREPARATION_MS = 600_000

COMPOSE = "printf 'version: \"3\"\\nservices:\\n  clock:\\n    image: mine\\n    command: sleep 900\\n' > docker-compose.yml"
# Each command shows another number, so that an old answer on the screen is never taken for a new one.
COUNT = itertools.count(1000)
BIG_LAYER = "printf 'FROM atelier/shell\\nRUN dd if=/dev/zero of=/big bs=1M count=80\\n' > Dockerfile"
# A full disk has a node of the file system's tree left or not, as its last transaction went.
LAST_BYTES = r"0 B|0\sbytes|16\sKiB"
DOCKERFILE = "printf 'FROM atelier/shell\\nRUN echo built-$((40+2)) > /x\\nCMD cat /x\\n' > Dockerfile"


@pytest.fixture(scope="module")
def ada(browser: Browser, product: Product) -> Iterator[Page]:
    """Ada in the terminal of her Docker lab."""
    page = open_page(browser, product, "ada")
    start = page.locator("#offers").get_by_role("button", name="Start Docker")
    expect(start).to_be_visible(timeout=PREPARATION_MS)
    start.click()
    expect(screen(page)).to_contain_text("#", timeout=PATIENCE_MS)
    yield page
    product.clear("ada")
    remove_lab(page)
    page.context.close()


@pytest.fixture(scope="module")
def alan(browser: Browser, product: Product) -> Iterator[Page]:
    """Ada's classmate in the terminal of a lab of his own, with an image, a volume and a network of his own beside it."""
    page = open_page(browser, product, "alan")
    start_shell(page)
    product.docker("alan", "tag", "atelier/shell", f"{ALANS}-image")
    product.docker("alan", "volume", "create", f"{ALANS}-volume")
    product.docker("alan", "network", "create", f"{ALANS}-network")
    product.docker("alan", "create", "--name", f"{ALANS}-container", "atelier/shell", "true")
    yield page
    product.clear("alan")
    remove_lab(page)
    page.context.close()


@pytest.fixture
def home(browser: Browser, product: Product) -> Iterator[Page]:
    """The page of Ada's labs, beside her terminal; of docker she has nothing yet."""
    product.clear("ada")
    page = open_page(browser, product, "ada")
    yield page
    page.context.close()


@pytest.fixture
def quotas(browser: Browser, product: Product) -> Iterator[Page]:
    """The administrator on the page of quotas; what is changed there is changed back by the test."""
    page = open_page(browser, product, "admin")
    page.goto(product.address + "/quotas/")
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


def enter(page: Page, command: str, answer: str | re.Pattern[str]) -> None:
    """Run a command on a screen that was seen without the answer: what an earlier one said is never taken for it."""
    page.locator(".xterm-helper-textarea").focus()
    for typed, seen in (("clear", expect(screen(page)).not_to_contain_text), (command, expect(screen(page)).to_contain_text)):
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        seen(answer, timeout=PATIENCE_MS)


def succeed(page: Page, command: str) -> None:
    """Run a command whose success is seen by a number that was not on the screen before."""
    number = next(COUNT)
    enter(page, f"{command}; echo status-$?-$(({number}+1))", f"status-0-{number + 1}")


def answers(page: Page) -> None:
    """Whether the lab's shell runs on and answers."""
    succeed(page, "true")


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


def test_each_list_in_the_terminal_and_on_the_page_has_own_things_only(
    ada: Page, alan: Page, containers: dict[str, Page]
) -> None:
    succeed(ada, "docker volume create mine-volume && docker network create mine-network")
    succeed(ada, "docker tag atelier/shell mine-image && docker create --name mine-container atelier/shell true")
    for command in ("ps -a", "images", "volume ls", "network ls"):
        succeed(ada, f"docker {command}")
        expect(screen(ada)).to_contain_text("mine-")
        expect(screen(ada)).not_to_contain_text(ALANS)
    for kind in ("Containers", "Images", "Volumes", "Networks"):
        for user, own, others in (("ada", "mine-", ALANS), ("alan", ALANS, "mine-")):
            page = containers[user]
            page.get_by_role("tab", name=kind).click()
            panel = page.get_by_role("tabpanel", name=kind)
            expect(panel.locator("tbody tr").filter(has_text=own).first).to_be_visible(timeout=PATIENCE_MS)
            expect(panel.locator("tbody tr").filter(has_text=others)).to_have_count(0)
    succeed(ada, "docker rm mine-container && docker rmi mine-image")
    answers(alan)


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
    ada: Page, alan: Page, containers: dict[str, Page], browser: Browser, product: Product
) -> None:
    enter(ada, "docker run --rm -m 64g atelier/shell true", "memory quota of")
    refusal = ada.locator("#toasts [data-terminal-refusal]")
    expect(refusal).to_contain_text("this needs 64 GiB", timeout=PATIENCE_MS)
    enter(ada, "for i in $(seq 12); do docker create --name many-$i atelier/shell true; done; echo done-$?", "container quota of")
    expect(refusal).to_contain_text("Containers: this needs 1", timeout=PATIENCE_MS)
    expect(refusal.get_by_role("button", name="Remove many-").first).to_be_visible()
    expect(refusal.get_by_role("link", name="Ask for more")).to_be_visible()
    expect(refusal).to_have_count(1)
    page = open_page(browser, product, "ada")
    expect(page.locator("#offers").get_by_text("Containers: this needs 1").first).to_be_visible()
    page.locator("#offers").get_by_role("button", name="Start Shell").click()
    note = page.locator(".lab-head .note")
    expect(note).to_contain_text("0 left of", timeout=PATIENCE_MS)
    expect(note.get_by_role("link", name="Ask for more")).to_be_visible()
    before = int(containers["ada"].locator("[data-count=containers]").inner_text())
    note.get_by_role("button", name="Remove many-").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(containers["ada"].locator("[data-count=containers]")).to_have_text(str(before - 1), timeout=PATIENCE_MS)
    expect(refusal).to_have_count(0, timeout=PATIENCE_MS)
    page.locator(".lab-head").get_by_role("button", name="Start").first.click()
    expect(page.locator(".lab-head .state")).to_have_text("Running", timeout=PATIENCE_MS)
    remove_lab(page)
    page.context.close()
    answers(alan)


def test_more_memory_than_the_team_has_is_refused_in_the_terminal_and_on_the_page(
    ada: Page, alan: Page, home: Page, quotas: Page
) -> None:
    change_quota(quotas, "The whole team: memory", "514 MiB")
    enter(ada, "docker run --rm -m 600m atelier/shell true", "memory quota of team demo: 600 MiB needed, 514 MiB is all there is")
    enter(ada, "docker run --rm -m 512m atelier/shell true", "memory quota of team demo: 512 MiB needed, ")
    expect(screen(ada)).to_contain_text("left of 514 MiB; stop ")
    home.locator("#offers").get_by_role("button", name="Start Debian 12", exact=True).click()
    note = home.locator(".lab-head .note")
    expect(note).to_contain_text("This needs 512 MiB of memory; team Demo class has", timeout=PATIENCE_MS)
    expect(note.get_by_role("link", name="Ask for more")).to_be_visible()
    expect(note.get_by_role("button", name="Stop Docker")).to_be_visible()
    answers(alan)
    change_quota(quotas, "The whole team: memory", "8 GiB")
    home.get_by_role("button", name="Start Debian 12", exact=True).first.click()
    expect(home.locator(".lab-head .state")).to_have_text("Running", timeout=PATIENCE_MS)
    remove_lab(home)


def test_more_processes_than_the_quota_are_refused_in_the_terminal_and_on_the_page(
    ada: Page, alan: Page, home: Page, quotas: Page
) -> None:
    change_quota(quotas, "Ada Lovelace: processes", "60")
    enter(ada, "docker run --rm --pids-limit 100 atelier/shell true", "process quota of demo/ada: 100 needed, 60 is all there is")
    enter(ada, "docker run --rm atelier/shell sh -c 'for i in $(seq 90); do sleep 60 & done; echo all'", "can't fork")
    home.reload()
    note = home.locator("#offer-shell .note")
    expect(note).to_contain_text("Processes: this lab needs 100, your whole quota is 60.")
    expect(note.get_by_role("link", name="Ask for more")).to_be_visible()
    expect(home.get_by_role("button", name="Start Shell")).to_be_disabled()
    answers(alan)
    change_quota(quotas, "Ada Lovelace: processes", "")
    answers(ada)


def test_more_than_the_disk_quota_is_refused_in_the_terminal_and_on_the_page(
    ada: Page, alan: Page, home: Page, quotas: Page
) -> None:
    change_quota(quotas, "Ada Lovelace: disk", "40 MiB")
    enter(ada, f"mkdir -p /d; cd /d; {BIG_LAYER}; docker build -t big .; cd /", "error writing '/big': Disk quota exceeded")
    enter(ada, "dd if=/dev/zero of=/big bs=1M count=80", "error writing '/big': Disk quota exceeded")
    enter(ada, "docker run --rm atelier/shell true", re.compile(rf"disk quota of demo/ada: ({LAST_BYTES}) left of 40 MiB"))
    gauge = home.locator('.share [data-resource="disk"]')
    expect(gauge).to_contain_text("40 MiB / 40 MiB", timeout=PATIENCE_MS)
    expect(gauge.get_by_role("progressbar")).to_have_attribute("value", "100")
    home.locator("#offers").get_by_role("button", name="Start Shell").click()
    note = home.locator(".lab-head .note")
    expect(note).to_contain_text(re.compile(rf"Disk: you have ({LAST_BYTES}) left of 40\sMiB\."), timeout=PATIENCE_MS)
    expect(note.get_by_role("link", name="Ask for more")).to_be_visible()
    answers(alan)
    succeed(alan, "dd if=/dev/zero of=/big bs=1M count=60 && rm /big")
    enter(ada, "rm /big; sync; docker run --rm atelier/shell echo room-$((6*7))", "room-42")
    remove_lab(home)
    change_quota(quotas, "Ada Lovelace: disk", "")
    expect(badge(quotas)).to_have_count(0)
