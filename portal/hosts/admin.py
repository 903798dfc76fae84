"""Hosts in Django's admin."""

from django.contrib import admin

from portal.hosts.models import Host


@admin.register(Host)
class HostAdmin(admin.ModelAdmin[Host]):
    list_display = ("name", "is_enabled", "engine_version", "seen_at")
    readonly_fields = ("engine_version", "seen_at", "cpus", "memory_bytes", "disk_bytes", "pids")
