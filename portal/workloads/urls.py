"""Addresses below /containers/."""

from django.urls import path

from portal.workloads import views

app_name = "workloads"
urlpatterns = [
    path("", views.workload_list, name="list"),
    path("<slug:kind>/<slug:verb>/", views.act, name="act"),
]
