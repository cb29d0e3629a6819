"""What every page's frame shows: the health of the system, and the theme."""

from functools import cache
from typing import Any

from django.http import HttpRequest

from jobs.health import system_health

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "theme"


def page_frame(request: HttpRequest) -> dict[str, Any]:
    """`health` (asked of Redis only where a template shows it, and once a page) and `theme`."""
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return {"health": cache(system_health), "theme": theme if theme in THEMES else "auto"}
