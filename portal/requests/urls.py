"""Addresses below /requests/."""

from django.urls import path

from portal.requests import views

app_name = "requests"
urlpatterns = [
    path("", views.request_list, name="list"),
    path("new/", views.new, name="new"),
    path("<int:request_id>/decide/", views.decide, name="decide"),
    path("<int:request_id>/withdraw/", views.take_back, name="withdraw"),
    path("<int:request_id>/end/", views.end, name="end"),
]
