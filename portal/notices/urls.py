"""Addresses below /notices/."""

from django.urls import path

from portal.notices import views

app_name = "notices"
urlpatterns = [
    path("", views.notice_list, name="list"),
    path("seen/", views.seen, name="seen"),
    path("mail/", views.mail, name="mail"),
]
