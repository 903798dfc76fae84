"""What the resources of a quota are called on pages."""

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

_NAMES: dict[str, StrPromise] = {
    "labs": _("labs"),
    "hours": _("lab hours a week"),
    "cpus": _("processors"),
    "memory": _("memory"),
    "memory_bytes": _("memory"),
    "swap": _("swap"),
    "disk": _("disk"),
    "image_bytes": _("space of images"),
    "pids": _("processes"),
    "containers": _("containers"),
    "running": _("running containers"),
    "images": _("images"),
    "volumes": _("volumes"),
    "networks": _("networks"),
    "ports": _("published ports"),
    "io_read_bps": _("reading from disk"),
    "io_write_bps": _("writing to disk"),
    "io_read_iops": _("read operations"),
    "io_write_iops": _("write operations"),
    "network_in_bps": _("network in"),
    "network_out_bps": _("network out"),
}


def resource_name(resource: str) -> str:
    """Return the name in the reader's language, in the middle of a sentence."""
    return str(_NAMES.get(resource, resource))
