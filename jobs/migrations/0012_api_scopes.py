from typing import Any

from django.db import migrations, models


def keep_what_tokens_could_do(apps: Any, schema_editor: Any) -> None:
    """Tokens that were made before there were scopes could do all that their user may."""
    apps.get_model("jobs", "ApiToken").objects.update(scope="write")


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0011_source_rights'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='submit_digest',
            field=models.CharField(blank=True, default='', help_text='What was asked for under that key: another request with it is refused.', max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='apitoken',
            name='scope',
            field=models.CharField(choices=[('read', 'look: every GET'), ('write', 'look and act: every GET and POST')], default='read', max_length=10),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='expires_at',
            field=models.DateTimeField(blank=True, help_text='It opens nothing from then on; empty: never.', null=True),
        ),
        migrations.RunPython(keep_what_tokens_could_do, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='apitoken',
            constraint=models.CheckConstraint(condition=models.Q(('scope__in', ['read', 'write'])), name='token_scope'),
        ),
    ]
