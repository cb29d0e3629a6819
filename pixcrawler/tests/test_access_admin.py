"""Who reaches what of the admin: every address of it, asked by everybody, and by an administrator with staff status."""

from typing import Any

import pytest
from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from datasets.people import ADMINISTRATOR, ROLES
from pixcrawler.tests.access_world import EVERYBODY, World, make_world, what_there_is

pytestmark = pytest.mark.django_db

#: Addresses of the admin itself: what an administrator with staff status gets there; others are led to sign-in.
OWN = {
    "index": 200,
    "logout": 405,
    "password_change": 200,
    "password_change_done": 200,
    "autocomplete": 403,
    "jsi18n": 200,
    "view_on_site": 404,
    "app_list": 200,
}
_ARGUMENTS: dict[str, list[Any]] = {"app_list": ["jobs"], "view_on_site": [1, 1]}

#: The admin's own sign-in is for everybody.
SIGN_IN = "login"

#: What a page of a model takes, by the end of its name: one of these permissions.
TAKES = {
    "changelist": ("view", "change"),
    "add": ("add",),
    "history": ("view", "change"),
    "delete": ("delete",),
    "change": ("view", "change"),
    "password_change": ("change",),
}


@pytest.fixture
def world() -> World:
    return make_world()


def _names(patterns: Any = None) -> list[str]:
    """The names of all addresses of the admin; those without a name lead to one that has one, or nowhere."""
    if patterns is None:
        patterns = next(
            one.url_patterns for one in get_resolver().url_patterns
            if isinstance(one, URLResolver) and one.namespace == "admin"
        )  # fmt: skip
    found: list[str] = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += _names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            found.append(str(pattern.name))
    return found


def _model_of(name: str) -> tuple[Any, str] | None:
    """(model, ending) out of a name such as jobs_job_change; None for the admin's own."""
    for model in admin.site._registry:
        prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
        if name.startswith(prefix):
            return model, name.removeprefix(prefix)
    return None


def _address(name: str) -> str:
    found = _model_of(name)
    if found is None:
        arguments: list[Any] = _ARGUMENTS.get(name, [])
        return reverse(f"admin:{name}", args=arguments)
    model, ending = found
    if ending in {"changelist", "add"}:
        return reverse(f"admin:{name}")
    if name == "auth_user_password_change":
        return reverse("admin:auth_user_password_change", args=[1])
    first = model._base_manager.order_by("pk").first()
    return reverse(f"admin:{name}", args=[first.pk if first else 1])


def test_every_address_of_the_admin_has_a_row() -> None:
    assert [
        name
        for name in _names()
        if name not in OWN and name != SIGN_IN and not ((found := _model_of(name)) and found[1] in TAKES)
    ] == []


@pytest.mark.parametrize("who", EVERYBODY)
def test_who_is_no_staff_is_led_to_sign_in_everywhere(world: World, who: str) -> None:
    client = world.client(who)
    before = what_there_is()
    wrong = []
    for name in _names():
        for method in ("get", "post"):
            response = getattr(client, method)(_address(name))
            is_led = response.status_code == 302 and "/login/" in response["Location"]
            if name != SIGN_IN and not is_led and not (name == "logout" and response.status_code in {302, 405}):
                wrong.append((name, method, response.status_code))
            if name == "logout":
                client = world.client(who)
    assert not wrong, wrong
    assert what_there_is() == before


def test_an_administrator_with_staff_status_gets_what_the_group_has_and_no_more(world: World) -> None:
    person = world.people["administrator"]
    type(person).objects.filter(pk=person.pk).update(is_staff=True)
    client = world.client("administrator")
    wrong = []
    for name in _names():
        found = _model_of(name)
        response = client.get(_address(name))
        if found is None:
            if name != SIGN_IN and response.status_code != OWN[name]:
                wrong.append((name, response.status_code))
            continue
        model, ending = found
        granted = {
            f"{model._meta.app_label}.{verb}_{model._meta.model_name}" for verb in TAKES[ending]
        } & {str(right) for right in ROLES[ADMINISTRATOR]}  # fmt: skip
        is_there = response.status_code == 200
        # What is granted may still be refused: nobody adds what the program writes. What is not is never there.
        if is_there and not granted:
            wrong.append((name, response.status_code))
    assert not wrong, wrong
