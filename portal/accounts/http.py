"""Requests and answers that several apps need."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.encoding import force_str
from django_htmx.http import HttpResponseLocation, reswap, trigger_client_event
from django_htmx.middleware import HtmxDetails
from django_stubs_ext import StrOrPromise

from portal.accounts.models import User


class UserRequest(HttpRequest):
    """A request behind ``login_required`` and the htmx middleware. For type checks only."""

    user: User
    htmx: HtmxDetails


def refuse(request: UserRequest, text: StrOrPromise, *, fallback: str, html: str = "") -> HttpResponse:
    """Say no in plain words: a toast for htmx (status 422, nothing swapped), a message and a redirect without it.

    ``html``: the same with buttons of our own templates, which is put beside what was pressed.
    """
    if not request.htmx:
        messages.error(request, force_str(text))
        return redirect(fallback)
    kind = "html" if html else "plain"
    response = HttpResponse(html or force_str(text), status=422, content_type=f"text/{kind}; charset=utf-8")
    reswap(response, "none")
    return trigger_client_event(response, "toast", {"level": "error", "text": force_str(text)})


def go_to(request: UserRequest, address: str) -> HttpResponse:
    """Lead to a page of the site, without a full reload where htmx asked."""
    return HttpResponseLocation(address) if request.htmx else redirect(address)
