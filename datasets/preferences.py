"""What somebody chose for this browser: theme, keys, images a page. Cookies: no page asks the database for them."""

from django.http import HttpRequest, HttpResponse

THEMES = ("auto", "light", "dark")
PAGE_SIZES = (24, 48, 96)
DEFAULT_PAGE_SIZE = 48
#: Sizes of the gallery's tiles, by their names.
TILES = {"s": "Small", "m": "Medium", "l": "Large"}
DEFAULT_TILES = "m"

_THEME, _KEYS, _PAGE_SIZE, _TILES = "theme", "keys", "page_size", "tiles"
_YEAR_S = 365 * 24 * 3600


def theme(request: HttpRequest) -> str:
    """One of THEMES."""
    chosen = request.COOKIES.get(_THEME, "")
    return chosen if chosen in THEMES else "auto"


def single_keys(request: HttpRequest) -> bool:
    """Whether single letters do something. WCAG 2.1.4: it must be possible to switch them off."""
    return request.COOKIES.get(_KEYS) != "off"


def page_size(request: HttpRequest) -> int:
    """Images on one page of a gallery, one of PAGE_SIZES."""
    chosen = request.COOKIES.get(_PAGE_SIZE, "")
    return next((size for size in PAGE_SIZES if str(size) == chosen), DEFAULT_PAGE_SIZE)


def tiles(request: HttpRequest) -> str:
    """One of TILES."""
    chosen = request.COOKIES.get(_TILES, "")
    return chosen if chosen in TILES else DEFAULT_TILES


def keep_tiles(response: HttpResponse, name: str) -> None:
    _keep(response, _TILES, name if name in TILES else DEFAULT_TILES)


def keep_theme(response: HttpResponse, name: str) -> None:
    _keep(response, _THEME, name if name in THEMES else "auto")


def keep_single_keys(response: HttpResponse, *, are_on: bool) -> None:
    _keep(response, _KEYS, "on" if are_on else "off")


def keep_page_size(response: HttpResponse, size: str) -> None:
    _keep(response, _PAGE_SIZE, size if size in map(str, PAGE_SIZES) else str(DEFAULT_PAGE_SIZE))


def _keep(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=_YEAR_S, samesite="Lax")
