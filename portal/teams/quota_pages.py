"""The pages of quotas: a table a team, a sheet a tenant. Each view asks the getter, calls one service, shows the result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.http import UserRequest
from portal.accounts.models import User
from portal.common.words import localize
from portal.teams.models import Membership, QuotaPreset, Team
from portal.teams.quota_forms import BulkForm, PresetForm, RulesForm, read_values
from portal.teams.quota_rows import (
    Row,
    default_row,
    host_sums,
    member_row,
    preset_choices,
    resource_choices,
    team_row,
    team_table,
    team_tables,
    with_errors,
)
from portal.teams.quotas import INHERIT, RESOURCES
from portal.teams.refusals import QuotaRefusal
from portal.teams.selectors import get_staffed_team_for, get_taught_team_for, is_quota_reader, taught_teams
from portal.teams.services import save_preset, set_member_default, set_quota, set_quota_of_members

REFUSED = 422


@dataclass(frozen=True, slots=True)
class Target:
    """Whose quota a page is about: the team's own, the default of its members, or one member's."""

    team: Team
    kind: str
    membership: Membership | None = None

    def set(self, actor: User, **changes: Any) -> None:
        if self.kind == "default":
            set_member_default(actor=actor, team=self.team, **changes)
        else:
            user = self.membership.user if self.membership else None
            set_quota(actor=actor, team=self.team, user=user, **changes)

    def row(self, *, can_edit: bool, **options: Any) -> Row:
        if self.membership is not None:
            membership = Membership.objects.select_related("team", "user").get(pk=self.membership.pk)
            return member_row(membership, can_edit=can_edit, **options)
        make = default_row if self.kind == "default" else team_row
        return make(self.team, can_edit=can_edit, **options)

    def rules(self) -> dict[str, Any]:
        if self.membership is not None:
            return dict(self.membership.rules)
        return dict(self.team.member_rules if self.kind == "default" else self.team.rules)


@require_GET
@login_required
def quota_list(request: UserRequest) -> HttpResponse:
    """Context: ``tables`` (list of TeamTable), ``presets``, ``resources``, and for administrators ``host_sums``."""
    if not is_quota_reader(request.user):
        raise Http404
    context = {"tables": team_tables(request.user), **_choices()}
    context["host_sums"] = host_sums() if request.user.is_administrator else []
    return render(request, "quotas/list.html", context)


@login_required
def team_sheet(request: UserRequest, slug: str) -> HttpResponse:
    return _sheet(request, Target(get_staffed_team_for(request.user, slug), "team"))


@login_required
def default_sheet(request: UserRequest, slug: str) -> HttpResponse:
    return _sheet(request, Target(get_staffed_team_for(request.user, slug), "default"))


@login_required
def member_sheet(request: UserRequest, slug: str, username: str) -> HttpResponse:
    return _sheet(request, _member_target(get_staffed_team_for(request.user, slug), username))


@require_POST
@login_required
def set_team(request: UserRequest, slug: str) -> HttpResponse:
    """Change the team's own quota: administrators only."""
    return _set_row(request, Target(_own_team(request.user, slug), "team"))


@require_POST
@login_required
def set_default(request: UserRequest, slug: str) -> HttpResponse:
    return _set_row(request, Target(get_taught_team_for(request.user, slug), "default"))


@require_POST
@login_required
def set_member(request: UserRequest, slug: str, username: str) -> HttpResponse:
    return _set_row(request, _member_target(get_taught_team_for(request.user, slug), username))


@require_POST
@login_required
def bulk(request: UserRequest, slug: str) -> HttpResponse:
    """Set one value, or a preset, for the members that are ticked."""
    team = get_taught_team_for(request.user, slug)
    form = BulkForm(request.POST)
    memberships = list(team.memberships.filter(user__username__in=request.POST.getlist("member")).select_related("team", "user"))
    error = "" if memberships else _("Tick the members that it is for.")
    if not error and not form.is_valid():
        error = str(next(iter(next(iter(form.errors.values())))))
    if not error:
        try:
            set_quota_of_members(actor=request.user, team=team, memberships=memberships, values=form.cleaned_data["changes"])
        except QuotaRefusal as refusal:
            error = refusal.explain()
    return _bulk_answer(request, team, form, error, len(memberships))


