"""The page of jobs."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.accounts.http import UserRequest
from portal.jobs.rows import job_row
from portal.jobs.selectors import visible_jobs

_PAGE_LENGTH = 50


@require_GET
@login_required
def job_list(request: UserRequest) -> HttpResponse:
    """Context: ``jobs`` (list of JobRow, newest first), ``page`` (Django's page object)."""
    page = Paginator(visible_jobs(request.user), _PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "jobs/list.html", {"jobs": [job_row(job) for job in page], "page": page})
