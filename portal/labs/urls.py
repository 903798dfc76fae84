"""Addresses of labs and templates."""

from django.urls import path

from portal.labs import views

app_name = "labs"
urlpatterns = [
    path("", views.lab_list, name="list"),
    path("labs/<uuid:lab_id>/", views.lab_detail, name="detail"),
    path("labs/<uuid:lab_id>/start/", views.start, name="start"),
    path("labs/<uuid:lab_id>/stop/", views.stop, name="stop"),
    path("labs/<uuid:lab_id>/remove/", views.remove, name="remove"),
    path("labs/launch/<slug:slug>/", views.launch, name="launch"),
    path("templates/<slug:slug>/build/", views.build, name="build"),
]
