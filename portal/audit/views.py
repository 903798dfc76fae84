"""The page of the audit log."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.accounts.http import UserRequest
from portal.audit.rows import audit_row
from portal.audit.selectors import find_entries, known_actions
from portal.audit.words import action_words

_PAGE_LENGTH = 50
_FILTERS = ("action", "subject", "person")


@require_GET
@login_required
def entry_list(request: UserRequest) -> HttpResponse:
    """Context: ``entries`` (list of AuditRow, newest first), ``page``, ``actions`` (code, words), ``filters``, ``query``."""
    if not request.user.is_administrator:
        raise Http404
    # A NUL in a text is no text to a database.
    filters = {name: request.GET.get(name, "").replace("\0", "").strip()[:120] for name in _FILTERS}
    page = Paginator(find_entries(**filters), _PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "entries": [audit_row(entry) for entry in page],
        "page": page,
        "actions": sorted(((code, action_words(code)) for code in known_actions()), key=lambda pair: pair[1].casefold()),
        "filters": filters,
        "query": urlencode({name: value for name, value in filters.items() if value}),
    }
    return render(request, "audit/list.html", context)
