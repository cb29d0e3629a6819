from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0012_kept_numbers'),
    ]

    operations = [
        migrations.AddField(
            model_name='dataset',
            name='submit_key',
            field=models.CharField(blank=True, help_text='Makes a request that is sent twice one dataset.', max_length=64, null=True, unique=True),
        ),
    ]
