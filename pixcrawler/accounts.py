"""The account page: theme, and personal tokens for the API."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from jobs.context import THEME_COOKIE, THEMES
from jobs.tokens import InvalidToken, create_token, revoke_token

_YEAR_S = 365 * 24 * 3600


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keeps the theme in a cookie, so that the next page comes in it without a flash."""
    response = redirect("account")
    theme = request.POST.get("theme", "auto")
    response.set_cookie(THEME_COOKIE, theme if theme in THEMES else "auto", max_age=_YEAR_S, samesite="Lax")
    return response


@require_POST
def add_token(request: HttpRequest) -> HttpResponse:
    """Makes a token and shows it on this very answer, for the only time."""
    try:
        return _page(request, new_token=create_token(_user(request), request.POST.get("name", "")))
    except InvalidToken as error:
        return _page(request, error=str(error), status=422)


@require_POST
def remove_token(request: HttpRequest, pk: int) -> HttpResponse:
    if revoke_token(_user(request), pk):
        messages.success(request, "The token is revoked: whatever uses it is refused from now on.")
    return redirect("account")


def _page(request: HttpRequest, *, new_token: str = "", error: str = "", status: int = 200) -> HttpResponse:
    context = {"tokens": _user(request).api_tokens.all(), "new_token": new_token, "error": error, "themes": THEMES}
    return render(request, "account.html", context, status=status)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
