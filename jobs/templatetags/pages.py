"""Small pieces of pages."""

from collections.abc import Hashable, Iterable
from datetime import datetime
from functools import cache, lru_cache

from django import template
from django.db.models import Model
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from datasets.counting import bytes_in_words, in_words
from datasets.licences import licence_name
from jobs.newest import Picture
from jobs.standing import lasted

register = template.Library()


@register.simple_tag
@cache
def icon(name: str, css: str = "") -> SafeString:
    """A picture of the sprite, hidden from assistive technology: words stand beside it."""
    return format_html(
        '<svg class="i {}" aria-hidden="true"><use href="{}#i-{}"/></svg>', css, static("ui/icons.svg"), name
    )


@register.simple_tag
@lru_cache(maxsize=2_000, typed=True)
def drawn_once(template: str, **values: Hashable) -> SafeString:
    """An include that sees these values and nothing else, so that a process keeps what it drew for equal ones.

    Of a page that polls, most is the same each time, and drawing is most of what a poll costs. Raises TypeError for a
    row of the database: it equals every other of the same id, whatever they say.
    """
    if rows := [name for name, value in values.items() if isinstance(value, Model)]:
        raise TypeError(f"{template} is drawn from values, and {', '.join(rows)} is a row")
    return render_to_string(template, values)


@register.simple_tag
def each_drawn_once(template: str, name: str, values: Iterable[Hashable], **others: Hashable) -> SafeString:
    """`drawn_once` for each of the values, which the template sees by that name, and its place as `number`."""
    return SafeString(
        "".join(drawn_once(template, **{name: value}, number=place, **others) for place, value in enumerate(values, 1))
    )


@register.simple_tag
@lru_cache(maxsize=1_000)
def url_once(view: str, *args: int | str) -> str:
    """What `url` gives, kept by a process: Django puts an address together at several times the cost of a line."""
    return reverse(view, args=args)


@register.filter
def thousands(number: int) -> str:
    """What `intcomma` gives for a whole number where all pages are in English, at a fraction of the cost."""
    return f"{number:,}"


@register.simple_tag
def tiles(pictures: Iterable[Picture], slug: str) -> SafeString:
    """The newest pictures of a job. All are others with every drawing, and a template takes four times as long."""
    return format_html_join(
        "",
        '<li id="img-{}"><a class="tile" href="{}">'
        '<img src="{}" alt="{}" width="96" height="96" decoding="async"></a></li>',
        (
            (one.pk, image_url("image", slug, one.pk), image_url("image-thumb", slug, one.pk), one.label)
            for one in pictures
        ),
    )


@register.simple_tag
def image_url(view: str, slug: str, pk: int) -> str:
    """What `url` gives for an image of that dataset, at a tenth of the cost: a page has many."""
    return str(pk).join(_around_image(view, slug))


@lru_cache(maxsize=1_000)
def _around_image(view: str, slug: str) -> tuple[str, str]:
    """An image's address without its id."""
    before, _, after = reverse(view, args=[slug, 0]).rpartition("0")
    return before, after


@register.filter
def web_link(address: str) -> str:
    """The address where it leads to the web, else "": a stranger wrote it, and `javascript:` is an address too."""
    return address if address.startswith(("http://", "https://")) else ""


@register.filter
def counted(number: int) -> str:
    """A number that is not counted to its end, such as 9,999 or 10,000+."""
    return in_words(number)


@register.filter
def with_code(text: str) -> SafeString:
    """What stands between backticks as code; descriptions of the API are written so."""
    parts = (format_html("<code>{}</code>", part) if place % 2 else part for place, part in enumerate(text.split("`")))
    return format_html_join("", "{}", ((part,) for part in parts))


@register.filter
def spaced(code: str) -> str:
    """A code as words, such as checksum mismatch; documentation explains it under the code itself."""
    return code.replace("_", " ")


@register.filter
def licence(code: str, version: str = "") -> str:
    """What people call a licence, such as CC BY-SA 4.0."""
    return licence_name(code, version)


@register.filter
def duration(start: datetime, end: datetime | None = None) -> str:
    """The time between two moments (or until now) for people, such as 8 min or 42 s."""
    return lasted(start, end or timezone.now())


register.filter("bytes_size", bytes_in_words)
