"""The bell, the list of requests and the usage report in a browser, on a desk and on a phone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from portal.accounts.models import User
from portal.hosts.models import Host
from portal.notices.models import Notice
from portal.requests.models import Grant, QuotaRequest
from portal.requests.services import ask
from portal.teams.models import Membership, Role
from portal.usage.models import UsageHour
from tests.browser.conftest import PHONE, Site, session_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

GIB = 2**30


def apart(call: Any) -> Any:
    """Call in a thread of its own: the browser's event loop runs in this one."""

    def run() -> Any:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


@pytest.fixture
def grace(site: Site, settings: Any) -> User:
    """The teacher of the team, signed in, with a request of Ada's that waits."""
    site.team.quota_values, site.team.member_quota_values = {"memory": 4 * GIB}, {"memory": GIB}
    site.team.save()
    Host.objects.update(is_enabled=False)  # nobody is there to take jobs
    grace = User.objects.create_user("grace", first_name="Grace", last_name="Hopper")
    Membership.objects.create(team=site.team, user=grace, role=Role.TEACHER)
    until = timezone.localdate() + timedelta(days=3)
    apart(lambda: ask(user=site.ada, team=site.team, resource="memory", amount=GIB, until=until, why="compiling"))
    site.page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session_of(grace), "url": site.address}])
    return grace


def test_opening_the_bell_reads_its_notices(site: Site, grace: User) -> None:
    page = site.open()
    bell = page.locator("#bell > summary")
    expect(bell).to_contain_text("1 new notice")
    bell.focus()
    with page.expect_response(lambda answer: answer.url.endswith(reverse("notices:seen"))) as seen:
        page.keyboard.press("Enter")
    assert seen.value.status == 204
    expect(page.locator("#bell-list")).to_contain_text("Ada Lovelace asks for more memory")
    assert not Notice.objects.filter(seen_at=None).exists()
    page.keyboard.press("Escape")
    expect(page.locator("#bell-list")).to_be_hidden()
    expect(bell).to_be_focused()


def test_a_new_notice_rings_on_an_open_page_and_leaves_the_menu_open(site: Site, grace: User) -> None:
    page = site.open()
    page.locator("#bell > summary").click()
    site.sockets.wait("live").say(
        type="replace",
        id="bell-count",
        html='<span id="bell-count" data-announce="2 new notices"><b class="bell-number">2</b></span>',
    )
    expect(page.locator("#bell .bell-number")).to_have_text("2")
    expect(page.locator("#announcer")).to_have_text("2 new notices")
    expect(page.locator("#bell-list")).to_be_visible()


def test_a_teacher_approves_in_one_click(site: Site, grace: User) -> None:
    page = site.open(reverse("requests:list"))
    page.get_by_label("How much").fill("512 MiB")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".request .state")).to_have_text("Approved")
    expect(page.get_by_role("button", name="End now")).to_be_visible()
    assert Grant.objects.get().amount == GIB / 2


def test_a_refused_approval_stays_where_it_was_pressed(site: Site, grace: User) -> None:
    page = site.open(reverse("requests:list"))
    page.get_by_label("How much").fill("100 GiB")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".request [data-refusal]")).to_contain_text("the whole team has 4")
    expect(page.get_by_label("How much")).to_have_value("100 GiB")
    assert QuotaRequest.objects.get().state == "open"


@pytest.mark.parametrize("name", ["requests:list", "requests:new", "notices:list", "usage:team", "usage:all"])
def test_pages_fit_on_a_phone(site: Site, grace: User, name: str) -> None:
    User.objects.filter(pk=grace.pk).update(is_superuser=True)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    UsageHour.objects.create(host=site.host, team=site.team, tenant="demo", hour=hour, cpu_seconds=100)
    site.page.set_viewport_size(PHONE)
    page = site.open(reverse(name, args=["demo"] if name == "usage:team" else []))
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    if name == "usage:team":
        assert page.locator(".columns rect").count() == 7
    if name == "notices:list":
        expect(page.locator("#notices li")).to_be_visible()
