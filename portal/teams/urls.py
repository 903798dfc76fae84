"""Addresses below /teams/. The pages show labs too, so their views stand in ``labs.team_pages``."""

from django.urls import path

from portal.labs import team_pages

app_name = "teams"
urlpatterns = [
    path("", team_pages.team_list, name="list"),
    path("<str:slug>/", team_pages.team_detail, name="detail"),
]
