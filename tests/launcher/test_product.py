"""The main job through the whole product, and what survives when its parts are killed.

The tests of this file share one product and go on where the former ended, as an evening of a class would.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.engine.daemon import loop_devices_of
from tests.launcher.product import PARTS, Product, leftovers

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts real containers: run as root"),
]


PROMPT = "root@shell:~#"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    product = Product()
    try:
        product.start()
        yield product
    finally:
        product.end()


@pytest.fixture(scope="module")
def page(product: Product) -> Iterator[Page]:
    """A student's browser, signed in."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(30_000)
        page.goto(product.url)
        page.fill("input[name=login]", "ada")
        page.fill("input[name=password]", product.password("ada"))
        page.press("input[name=password]", "Enter")
        page.wait_for_selector(".lab-offer")
        yield page
        browser.close()


def type_and_expect(page: Page, command: str, answer: str) -> None:
    """The answer must not be part of what is typed, or its echo would do."""
    assert answer not in command
    # Keys pressed while the terminal is still joining its shell go nowhere.
    expect(page.locator("atelier-terminal")).to_have_attribute("data-phase", "ready", timeout=30_000)
    expect(page.locator(".xterm-rows")).to_contain_text(PROMPT, timeout=30_000)
    page.locator("atelier-terminal").click()
    page.keyboard.type(f"{command}\n")
    expect(page.locator(".xterm-rows")).to_contain_text(answer, timeout=30_000)


def running_labs(product: Product) -> list[tuple[str, int]]:
    """Id and first process of each running container."""
    ids = sorted(container["Id"] for container in product.api("GET", "/containers/json"))
    return [(container_id, product.api("GET", f"/containers/{container_id}/json")["State"]["Pid"]) for container_id in ids]


def test_a_student_starts_a_shell_and_types(product: Product, page: Page) -> None:
    page.click(".lab-offer:has-text('Shell') [data-action=launch]")
    type_and_expect(page, "shell=first; echo $((6*7))", "42")
    assert len(running_labs(product)) == 1


def test_a_second_up_names_the_first(product: Product) -> None:
    second = subprocess.run(product.command("up"), capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stderr == f"atelier: already running on {product.data} (pid {product.process.pid})\n"


def test_a_port_in_use_is_said_in_one_line(product: Product) -> None:
    other = Product()
    try:
        other.port = product.port
        second = subprocess.run(other.command("up", "--port", str(other.port)), capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert second.stderr.startswith(f"atelier: port {product.port} on 127.0.0.1 is in use")
    finally:
        other.end()


def test_only_engine_and_agent_are_root(product: Product) -> None:
    owners = {part: Path(f"/proc/{product.part_pid(part)}").stat().st_uid for part in PARTS}
    assert {part for part, uid in owners.items() if uid == 0} == {"engine", "agent"}


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_and_the_lab_goes_on(product: Product, page: Page, part: str) -> None:
    labs, pid = running_labs(product), product.part_pid(part)
    os.kill(pid, signal.SIGKILL)
    product.wait_for(lambda: product.part_pid(part) not in (0, pid))
    product.wait_for(lambda: sum(f"  {part:<8} ready" in line for line in product.lines) == 2)
    assert running_labs(product) == labs
    # The open page joins its shell again by itself, and so does one that is loaded anew.
    type_and_expect(page, f"echo {part} $((6*7)) in the $shell", f"{part} 42 in the first")
    page.reload()
    type_and_expect(page, f"echo {part} $((40+4)) in the $shell", f"{part} 44 in the first")


def test_a_killed_supervisor_comes_back_and_the_lab_goes_on(product: Product, page: Page) -> None:
    labs, pid = running_labs(product), product.supervisor_pid()
    os.kill(pid, signal.SIGKILL)
    product.wait_for(lambda: product.supervisor_pid() not in (0, pid))
    assert running_labs(product) == labs
    type_and_expect(page, "echo supervisor $((6*7)) in the $shell", "supervisor 42 in the first")


def test_labs_outlive_the_product_and_are_found_again(product: Product, page: Page) -> None:
    labs = running_labs(product)
    assert product.stop() == 0
    assert all(Path(f"/proc/{pid}").exists() for _, pid in labs)
    product.start()
    assert not product.has_said("first passwords")
    assert running_labs(product) == labs
    page.reload()
    type_and_expect(page, "echo morning $((6*7)) again", "morning 42 again")


def test_down_leaves_the_data_and_nothing_else(product: Product) -> None:
    done = subprocess.run(product.command("down"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert leftovers(product) == []
    product.wait_for(lambda: not loop_devices_of(product.data))  # the kernel lets go of the image's file a moment later
    assert (product.data / "portal" / "portal.sqlite3").exists()
    assert list((product.data / "tmp").iterdir()) == []
