"""Chromium for the browser tests, and a page of a site with a small class in it. Needs no engine and no Redis."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.test import Client, override_settings
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from pytest_django.live_server_helper import LiveServer

from portal.accounts.models import User
from portal.hosts.models import Host
from portal.jobs.models import Job
from portal.labs.models import Lab, LabTemplate
from portal.teams.models import Membership, Role, Team
from tests.browser.product import Product, running_product
from tests.browser.sockets import Sockets

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
PASSWORD = "correct-horse-1"


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


# One a module: while it is open, its event loop counts as running and no asynchronous test could start.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on this machine")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # For the same reason Django takes the tests' own database calls for asynchronous ones.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails its test on an error in a script or a breach of the content security policy."""
    context = browser.new_context(viewport=DESKTOP, locale="en-GB", reduced_motion="reduce")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert not faults


@dataclass
class Site:
    """The site with student Ada signed in; ``sockets`` plays the server's side of all WebSockets."""

    page: Page
    sockets: Sockets
    address: str
    ada: User
    team: Team
    shell: LabTemplate
    host: Host

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.address + path)
        return self.page

    def make_lab(self, name: str = "Shell", *, state: str = "running", error_kind: str = "") -> Lab:
        return Lab.objects.create(
            name=name,
            owner=self.ada,
            team=self.team,
            template=self.shell,
            host=self.host,
            cpus=0.5,
            memory_bytes=2**27,
            pids=100,
            state=state,
            error_kind=error_kind,
        )

    def make_job(self, action: str, *, state: str, percent: int | None = None, line: str = "", error_kind: str = "") -> Job:
        return Job.objects.create(
            action=action,
            object_key="lab:1",
            object_name="Shell",
            host=self.host,
            requested_by=self.ada,
            state=state,
            percent=percent,
            line=line,
            error_kind=error_kind,
        )


# One a module, so that nothing of it is left for the tests of other folders, in whatever order they run.
@pytest.fixture(scope="module")
def address(django_db_setup: None) -> Iterator[str]:
    """The site's address, with everything that would need Redis or collected files kept in this process."""
    plain_static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(
        STORAGES={**settings.STORAGES, "staticfiles": plain_static},
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        # One password costs a second with the real one, on purpose.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
        WHITENOISE_AUTOREFRESH=True,
        WHITENOISE_USE_FINDERS=True,
        ALLOWED_HOSTS=["localhost"],
    ):
        server = LiveServer("localhost")
        yield server.url
        server.stop()


@pytest.fixture
def site(page: Page, address: str, transactional_db: None) -> Site:
    team = Team.objects.create(slug="demo", name="Demo class", quota_values={"labs": 20}, member_quota_values={"labs": 4})
    ada = User.objects.create_user("ada", password=PASSWORD, first_name="Ada", last_name="Lovelace")
    Membership.objects.create(team=team, user=ada, role=Role.STUDENT)
    shell = LabTemplate.objects.create(slug="shell", name="Shell", description="A small system.", image="atelier/shell:latest")
    shell.teams.add(team)
    site = Site(page, Sockets(page), address, ada, team, shell, Host.objects.create(name="local"))
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session_of(ada), "url": address}])
    return site


# One for all files, as its first start makes images for a minute. Whoever works in it leaves nothing behind.
@pytest.fixture(scope="package")
def product() -> Iterator[Product]:
    with running_product() as product:
        yield product


def session_of(user: User) -> str:
    """Sign ``user`` in without a page and return the value of the session cookie."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def sign_in(page: Page, address: str, username: str, password: str) -> None:
    page.goto(address + "/account/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(address + "/")
