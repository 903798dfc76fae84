"""The page of one's notices. Everybody has their own only, so there is nothing to look up by id."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.http import UserRequest
from portal.notices.selectors import notice_row, own_notices, reader_of
from portal.notices.services import mark_seen, set_wants_mail

_PAGE_LENGTH = 50


@require_GET
@login_required
def notice_list(request: UserRequest) -> HttpResponse:
    """Context: ``notices`` (list of NoticeRow, newest first), ``page``, ``has_mail`` and ``wants_mail``."""
    page = Paginator(own_notices(request.user), _PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "notices": [notice_row(notice) for notice in page],
        "page": page,
        "has_mail": settings.SENDS_MAIL and bool(request.user.email),
        "wants_mail": reader_of(request.user).wants_mail,
    }
    return render(request, "notices/list.html", context)


@require_POST
@login_required
def seen(request: UserRequest) -> HttpResponse:
    """Count all as read."""
    mark_seen(request.user)
    return HttpResponse(status=204) if request.htmx else redirect("notices:list")


@require_POST
@login_required
def mail(request: UserRequest) -> HttpResponse:
    """Turn e-mail on (``wants_mail=1``) or off."""
    set_wants_mail(request.user, wants_mail=request.POST.get("wants_mail") == "1")
    return redirect("notices:list")
