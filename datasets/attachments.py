"""How what lies in a store that browsers can fetch from is handed out."""

from django.http import HttpResponseRedirect


def redirect_to(link: str) -> HttpResponseRedirect:
    """To a short-lived address, which nobody may keep."""
    response = HttpResponseRedirect(link)
    response["Cache-Control"] = "private, no-store"
    return response
