"""A person with everything the person may do, by one query instead of Django's three: every page and poll asks."""

from typing import Any, Final

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db.models import F, Func, OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce, Concat

from datasets.prepared import Prepared


class _Joined(Func):
    """All texts of a column in one, spaces between them."""

    function = "STRING_AGG"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        return super().as_sql(compiler, connection, function="GROUP_CONCAT", **context)


def _granted(**to: Any) -> Coalesce:
    """What is granted that way, as "app.right app.right": a column, so that a person is one row."""
    right = Concat(F("content_type__app_label"), Value("."), F("codename"), output_field=TextField())
    granted = Permission.objects.order_by().filter(**to).values(told=_Joined(right, Value(" ")))
    return Coalesce(Subquery(granted), Value(""), output_field=TextField())


_FIELDS: Final = [field.attname for field in User._meta.concrete_fields]


def _people(user_id: int) -> QuerySet[User, Any]:
    people = User.objects.order_by().filter(pk=user_id)
    return people.values_list(*_FIELDS, _granted(group__user=OuterRef("pk")), _granted(user=OuterRef("pk")))


_PEOPLE: Final = Prepared(_people, int)


class OneQueryBackend(ModelBackend):
    """Django's own backend; a person's own rights and those of groups come together, and with the person."""

    def get_user(self, user_id: int) -> User | None:
        rows = _PEOPLE.rows(user_id)
        if not rows:
            return None
        *values, of_groups, own = rows[0]
        user = User.from_db(User.objects.db, _FIELDS, values)
        if not self.user_can_authenticate(user):
            return None
        _remember(user, {*of_groups.split(), *own.split()})
        return user

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: Any = None) -> set[str]:
        if not user_obj.is_active or not isinstance(user_obj, User) or user_obj.is_superuser or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            granted = Permission.objects.order_by().filter(Q(user=user_obj) | Q(group__user=user_obj))
            told = granted.values_list("content_type__app_label", "codename")
            _remember(user_obj, {f"{app}.{codename}" for app, codename in told})
        cached: set[str] = user_obj._perm_cache  # type: ignore[attr-defined]
        return cached


def _remember(user: User, rights: set[str]) -> None:
    """Where Django looks for them; whoever may do everything has no list."""
    if not user.is_superuser:
        user._perm_cache = rights  # type: ignore[attr-defined]
