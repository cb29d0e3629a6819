"""Completion notices on their way, who wants them by mail, and administrators' right to see them."""

import uuid
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models
from django.db.models import Q


def let_administrators_see(apps: Any, schema_editor: Any) -> None:
    # Permissions are made after all migrations; the group needs this one now.
    config = apps.get_app_config("jobs")
    config.models_module = True
    create_permissions(config, verbosity=0, apps=apps, using=schema_editor.connection.alias)
    config.models_module = None
    permission = apps.get_model("auth", "Permission").objects.get(content_type__app_label="jobs", codename="view_notice")
    for group in apps.get_model("auth", "Group").objects.filter(name="administrator"):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("jobs", "0007_groups"),
    ]

    operations = [
        migrations.CreateModel(
            name="MailChoice",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="mail_choice",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("job_ended", models.BooleanField()),
            ],
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("run", models.PositiveIntegerField()),
                ("channel", models.CharField(choices=[("webhook", "Webhook"), ("email", "e-mail")], max_length=10)),
                (
                    "recipient",
                    models.CharField(
                        blank=True,
                        help_text="A mail address; empty for the webhook, whose address is a setting.",
                        max_length=254,
                    ),
                ),
                ("body", models.JSONField()),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_try_at", models.DateTimeField()),
                (
                    "last_answer",
                    models.TextField(blank=True, help_text="What came of the last attempt, as a sentence."),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("given_up_at", models.DateTimeField(blank=True, null=True)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="jobs.job"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        fields=["next_try_at"],
                        condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
                        name="notice_due",
                    ),
                    models.Index(
                        fields=["given_up_at"], condition=Q(given_up_at__isnull=False), name="notice_given_up"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(condition=Q(channel__in=["webhook", "email"]), name="notice_channel"),
                    models.CheckConstraint(
                        condition=Q(sent_at__isnull=True) | Q(given_up_at__isnull=True), name="notice_sent_or_given_up"
                    ),
                ],
            },
        ),
        migrations.RunPython(let_administrators_see, migrations.RunPython.noop),
    ]
