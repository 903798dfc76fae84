"""The pages as a person meets them: what is shown, what keyboards and screen readers get, what the server pushes."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import expect

from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.hosts.models import Host
from portal.labs.cards import lab_card
from portal.labs.models import Lab
from portal.requests.models import QuotaRequest
from portal.teams.models import Membership, Role, Team
from tests.browser.conftest import PASSWORD, PHONE, Site, session_of, sign_in

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
FIND_BARRIERS = """
axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, ...nodes.map((node) => node.html)]))
"""
PAGES = (
    "/",
    "/containers/",
    "/jobs/",
    "/teams/",
    "/teams/demo/",
    "/teams/demo/usage/",
    "/requests/",
    "/requests/new/",
    "/notices/",
    "/account/password/change/",
    "/nowhere/",
)
OF_ADMINISTRATORS = ("/quotas/", "/quotas/demo/", "/quotas/demo/member/ada/", "/requests/", "/audit/", "/usage/")
FIND_NAMELESS_COLUMNS = """
() => [...document.querySelectorAll("th")]
  .filter((head) => !head.textContent.trim() && !head.querySelector("[aria-label]")).length
"""
FIND_LOOSE_REFERENCES = """
() => [...document.querySelectorAll("[aria-describedby], [aria-labelledby], label[for]")].filter((one) =>
  [one.getAttribute("aria-describedby"), one.getAttribute("aria-labelledby"), one.getAttribute("for")]
    .flatMap((ids) => ids?.split(" ") ?? []).some((id) => !document.getElementById(id))).map((one) => one.outerHTML)
