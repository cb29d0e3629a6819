"""Everything a person may do, by one query instead of Django's two: every page and every poll asks for it."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db.models import Q


class OneQueryBackend(ModelBackend):
    """Django's own backend, whose own rights and those of groups come together."""

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: Any = None) -> set[str]:
        if not user_obj.is_active or not isinstance(user_obj, User) or user_obj.is_superuser or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            granted = Permission.objects.order_by().filter(Q(user=user_obj) | Q(group__user=user_obj))
            names = granted.values_list("content_type__app_label", "codename").distinct()
            user_obj._perm_cache = {f"{app}.{codename}" for app, codename in names}  # type: ignore[attr-defined]
        cached: set[str] = user_obj._perm_cache  # type: ignore[attr-defined]
        return cached
