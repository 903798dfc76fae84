"""The terminal and the log of a lab's page, against the WebSocket protocols that ``portal/README.md`` names."""

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

from portal.labs.cards import lab_card
from portal.labs.models import Lab
from tests.browser.conftest import PHONE, Site
from tests.browser.sockets import Played

pytestmark = pytest.mark.browser


def header_html(site: Site, lab: Lab, *, state: str) -> str:
    lab.state = state
    return render_to_string("labs/_header.html", {"lab": lab_card(lab, site.ada)})


def open_shell(site: Site, *, replayed: bool = False) -> tuple[Page, Played]:
    lab = site.make_lab(state="running")
    page = site.open(f"/labs/{lab.uuid}/")
    shell = site.sockets.wait("terminal")
    shell.say(type="ready", replayed=replayed)
    shell.show("~ # ")
    expect(page.locator(".xterm-rows")).to_contain_text("~ #")
    return page, shell


def open_log(site: Site) -> tuple[Page, Played]:
    lab = site.make_lab(state="running")
    page = site.open(f"/labs/{lab.uuid}/")
    assert site.sockets.count("log") == 0
    page.get_by_role("tab", name="Log").click()
    return page, site.sockets.wait("log")


def line(text: str, *, stream: str = "stdout", time: str = "2026-03-01T09:30:00.5Z") -> dict[str, str]:
    return {"time": time, "stream": stream, "text": text}


def test_the_keyboard_is_in_the_shell_at_once(site: Site) -> None:
    page, shell = open_shell(site)
    page.keyboard.type("echo é")
    page.keyboard.press("Enter")
    page.wait_for_timeout(50)
    assert shell.typed == "echo é\r"


@pytest.mark.parametrize("is_shell_first", [True, False])
def test_the_keyboard_goes_to_a_shell_that_has_just_started(site: Site, is_shell_first: bool) -> None:
    lab = site.make_lab(state="creating")
    page = site.open(f"/labs/{lab.uuid}/")
    live = site.sockets.wait("live", count=site.sockets.count("live"))
    shell = site.sockets.wait("terminal")
    steps = ["shell", "header"] if is_shell_first else ["header", "shell"]
    for step in steps:
        if step == "shell":
            shell.say(type="ready", replayed=False)
        else:
            live.say(type="replace", id=f"lab-header-{lab.uuid}", html=header_html(site, lab, state="running"))
        page.wait_for_timeout(100)
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()


def test_the_shell_learns_the_size_of_its_screen(site: Site) -> None:
    page, shell = open_shell(site)
    wide = [message for message in shell.messages if message["type"] == "resize"][-1]
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(300)
    narrow = [message for message in shell.messages if message["type"] == "resize"][-1]
    assert wide["columns"] > 120
    assert 30 < narrow["columns"] < 60
    assert narrow["rows"] > 15


def test_what_is_shown_is_told_so_that_the_server_may_go_on(site: Site) -> None:
    page, shell = open_shell(site)
    shell.show("x" * 1000)
    shell.say(type="mark", mark="m1")
    page.wait_for_timeout(100)
    assert [message["mark"] for message in shell.messages if message["type"] == "shown"] == ["m1"]


def test_a_cut_connection_comes_back_to_a_clean_screen(site: Site) -> None:
    page, shell = open_shell(site)
    shell.route.close(code=4503)
    expect(page.get_by_text("The connection was lost.").last).to_be_visible()
    again = site.sockets.wait("terminal", count=2)
    again.say(type="ready", replayed=True)
    again.show("~ # back")
    expect(page.locator(".xterm-rows")).to_contain_text("~ # back")
    assert page.locator(".xterm-rows").inner_text().count("~ #") == 1
    expect(page.locator("atelier-terminal [data-note]")).to_be_empty()


def test_an_ended_shell_can_be_had_anew(site: Site) -> None:
    page, shell = open_shell(site)
    shell.say(type="exit", code=3)
    shell.route.close(code=1000)
    expect(page.get_by_text("The shell has ended (exit code 3).")).to_be_visible()
    page.get_by_role("button", name="New shell").click()
    site.sockets.wait("terminal", count=2).say(type="ready", replayed=False)
    expect(page.get_by_role("button", name="New shell")).to_be_hidden()


@pytest.mark.parametrize("code", [4401, 4404])
def test_a_terminal_that_is_not_ours_any_more_does_not_try_again(site: Site, code: int) -> None:
    page, shell = open_shell(site)
    shell.route.close(code=code)
    expect(page.locator("atelier-terminal")).to_have_attribute("data-phase", "ended")
    page.wait_for_timeout(1500)
    assert site.sockets.count("terminal") == 1