"""


@pytest.fixture
def busy_class(site: Site) -> Site:
    """The site as an administrator sees it: two members, one with an own quota, a request that waits, entries of the log."""
    Team.objects.update(quota_values={"labs": 20, "memory": 2**32}, member_quota_values={"labs": 4, "memory": 2**30})
    Host.objects.update(is_enabled=False)  # nobody is there to take jobs
    Membership.objects.create(team=site.team, user=User.objects.create_user("alan"), role=Role.STUDENT, quota_values={"labs": 2})
    QuotaRequest.objects.create(user=site.ada, team=site.team, resource="memory", amount=2**29, until=timezone.localdate())
    AuditEntry.objects.create(action="quota.set", subject="team:demo", actor_name="grace", before={"labs": 2}, after={"labs": 4})
    root = User.objects.create_superuser("root")
    value = session_of(root)
    site.page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": site.address}])
    return site


def card_html(site: Site, lab: Lab, *, state: str) -> str:
    lab.state = state
    return render_to_string("labs/_card.html", {"lab": lab_card(lab, site.ada)})


def test_one_signs_in_by_name_and_password_and_out_by_the_menu(site: Site) -> None:
    page = site.page
    page.context.clear_cookies()
    site.open("/")
    page.get_by_label("Password").fill("wrong")
    page.get_by_label("Username").fill("ada")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, site.address, "ada", PASSWORD)
    page.locator("details.menu:not(.bell) > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_new_student_sees_one_thing_to_press(site: Site) -> None:
    page = site.open()
    expect(page.get_by_text("No labs yet.")).to_be_visible()
    expect(page.locator("main .btn-primary")).to_have_count(1)
    expect(page.get_by_role("button", name="Start Shell")).to_be_visible()


@pytest.mark.parametrize(
    ("state", "primary", "others"),
    [
        ("running", "Open", ["Stop", "Remove"]),
        ("stopped", "Start", ["Remove"]),
        ("failed", "Start", ["Remove"]),
        ("creating", "Open", ["Remove"]),
        ("removing", None, []),
    ],
)
def test_a_card_offers_what_its_state_allows(site: Site, state: str, primary: str | None, others: list[str]) -> None:
    site.make_lab("Physics", state=state)
    card = site.open().get_by_role("article", name="Physics")
    names = [primary] if primary else []
    expect(card.locator(".btn-primary")).to_have_count(len(names))
    for name in names + others:
        expect(card.get_by_label(f"{name} Physics")).to_be_visible()


def test_a_pushed_card_takes_its_place_and_is_announced(site: Site) -> None:
    lab = site.make_lab(state="creating")
    page = site.open()
    live = site.sockets.wait("live", count=site.sockets.count("live"))
    live.say(type="append", to="labs", html=card_html(site, lab, state="running"))
    expect(page.locator(f"#lab-{lab.uuid}")).to_have_attribute("data-state", "running")
    expect(page.locator("#labs > article")).to_have_count(1)
    expect(page.locator("#announcer")).to_have_text("Shell: Running")


def test_a_pushed_card_keeps_the_keyboard_where_it_was(site: Site) -> None:
    lab = site.make_lab(state="running")
    page = site.open()
    page.get_by_label("Remove Shell").focus()
    site.sockets.wait("live").say(type="append", to="labs", html=card_html(site, lab, state="stopped"))
    expect(page.get_by_label("Start Shell").first).to_be_visible()
    expect(page.get_by_label("Remove Shell")).to_be_focused()


def test_a_removed_lab_leaves_the_list(site: Site) -> None:
    lab = site.make_lab()
    page = site.open()
    site.sockets.wait("live").say(type="remove", id=f"lab-{lab.uuid}")
    expect(page.get_by_text("No labs yet.")).to_be_visible()


def test_a_toast_is_text_and_can_be_closed(site: Site) -> None:
    page = site.open()
    site.sockets.wait("live").say(type="toast", level="error", text="<b>Shell</b> failed")
    expect(page.get_by_text("<b>Shell</b> failed")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".toast-note")).to_have_count(0)


def test_a_lost_connection_is_shown_and_mended(site: Site) -> None:
    lab = site.make_lab(state="creating")
    page = site.open()
    count = site.sockets.count("live")
    site.sockets.wait("live").route.close(code=4503)
    Lab.objects.filter(pk=lab.pk).update(state="running")
    site.sockets.wait("live", count=count + 1)
    expect(page.locator(f"#lab-{lab.uuid}")).to_have_attribute("data-state", "running")


def test_removing_asks_first(site: Site) -> None:
    site.make_lab("Physics", state="stopped")
    page = site.open()
    page.get_by_label("Remove Physics").click()
    question = page.get_by_role("dialog", name="Remove Physics and all its files?")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(question).to_be_hidden()
    assert Lab.objects.get().state == "stopped"


def test_a_yes_counts_though_the_card_was_pushed_anew_meanwhile(site: Site) -> None:
    lab = site.make_lab("Physics", state="running")
    page = site.open()
    page.get_by_label("Remove Physics").click()
    site.sockets.wait("live").say(type="append", to="labs", html=card_html(site, lab, state="stopped"))
    expect(page.locator(f"#lab-{lab.uuid}")).to_have_attribute("data-state", "stopped")
    with page.expect_response(lambda answer: answer.url.endswith(f"/labs/{lab.uuid}/remove/")) as answer:
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    assert answer.value.ok
    expect(page.locator(f"#lab-{lab.uuid}")).to_have_attribute("data-state", "removing")


def test_a_refusal_says_why(site: Site) -> None:
    page = site.open()
    # Behind the page's back, as a colleague's click a moment ago.
    Team.objects.update(quota_values={"labs": 1})
    site.make_lab()
    page.get_by_role("button", name="Start Shell").click()
    expect(page.locator(".toast-note")).to_contain_text("The team has 1 of the 1 labs that it may have.")
    expect(page.locator(".toast-note")).to_have_count(1)
    expect(page.locator("#offer-shell .note")).to_contain_text("Remove one, or ask your teacher for room.")


def test_a_full_quota_is_said_before_one_presses(site: Site) -> None:
    site.make_lab()
    Team.objects.update(member_quota_values={"labs": 1})
    page = site.open()
    expect(page.get_by_role("button", name="Start Shell")).to_be_disabled()
    expect(page.locator("#offer-shell .note")).to_contain_text("You have 1 of the 1 labs that you may have.")
    expect(page.locator(".share [data-full] dt")).to_have_text("Labs")


def test_a_teacher_finds_the_way_from_team_to_lab_and_back(site: Site) -> None:
    Membership.objects.update(role=Role.TEACHER)
    site.make_lab("Physics")
    Lab.objects.update(owner=User.objects.create_user("alan", first_name="Alan", last_name="Turing"))
    page = site.open("/teams/")
    page.get_by_role("link", name="Demo class").click()
    page.get_by_role("link", name="Open Physics").click()
    expect(page.locator(".lab-head")).to_contain_text("Alan Turing")
    expect(page).to_have_title("Physics · Alan Turing · Atelier")
    page.locator(".way-back").click()
    expect(page.get_by_role("heading", name="Demo class")).to_be_visible()


def test_the_first_tab_stop_skips_to_the_content(site: Site) -> None:
    page = site.open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_menu_works_by_keyboard(site: Site) -> None:
    page = site.open()
    summary = page.locator("details.menu:not(.bell) > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(summary).to_be_focused()


def test_a_chosen_appearance_is_in_the_next_page_from_its_first_byte(site: Site) -> None:
    page = site.open()
    page.locator("details.menu:not(.bell) > summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    answer = page.context.request.get(site.address + "/jobs/")
    assert 'data-bs-theme="dark"' in answer.text()


def test_the_page_can_be_french(site: Site) -> None:
    site.make_lab(state="stopped")
    page = site.open()
    page.locator("details.menu:not(.bell) > summary").click()
    page.get_by_role("button", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_role("heading", name="Mes labos")).to_be_visible()
    expect(page.locator(".state").first).to_have_text("Arrêté")


def test_a_column_of_quotas_is_set_by_keyboard_alone(busy_class: Site) -> None:
    page = busy_class.open("/quotas/")
    page.get_by_label("Ada Lovelace: memory").focus()
    page.keyboard.type("512 MiB")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("alan: memory")).to_be_focused()
    page.keyboard.type("1 GiB")
    page.keyboard.press("Enter")
    expect(page.get_by_label("alan: memory")).to_have_attribute("data-held", "1 GiB")
    expect(page.get_by_label("Ada Lovelace: memory")).to_have_attribute("data-held", "512 MiB")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Ada Lovelace: memory")).to_be_focused()


def test_all_members_are_set_with_a_few_keys(busy_class: Site) -> None:
    page = busy_class.open("/quotas/")
    page.get_by_label("Amount").focus()
    page.keyboard.type("2")
    everybody = page.get_by_label("Choose all members")
    for _step in range(4):
        page.keyboard.press("Tab")
        if everybody.evaluate("(box) => box === document.activeElement"):
            break
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="2 members changed.")).to_be_visible()
    assert {row.quota_values["cpus"] for row in Membership.objects.all()} == {2.0}


def test_links_exchange_the_page_without_a_reload(site: Site) -> None:
    page = site.open()
    page.evaluate("window.stayed = true")
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    expect(page.locator("#main")).to_be_focused()
    assert page.evaluate("window.stayed") is True
    page.go_back()
    expect(page.get_by_role("heading", name="My labs")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_a_phone(site: Site, path: str) -> None:
    site.make_lab("A lab whose name is rather long for a telephone", state="failed", error_kind="unavailable")
    site.make_job("lab.start", state="running", percent=40, line="unpacking " * 20)
    site.page.set_viewport_size(PHONE)
    page = site.open(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("path", OF_ADMINISTRATORS)
def test_no_page_of_administrators_is_wider_than_a_phone(busy_class: Site, path: str) -> None:
    busy_class.page.set_viewport_size(PHONE)
    page = busy_class.open(path)
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_phone_has_all_links_in_sight(busy_class: Site, language: str) -> None:
    busy_class.page.set_viewport_size(PHONE)
    busy_class.page.context.add_cookies([{"name": "django_language", "value": language, "url": busy_class.address}])
    links = busy_class.open("/containers/").locator(".top-links a, [role=tab]")
    expect(links).to_have_count(10)
    boxes = [link.bounding_box() for link in links.all()]
    assert all(box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] for box in boxes)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_rules_of_passwords_can_be_read(site: Site, language: str) -> None:
    site.page.context.add_cookies([{"name": "django_language", "value": language, "url": site.address}])
    rules = site.open("/account/password/change/").locator(".field-help").first
    field = site.page.locator("input[name=password1]").bounding_box()
    shown = rules.bounding_box()
    assert field is not None
    assert shown is not None
    assert shown["width"] >= field["width"] * 0.9
    assert shown["height"] < 150


def test_cards_hold_what_is_in_them(site: Site) -> None:
    Membership.objects.update(role=Role.TEACHER)
    Team.objects.update(name="Introduction to operating systems, group B")
    site.make_lab("A rather long name of a lab for a card")
    Lab.objects.update(owner=User.objects.create_user("edsger", first_name="Edsger Wybe", last_name="Dijkstra"))
    page = site.open("/teams/demo/")
    assert (
        page.locator(".lab-card").evaluate_all("(cards) => cards.filter((card) => card.scrollWidth > card.clientWidth).length")
        == 0
    )


@pytest.mark.parametrize(
    ("path", "label", "button", "reason"),
    [
        ("/requests/new/", "How much more", "Send", "“many” is no amount"),
        ("/quotas/demo/member/ada/", "Memory", "Save", "“many” is no amount"),
        ("/quotas/demo/member/ada/", "Range of ports", "Save rules", "“many” is no range of ports"),
    ],
)
def test_what_is_wrong_is_read_out_with_its_field(busy_class: Site, path: str, label: str, button: str, reason: str) -> None:
    Membership.objects.create(team=busy_class.team, user=User.objects.get(username="root"), role=Role.TEACHER)
    page = busy_class.open(path)
    page.get_by_label(label, exact=True).fill("many")
    page.get_by_role("button", name=button, exact=True).click()
    field = page.get_by_label(label, exact=True).first
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile(reason))
    assert not page.evaluate(FIND_LOOSE_REFERENCES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", OF_ADMINISTRATORS)
def test_no_page_of_administrators_has_a_known_barrier(busy_class: Site, path: str, scheme: str) -> None:
    busy_class.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = busy_class.open(path)
    page.evaluate(AXE.read_text())
    assert not page.evaluate(FIND_BARRIERS)
    assert not page.evaluate(FIND_LOOSE_REFERENCES)
    assert page.evaluate(FIND_NAMELESS_COLUMNS) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [*PAGES, "lab"])
def test_no_page_has_a_known_barrier(site: Site, path: str, scheme: str) -> None:
    lab = site.make_lab(state="running")
    site.make_lab("Second", state="failed", error_kind="unavailable")
    site.make_job("lab.start", state="running", percent=40, line="unpacking")
    site.make_job("lab.stop", state="failed", error_kind="conflict")
    site.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = site.open(f"/labs/{lab.uuid}/" if path == "lab" else path)
    page.evaluate(AXE.read_text())
    found = page.evaluate(FIND_BARRIERS)
    assert not found
