"""Addresses of the usage report."""

from django.urls import path

from portal.usage import views

app_name = "usage"
urlpatterns = [
    path("usage/", views.all_usage, name="all"),
    path("usage/teams.csv", views.all_csv, name="all_csv"),
    path("teams/<str:slug>/usage/", views.team_usage, name="team"),
    path("teams/<str:slug>/usage/members.csv", views.team_csv, name="team_csv"),
]