def test_the_stage_follows_the_lab(site: Site) -> None:
    lab = site.make_lab(state="stopped")
    page = site.open(f"/labs/{lab.uuid}/")
    expect(page.get_by_role("heading", name="This lab is stopped")).to_be_visible()
    live = site.sockets.wait("live", count=site.sockets.count("live"))
    for state, sign in (("pending", "Starting your lab…"), ("creating", "Starting your lab…"), ("stopping", "Stopping…")):
        live.say(type="replace", id=f"lab-header-{lab.uuid}", html=header_html(site, lab, state=state))
        expect(page.get_by_role("heading", name=sign)).to_be_visible()
    live.say(type="replace", id=f"lab-header-{lab.uuid}", html=header_html(site, lab, state="running"))
    expect(page.locator(".xterm")).to_be_visible()


def test_a_removed_lab_leads_back_to_the_list(site: Site) -> None:
    lab = site.make_lab(state="running")
    page = site.open(f"/labs/{lab.uuid}/")
    site.sockets.wait("live", count=site.sockets.count("live")).say(type="remove", id=f"lab-header-{lab.uuid}")
    expect(page.get_by_role("heading", name="My labs")).to_be_visible()


def test_the_keyboard_can_leave_the_terminal(site: Site) -> None:
    page, _ = open_shell(site)
    page.keyboard.press("Control+F6")
    expect(page.get_by_role("button", name="Copy")).to_be_focused()


def test_words_are_found_in_the_output(site: Site) -> None:
    page, shell = open_shell(site)
    shell.show("".join(f"line {number}\r\n" for number in range(100)) + "~ # ")
    page.keyboard.press("Control+Shift+F")
    field = page.get_by_role("searchbox", name="Find in the terminal")
    expect(field).to_be_focused()
    page.keyboard.type("line 7")
    expect(page.locator("[data-search] output")).to_have_text("11 / 11")
    page.keyboard.press("Enter")
    expect(page.locator("[data-search] output")).to_have_text("10 / 11")
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    assert shell.typed == ""


def test_a_phone_has_the_keys_that_its_keyboard_lacks(site: Site) -> None:
    site.page.set_viewport_size(PHONE)
    page, shell = open_shell(site)
    page.get_by_role("button", name="Up").click()
    page.get_by_role("button", name="Ctrl").click()
    page.keyboard.type("c")
    page.wait_for_timeout(50)
    assert shell.typed == "\x1b[A\x03"


def test_tabs_follow_the_arrow_keys(site: Site) -> None:
    page, _ = open_shell(site)
    page.get_by_role("tab", name="Terminal").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Log")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Log")).to_be_visible()
    expect(page.get_by_role("tabpanel", name="Terminal")).to_be_hidden()


def test_log_lines_are_shown_with_their_times_on_demand(site: Site) -> None:
    page, log = open_log(site)
    log.say(type="lines", lines=[line("hello"), line("<i>oops</i>", stream="stderr"), line("\x1b[32mgreen\x1b[0m")], mark="m1")
    lines = page.locator(".log-line")
    expect(lines.nth(0)).to_have_text("hello", use_inner_text=True)
    expect(lines.nth(1).locator(".log-text")).to_have_text("<i>oops</i>")
    expect(lines.nth(2).locator(".log-text")).to_have_text("green")
    page.get_by_role("button", name="Times").click()
    expect(lines.nth(0).locator("time")).to_be_visible()
    assert log.messages == [{"type": "shown", "mark": "m1"}]


def test_the_log_follows_until_someone_scrolls_up(site: Site) -> None:
    page, log = open_log(site)
    log.say(type="lines", lines=[line(f"line {number}") for number in range(200)])
    expect(page.get_by_text("line 199")).to_be_in_viewport()
    page.get_by_role("log").evaluate("(list) => { list.scrollTop = 0; }")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    log.say(type="lines", lines=[line("the newest")])
    expect(page.get_by_text("the newest")).not_to_be_in_viewport()
    page.get_by_role("button", name="Follow").click()
    expect(page.get_by_text("the newest")).to_be_in_viewport()


def test_the_log_keeps_the_newest_lines_only(site: Site) -> None:
    page, log = open_log(site)
    for start in range(0, 6000, 500):
        log.say(type="lines", lines=[line(f"line {start + number}") for number in range(500)])
    expect(page.get_by_text("line 5999")).to_be_in_viewport()
    expect(page.locator(".log-line")).to_have_count(5000)
