"""The addresses of the site: each app's own, allauth's for signing in, Django's for administrators."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

# One door: Django's own form would let anybody guess administrators' passwords without end.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # as allauth's manual has it

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("portal.labs.urls")),
    path("jobs/", include("portal.jobs.urls")),
    path("containers/", include("portal.workloads.urls")),
    path("teams/", include("portal.teams.urls")),
    path("quotas/", include("portal.teams.quota_urls")),
    path("", include("portal.usage.urls")),
    path("requests/", include("portal.requests.urls")),
    path("notices/", include("portal.notices.urls")),
    path("audit/", include("portal.audit.urls")),
    path("account/", include("allauth.account.urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]
