"""Whose request it is, where proxies stand between."""

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address of whoever sent the request to the outermost of our proxies (PIXCRAWLER_PROXIES).

    Each proxy adds to X-Forwarded-For whom it was asked by. What stands before the entries of our own is the visitor's
    word, and is not believed.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.TRUSTED_PROXIES:
        return peer
    forwarded = [entry.strip() for entry in request.headers.get("X-Forwarded-For", "").split(",") if entry.strip()]
    if len(forwarded) < settings.TRUSTED_PROXIES:
        return peer
    return forwarded[-settings.TRUSTED_PROXIES]
