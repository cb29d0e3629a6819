"""Makes the groups of people, with the permissions that they have when this is run first."""

from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations

#: As datasets.people had them; a migration does not change with the program.
_OPERATORS = ["jobs.add_job", "jobs.change_job", "datasets.change_dataset", "datasets.delete_image"]
_ROLES = {
    "viewer": [],
    "operator": _OPERATORS,
    "administrator": [
        *_OPERATORS,
        "datasets.see_all_datasets",
        "datasets.view_auditentry",
        *(f"jobs.view_{model}" for model in ("job", "chunk", "finding", "activity", "labeltarget", "listedurl")),
        "jobs.view_apitoken",
        "jobs.delete_apitoken",
        "jobs.delete_job",
        "datasets.view_takedown",
        "datasets.add_takedown",
        "datasets.delete_takedown",
        "datasets.view_dataset",
        "datasets.view_image",
        "datasets.view_undecodable",
        "django_celery_results.view_taskresult",
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
    ],
}


def make_groups(apps: Any, schema_editor: Any) -> None:
    # Permissions are made after all migrations; groups need them now.
    for label in ("auth", "datasets", "jobs", "django_celery_results"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, verbosity=0, apps=apps, using=schema_editor.connection.alias)
        config.models_module = None
    group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, permissions in _ROLES.items():
        group, _ = group_model.objects.get_or_create(name=name)
        for permission in permissions:
            label, codename = permission.split(".")
            group.permissions.add(permission_model.objects.get(content_type__app_label=label, codename=codename))


def remove_groups(apps: Any, schema_editor: Any) -> None:
    apps.get_model("auth", "Group").objects.filter(name__in=_ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0006_exports"),
        ("datasets", "0008_people"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("django_celery_results", "0011_taskresult_periodic_task_name"),
    ]

    operations = [migrations.RunPython(make_groups, remove_groups)]
