"""Lets administrators enter keys of sources and confirm terms."""

from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations

#: As datasets.people had them; a migration does not change with the program.
_PERMISSIONS = [
    *(f"{verb}_sourcekey" for verb in ("view", "add", "change", "delete")),
    *(f"{verb}_sourceterms" for verb in ("view", "add", "delete")),
]


def grant(apps: Any, schema_editor: Any) -> None:
    # Permissions are made after all migrations; the group needs them now.
    config = apps.get_app_config("jobs")
    config.models_module = True
    create_permissions(config, verbosity=0, apps=apps, using=schema_editor.connection.alias)
    config.models_module = None
    group = apps.get_model("auth", "Group").objects.filter(name="administrator").first()
    if group is not None:
        permissions = apps.get_model("auth", "Permission").objects
        group.permissions.add(
            *permissions.filter(content_type__app_label="jobs", codename__in=_PERMISSIONS)
        )


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_source_access")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
