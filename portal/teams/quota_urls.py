"""Addresses below /quotas/."""

from django.urls import path

from portal.teams import quota_pages

app_name = "quotas"
urlpatterns = [
    path("", quota_pages.quota_list, name="list"),
    path("<str:slug>/", quota_pages.team_sheet, name="team"),
    path("<str:slug>/set/", quota_pages.set_team, name="set_team"),
    path("<str:slug>/members/", quota_pages.default_sheet, name="default"),
    path("<str:slug>/members/set/", quota_pages.set_default, name="set_default"),
    path("<str:slug>/members/bulk/", quota_pages.bulk, name="bulk"),
    path("<str:slug>/member/<str:username>/", quota_pages.member_sheet, name="member"),
    path("<str:slug>/member/<str:username>/set/", quota_pages.set_member, name="set_member"),
]