def _bulk_answer(request: UserRequest, team: Team, form: BulkForm, error: str, count: int) -> HttpResponse:
    if not request.htmx:
        told = error or _changed(count)
        (messages.error if error else messages.success)(request, told)
        return redirect("quotas:list")
    table = team_table(team, request.user, can_edit=True)
    context = {"table": table, **_choices(), "bulk_error": error, "bulk": form.data if error else {}}
    context["ticked"] = request.POST.getlist("member") if error else []
    context["bulk_done"] = "" if error else _changed(count)
    return render(request, "quotas/_table.html", context, status=REFUSED if error else 200)


def _changed(count: int) -> str:
    return ngettext("%(count)s member changed.", "%(count)s members changed.", count) % {"count": count}


def _set_row(request: UserRequest, target: Target) -> HttpResponse:
    """Change the resources of the form, or the rules; answer with the row, the sheet, or what is wrong."""
    changes, errors = read_values(request.POST)
    if not errors and changes:
        errors = _attempt(lambda: target.set(request.user, values=changes))
    if not request.htmx:
        for error in errors.values():
            messages.error(request, error)
        return redirect("quotas:list")
    row = target.row(can_edit=True)
    row = with_errors(row, request.POST.dict(), errors) if errors else row
    context = {"row": row, "team": target.team.slug}
    return render(request, "quotas/_row.html", context, status=REFUSED if errors else 200)


def _attempt(change: Callable[[], None]) -> dict[str, str]:
    try:
        change()
    except QuotaRefusal as refusal:
        return {refusal.resource: refusal.explain()}
    return {}


def _sheet(request: UserRequest, target: Target) -> HttpResponse:
    """All resources and rules of one tenant. Context: ``row``, ``rules_form``, ``team``, ``can_edit``, ``presets``."""
    can_edit = _may_change(request.user, target)
    if request.method == "POST" and not can_edit:
        raise Http404
    rules_form = RulesForm(rules=target.rules(), is_member=target.membership is not None)
    row_errors: dict[str, str] = {}
    if request.method == "POST":
        row_errors, rules_form, is_done = _change_sheet(request, target, rules_form)
        if is_done:
            messages.success(request, _("Saved. The hosts are being told."))
            return redirect(request.path)
    row = target.row(can_edit=can_edit, names=RESOURCES)
    context = {
        "row": with_errors(row, request.POST.dict(), row_errors) if row_errors else row,
        "rules_form": rules_form,
        "team_name": localize(target.team.name),
        "can_edit": can_edit,
        "presets": preset_choices(),
        "is_administrator": request.user.is_administrator,
    }
    status = REFUSED if row_errors or rules_form.errors else 200
    return render(request, "quotas/sheet.html", context, status=status)


def _change_sheet(request: UserRequest, target: Target, form: RulesForm) -> tuple[dict[str, str], RulesForm, bool]:
    """Do what the form of the sheet that was sent asks for: values, rules, or a preset to apply or to keep."""
    what = request.POST.get("what")
    if what == "rules":
        form = RulesForm(request.POST, rules=target.rules(), is_member=target.membership is not None)
        if form.is_valid():
            target.set(request.user, rules=form.changes())
        return {}, form, form.is_valid()
    if what == "preset":
        preset = get_object_or_404(QuotaPreset, pk=request.POST.get("preset", ""))
        values = {name: preset.values.get(name, INHERIT) for name in RESOURCES}
        errors = _attempt(lambda: target.set(request.user, values=values))
        return errors, form, not errors
    changes, errors = read_values(request.POST)
    if what == "save_preset":
        errors |= _keep_preset(request, changes) if not errors else {}
    elif not errors:
        errors = _attempt(lambda: target.set(request.user, values=changes))
    return errors, form, not errors


def _keep_preset(request: UserRequest, changes: dict[str, Any]) -> dict[str, str]:
    """Keep what stands in the fields under a name: administrators only."""
    if not request.user.is_administrator:
        raise Http404
    form = PresetForm(request.POST)
    if not form.is_valid():
        return {"name": str(form.errors["name"][0])}
    values = {name: value for name, value in changes.items() if value is not INHERIT}
    save_preset(actor=request.user, name=form.cleaned_data["name"], values=values)
    return {}


def _choices() -> dict[str, Any]:
    return {"presets": preset_choices(), "resources": resource_choices()}


def _member_target(team: Team, username: str) -> Target:
    membership = get_object_or_404(team.memberships.select_related("team", "user"), user__username=username)
    return Target(team, "member", membership)


def _own_team(user: User, slug: str) -> Team:
    if not user.is_administrator:
        raise Http404
    return get_object_or_404(Team, slug=slug)


def _may_change(user: User, target: Target) -> bool:
    if target.kind == "team":
        return user.is_administrator
    return taught_teams(user).filter(pk=target.team.pk).exists()
