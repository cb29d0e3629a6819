from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0015_large_lists'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='ended',
            field=models.JSONField(blank=True, help_text='What its ended chunks come to (jobs.progress). Empty: to be summed up.', null=True),
        ),
    ]
