"""The account page: what this browser shows, and personal tokens for the API; and the page of all keys."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from datasets import preferences
from datasets.preferences import PAGE_SIZES, THEMES
from jobs import notice_plan
from jobs.token_models import Scope
from jobs.tokens import InvalidToken, create_token, revoke_token
from pixcrawler.keys import KEYS

#: Days that a token may be made for on the page.
_DAYS = (30, 90, 365)


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
def set_preferences(request: HttpRequest) -> HttpResponse:
    """Keeps what the form names, in cookies: the next page comes in its theme without a flash. Mail is the user's."""
    response = redirect("account")
    if "mail" in request.POST:
        notice_plan.choose_mail(_user(request), job_ended=request.POST["mail"] == "on")
    if "theme" in request.POST:
        preferences.keep_theme(response, request.POST["theme"])
    if "page_size" in request.POST:
        preferences.keep_page_size(response, request.POST["page_size"])
    if "tiles" in request.POST:
        preferences.keep_tiles(response, request.POST["tiles"])
    if "keys" in request.POST:
        preferences.keep_single_keys(response, are_on=request.POST["keys"] == "on")
    return response


@require_GET
def help_keys(request: HttpRequest) -> HttpResponse:
    """Every key, and where it works."""
    return render(request, "help_keys.html", {"key_groups": KEYS})


@require_POST
def add_token(request: HttpRequest) -> HttpResponse:
    """Makes a token and shows it on this very answer, for the only time."""
    given = request.POST
    days = given.get("days", "")
    try:
        token = create_token(
            _user(request),
            given.get("name", ""),
            scope=given.get("scope", Scope.READ),
            # What is no number here is none of the page's choices: 0 is refused in words.
            days=None if not days else int(days) if days.isdecimal() and len(days) < 6 else 0,
        )
        return _page(request, new_token=token)
    except InvalidToken as error:
        return _page(request, error=str(error), status=422)


@require_POST
def remove_token(request: HttpRequest, pk: int) -> HttpResponse:
    if revoke_token(_user(request), pk):
        messages.success(request, "The token is revoked: whatever uses it is refused from now on.")
    return redirect("account")


def _page(request: HttpRequest, *, new_token: str = "", error: str = "", status: int = 200) -> HttpResponse:
    context = {
        "tokens": _user(request).api_tokens.all(),
        "scopes": Scope.choices,
        "days": _DAYS,
        "new_token": new_token,
        "error": error,
        "themes": THEMES,
        "page_sizes": PAGE_SIZES,
        "page_size": preferences.page_size(request),
        "mail_is_set": settings.MAIL_IS_SET,
        "wants_mail": notice_plan.wants_mail(_user(request)),
        "tile_sizes": preferences.TILES,
        "tiles": preferences.tiles(request),
    }
    return render(request, "account.html", context, status=status)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
